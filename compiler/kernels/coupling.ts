/**
 * Probabilities of classes from those of pairs of classes, as libsvm has them: method 2 of Wu, Lin and Weng, Probability
 * Estimates for Multi-class Classification by Pairwise Coupling (2004).
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, i32Constant, op, read } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";

const f64 = { scalar: "f64", lanes: 1 } as const;
const number = (value: number): Expr => constant(f64, value);

export interface CouplingViews {
  /** [rows, pairs] in the order (0, 1), (0, 2), ..., (1, 2), ...: how probable the first is of the two. */
  readonly pairs: TensorView;
  /** Scratch memory of float64: [classes, classes], [classes, classes], [classes] and [classes]. */
  readonly r: TensorView;
  readonly q: TensorView;
  readonly qp: TensorView;
  readonly p: TensorView;
}

export function couplePairs(
  s: NodeScope,
  { rows, classes }: { readonly rows: Dim; readonly classes: number },
  v: CouplingViews,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const each = (name: string, body: (i: Expr) => void): void => s.for(name, 0, classes, body);
  s.for("row", 0, s.dim(rows), (row) => {
    loadPairs(s, classes, v, row);
    each("t", (t) => v.p.store([t], number(1 / classes)));
    each("t", (t) => each("u", (u) => v.q.store([t, u], quadratic(s, classes, v, t, u))));
    const isRunning = s.variable("isRunning", i32Constant(1));
    s.for("round", 0, Math.max(100, classes), () => {
      s.if(op("ne", read(isRunning), 0), () => {
        const total = s.variable("total", number(0));
        each("t", (t) => {
          const sum = s.variable("sum", number(0));
          each("u", (u) => s.assign(sum, op("add", read(sum), op("mul", v.q.load([t, u]), v.p.load([u])))));
          v.qp.store([t], read(sum));
          s.assign(total, op("add", read(total), op("mul", v.p.load([t]), read(sum))));
        });
        const worst = s.variable("worst", number(0));
        each("t", (t) =>
          s.assign(worst, op("max", read(worst), op("abs", op("sub", v.qp.load([t]), read(total))))),
        );
        s.if(
          op("lt", read(worst), 0.005 / classes),
          () => s.assign(isRunning, i32Constant(0)),
          () =>
            each("t", (t) => {
              const qtt = s.let("qtt", v.q.load([t, t]));
              const step = s.let("step", op("div", op("sub", read(total), v.qp.load([t])), qtt));
              const scale = s.let("scale", op("add", step, 1));
              v.p.store([t], op("add", v.p.load([t]), step));
              const gained = op("mul", step, op("add", op("mul", step, qtt), op("mul", v.qp.load([t]), 2)));
              s.assign(total, op("div", op("div", op("add", read(total), gained), scale), scale));
              each("u", (u) => {
                const moved = op("add", v.qp.load([u]), op("mul", step, v.q.load([t, u])));
                v.qp.store([u], op("div", moved, scale));
                v.p.store([u], op("div", v.p.load([u]), scale));
              });
            }),
        );
      });
    });
    each("t", (t) => result(v.p.load([t]), [row, t]));
  });
}

/** r[t, u]: how probable t is of the two. */
function loadPairs(s: NodeScope, classes: number, { pairs, r }: CouplingViews, row: Expr): void {
  const pair = s.variable("pair", i32Constant(0));
  s.for("first", 0, classes, (t) => {
    s.for("second", add(t, 1), classes, (u) => {
      const probability = s.let("probability", op("f32_to_f64", pairs.load([row, read(pair)])));
      r.store([t, u], probability);
      r.store([u, t], op("sub", number(1), probability));
      s.assign(pair, add(read(pair), 1));
    });
  });
}

/** Q[t, t] is the sum of r[u, t]^2 over other classes, Q[t, u] is -r[u, t] r[t, u]. */
function quadratic(s: NodeScope, classes: number, { r }: CouplingViews, t: Expr, u: Expr): Expr {
  const value = s.variable("value", number(0));
  s.if(
    op("eq", t, u),
    () =>
      s.for("other", 0, classes, (other) => {
        s.if(op("ne", other, t), () => {
          const probability = s.let("other", r.load([other, t]));
          s.assign(value, op("add", read(value), op("mul", probability, probability)));
        });
      }),
    () => s.assign(value, op("neg", op("mul", r.load([u, t]), r.load([t, u])))),
  );
  return read(value);
}
