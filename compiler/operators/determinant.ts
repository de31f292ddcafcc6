/** Det: determinants of square matrices, by elimination with the largest element of each column as pivot. */

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
  const [rows, columns] = shape.slice(-2);
  if (rank < 2) context.fail(`takes 2 dims or more, not ${rank}`, "E_SHAPE");
  if (isStatic(rows!) && isStatic(columns!) && rows !== columns) {
    context.fail(`takes square matrices, not ${printDim(rows)} x ${printDim(columns)}`, "E_SHAPE");
  }
  return rows!;
}

/** A matrix is eliminated in float64, which what is lost on the way does not reach. */
function lower(context: LoweringContext): void {
  const { shape, dtype } = context.input(0);
  const size = sizeOf(context);
  const memory = context.scratch("matrix", { type: { dtype: "float64", shape: [multiplyDims(size, size)] } });
  context.kernel({ name: `det_${size}`, flops: 0 }, (s) => {
    const n = s.dim(size);
    const matrix = s.view("matrix", memory, "readwrite").buffer;
    loopsInOrder(s, shape.slice(0, -2), (batch) => {
      if (size !== 0) {
        const x = s.view("x", context.placement(0), "read");
        loopsInOrder(s, [size, size], ([i, j]) => {
          const element = convertElement(x.load([...batch, i!, j!]), dtype, "float64");
          s.store(matrix, add(mul(i!, n), j!), element);
        });
      }
      s.result(convertElement(eliminate(s, matrix, n), "float64", dtype), batch);
    });
  });
}

/** The product of the pivots, with the sign of the exchanges of rows. */
function eliminate(s: KernelScope, matrix: Buffer, n: Expr): Expr {
  const at = (i: Expr, j: Expr): Expr => add(mul(i, n), j);
  const product = s.variable("product", constant(f64, 1));
  s.for("k", 0, n, (k) => {
    const pivot = s.variable("pivot", k);
    s.for("i", add(k, 1), n, (i) => {
      const isLarger = op(
        "gt",
        op("abs", s.load(matrix, at(i, k))),
        op("abs", s.load(matrix, at(read(pivot), k))),
      );
      s.if(isLarger, () => s.assign(pivot, i));
    });
    s.for("j", k, n, (j) => {
      const [own, other] = [
        s.let("own", s.load(matrix, at(k, j))),
        s.let("other", s.load(matrix, at(read(pivot), j))),
      ];
      s.store(matrix, at(k, j), other);
      s.store(matrix, at(read(pivot), j), own);
    });
    const value = s.let("value", s.load(matrix, at(k, k)));
    const signed = select(op("eq", read(pivot), k), value, op("neg", value));
    s.assign(product, op("mul", read(product), signed));
    s.if(op("ne", value, 0), () => {
      s.for("i", add(k, 1), n, (i) => {
        const factor = s.let("factor", op("div", s.load(matrix, at(i, k)), value));
        s.for("j", add(k, 1), n, (j) => {
          const rest = op("sub", s.load(matrix, at(i, j)), op("mul", factor, s.load(matrix, at(k, j))));
          s.store(matrix, at(i, j), rest);
        });
      });
    });
  });
  return read(product);
}

const Det = defineOperator({
  name: "Det",
  summary: "Determinants of square matrices.",
  inputs: ["X"],
  types: floats,
  attributes: {},
  versions: [{ since: 11 }, { since: 22 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    sizeOf(context);
    return [{ dtype, shape: shape.slice(0, -2) }];
  },
  epilogue: true,
  layout: () => ({ inputs: ["any"], output: "row-major" }),
  lower,
  evaluate: evaluateByKernels(lower),
});

export const determinantOperators: readonly Operator[] = [Det];
