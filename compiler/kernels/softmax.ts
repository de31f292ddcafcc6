/**
 * Softmax along one axis in three passes: the largest element, exponentials of the differences and their sum, and
 * the division. Subtracting the largest keeps every exponential in (0, 1].
 */

import type { Dim } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import { add, constant, op, read } from "../loop/builder.js";
import { type Expr, type ExprType, type LoopMode, registerTypes } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import * as math from "./math.js";

export interface SoftmaxParameters {
  readonly shape: readonly Dim[];
  readonly axis: number;
  /** Order in which the dims lie in memory, outermost first. */
  readonly order: readonly number[];
  /** The logarithm of the softmax instead. */
  readonly log: boolean;
}

export function softmax(s: NodeScope, p: SoftmaxParameters, x: TensorView, y: TensorView): void {
  const others = p.order.filter((axis) => axis !== p.axis);
  const alongMemory = p.order.at(-1) === p.axis;
  const indices: Expr[] = p.shape.map(() => add(0, 0));
  const mode: LoopMode = alongMemory ? "vectorize" : "serial";
  const along = (name: string, body: (at: readonly Expr[]) => void): void => {
    s.for(
      name,
      0,
      s.dim(p.shape[p.axis]!),
      (i) => {
        indices[p.axis] = i;
        body([...indices]);
      },
      { mode },
    );
  };
  const nest = (depth: number): void => {
    const axis = others[depth];
    if (axis === undefined) {
      softmaxRow(s, p, x, y, along);
      return;
    }
    const last = depth === others.length - 1;
    const outerMode: LoopMode = last && !alongMemory ? "vectorize" : depth === 0 ? "parallel" : "serial";
    const visit = (index: Expr): void => {
      indices[axis] = index;
      nest(depth + 1);
    };
    s.for(`i${axis}`, 0, s.dim(p.shape[axis]!), visit, { mode: outerMode });
  };
  nest(0);
}

/** One row, whose elements are those for which `along` calls its body. */
export function softmaxRow(
  s: NodeScope,
  p: Pick<SoftmaxParameters, "log">,
  x: TensorView,
  y: TensorView,
  along: (name: string, body: (at: readonly Expr[]) => void) => void,
): void {
  const type: ExprType = { scalar: registerTypes[x.dtype], lanes: 1 };
  // Floats of 16 bits would round the exponentials once more than the result.
  const keeps = !p.log && dtypes[y.dtype].bytes >= 4;
  const largest = s.variable("largest", constant(type, Number.NEGATIVE_INFINITY));
  along("i", (at) => {
    s.assign(largest, op("max", read(largest), x.load(at)));
  });
  const shift = s.let("shift", read(largest));
  const exponential = (at: readonly Expr[]): Expr => math.expOfShare(op("sub", x.load(at), shift));
  const sum = s.variable("sum", constant(type, 0));
  along("j", (at) => {
    const e = s.let("e", exponential(at));
    if (keeps) y.store(at, e);
    s.assign(sum, op("add", read(sum), e));
  });
  if (p.log) {
    // Not x - (shift + logarithm): beside a large shift the logarithm would lose its digits.
    const logarithm = s.let("logarithm", math.log(read(sum)));
    along("k", (at) => y.store(at, op("sub", op("sub", x.load(at), shift), logarithm)));
    return;
  }
  const scale = s.let("scale", op("div", constant(type, 1), read(sum)));
  along("k", (at) => y.store(at, op("mul", keeps ? y.load(at) : exponential(at), scale)));
}
