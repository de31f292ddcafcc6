import fc from "fast-check";
import { describe, test } from "vitest";
import { dtypes } from "../../compiler/ir/dtype.js";
import type { Expr, Kernel, Statement } from "../../compiler/loop/ir.js";
import { nodesOf, operandsOf, statementsIn } from "../../compiler/loop/rewrite.js";
import { arbitraryKernel, ELEMENTS } from "../loop/arbitrary.js";
import { expectSame } from "./harness.js";

/** The bits of a NaN are up to the engine; kernels that look at them may differ. */
function seesBitsOfNaN(kernel: Kernel): boolean {
  const sees = (expr: Expr): boolean =>
    [...nodesOf(expr)].some((node) => node.kind === "op" && /_bits$|^copysign$/.test(node.op));
  return [...statementsIn(kernel.body)].some((statement: Statement) => operandsOf(statement).some(sees));
}

describe("random kernels", () => {
  test("run as the interpreter runs them, at every level", () => {
    const property = fc.property(
      arbitraryKernel,
      fc.constantFrom(0, 1, 2, 3, "s"),
      fc.nat(7),
      (kernel, optimize, size) => {
        fc.pre(!seesBitsOfNaN(kernel));
        const contents = kernel.buffers.map(({ dtype }, n) => {
          const array = new dtypes[dtype].array(ELEMENTS);
          for (let i = 0; i < ELEMENTS; i++) {
            const value = dtype === "bool" ? i % 2 : (i * 37 + n * 11) % 120;
            array[i] = (typeof array[i] === "bigint" ? BigInt(value) : value) as never;
          }
          return array;
        });
        expectSame(kernel, contents, { optimize: optimize as 0 | 3, sizes: [size] });
      },
    );
    fc.assert(property, { numRuns: 400 });
  });
});
