/** Inverse: inverses of square matrices, by elimination with the largest element of each column as pivot. */

import { type Dim, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import { add, constant, mul, op, read, select } from "../loop/builder.js";
import type { Buffer, Expr, ExprType } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { KernelScope } from "../lowering/scope.js";
import { convertElement } from "./cast-emit.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { defineOperator, type NodeView, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

const f64: ExprType = { scalar: "f64", lanes: 1 };

function sizeOf(context: NodeView): Dim {
  const { shape, rank } = context.input(0);
  if (rank < 2) context.fail(`takes 2 dims or more, not ${rank}`, "E_SHAPE");
  const [rows, columns] = shape.slice(-2) as [Dim, Dim];
  context.requireEqual(rows, columns, `takes square matrices, not ${printDim(rows)} x ${printDim(columns)}`);
  return isStatic(rows) ? rows : columns;
}

/** The matrix and, right of it, the one of ones on the diagonal, which becomes its inverse; all in float64. */
function lower(context: LoweringContext): void {
  const { shape, dtype } = context.input(0);
  const size = sizeOf(context);
  if (size === 0) return;
  const memory = context.scratch("matrix", {
    type: { dtype: "float64", shape: [multiplyDims(2, multiplyDims(size, size))] },
  });
  context.kernel({ name: `inverse_${printDim(size)}`, flops: 0 }, (s) => {
    const n = s.dim(size);
    const wide = s.let("wide", mul(n, 2));
    const matrix = s.view("matrix", memory, "readwrite").buffer;
    const x = s.view("x", context.placement(0), "read");
    loopsInOrder(s, shape.slice(0, -2), (batch) => {
      loopsInOrder(s, [size, size], ([i, j]) => {
        const at = add(mul(i!, wide), j!);
        s.store(matrix, at, convertElement(x.load([...batch, i!, j!]), dtype, "float64"));
        s.store(matrix, add(at, n), select(op("eq", i!, j!), constant(f64, 1), constant(f64, 0)));
      });
      eliminate(s, matrix, n, wide);
      loopsInOrder(s, [size, size], ([i, j]) => {
        const value = s.load(matrix, add(add(mul(i!, wide), j!), n));
        s.result(convertElement(value, "float64", dtype), [...batch, i!, j!]);
      });
    });
  });
}

/** Makes the left half the matrix of ones on the diagonal, column by column. */
function eliminate(s: KernelScope, matrix: Buffer, n: Expr, wide: Expr): void {
  const at = (i: Expr, j: Expr): Expr => add(mul(i, wide), j);
  s.for("k", 0, n, (k) => {
    const pivot = s.variable("pivot", k);
    s.for("i", add(k, 1), n, (i) => {
      const [own, best] = [s.load(matrix, at(i, k)), s.load(matrix, at(read(pivot), k))];
      s.if(op("gt", op("abs", own), op("abs", best)), () => s.assign(pivot, i));
    });
    const value = s.let("value", s.load(matrix, at(read(pivot), k)));
    s.for("j", 0, wide, (j) => {
      const own = s.let("own", s.load(matrix, at(k, j)));
      const other = s.let("other", s.load(matrix, at(read(pivot), j)));
      s.store(matrix, at(read(pivot), j), own);
      s.store(matrix, at(k, j), op("div", other, value));
    });
    s.for("i", 0, n, (i) => {
      s.if(op("ne", i, k), () => {
        const factor = s.let("factor", s.load(matrix, at(i, k)));
        s.for("j", 0, wide, (j) => {
          const rest = op("sub", s.load(matrix, at(i, j)), op("mul", factor, s.load(matrix, at(k, j))));
          s.store(matrix, at(i, j), rest);
        });
      });
    });
  });
}

const Inverse = defineOperator({
  name: "Inverse",
  domain: "com.microsoft",
  summary: "Inverses of square matrices.",
  inputs: ["X"],
  attributes: {},
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    if (!floats.includes(dtype)) context.fail(`does not take ${dtype}`, "E_UNSUPPORTED");
    sizeOf(context);
    return [{ dtype, shape }];
  },
  epilogue: true,
  layout: () => ({ inputs: ["any"], output: "row-major" }),
  lower,
  evaluate: evaluateByKernels(lower),
});

export const inverseOperators: readonly Operator[] = [Inverse];
