/** Shapes under ONNX's multidirectional broadcasting (https://github.com/onnx/onnx/blob/main/docs/Broadcasting.md). */

import {
  addDims,
  type Dim,
  equalDims,
  equalityOfDims,
  groupDim,
  isStatic,
  isSymbol,
  multiplyDims,
  printDim,
  selectDims,
  subtractDims,
} from "../ir/dim.js";
import { i32Constant, minIndex, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeView } from "./operator.js";

type View = Pick<NodeView, "fail" | "requireEqual">;

/**
 * The shape that all the shapes broadcast to; an error of the node where they do not fit.
 *
 * Of dims that are known only at run time, those that are symbols may turn out to be 1. Where two expressions meet (the
 * sizes of two branches of a network), they are taken to be equal, and checked.
 */
export function broadcastShapes(shapes: readonly (readonly Dim[])[], view: View): Dim[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const dims = shapes.flatMap((shape) => shape[i - (rank - shape.length)] ?? []);
    return dims.reduce((result, dim) => broadcastDims(result, dim, shapes, view), 1);
  });
}

function broadcastDims(a: Dim, b: Dim, shapes: readonly (readonly Dim[])[], view: View): Dim {
  if (a === 1) return b;
  if (b === 1 || equalDims(a, b)) return a;
  const text = () => shapes.map((s) => `[${s.map(printDim).join(", ")}]`).join(" and ");
  const reason = () => `shapes ${text()} do not broadcast`;
  if (isStatic(a) && isStatic(b)) return view.fail(reason(), "E_SHAPE");
  if (!mayBeOne(a) && !mayBeOne(b)) {
    view.requireEqual(a, b, reason());
    return isStatic(a) ? a : b;
  }
  if (isStatic(a) || isStatic(b)) {
    const [known, open] = isStatic(a) ? [a, b] : [b, a];
    // open is 1 or known
    const product = multiplyDims(addDims(open, -1), subtractDims(open, known));
    view.requireEqual(product, 0, reason());
    return known;
  }
  const isOne = equalityOfDims(a, 1);
  const product = multiplyDims(multiplyDims(addDims(a, -1), addDims(b, -1)), subtractDims(a, b));
  view.requireEqual(product, 0, reason());
  return groupDim(selectDims(isOne, b, a));
}

/** Expressions stand for the sizes of layers, which are what they are; a symbol can be anything. */
const mayBeOne = (dim: Dim): boolean => isSymbol(dim);

export type BroadcastWay = "index" | "zero" | "either";

/**
 * How an operand is read along an axis of the result: at the result's index, at 0 because it has one element there, or
 * at the lesser of index and last element, because only the run decides which of the two it is.
 */
export function broadcastIndex(dim: Dim, dims: readonly Dim[], result: Dim): BroadcastWay {
  if (dim === 1) return equalDims(dim, result) ? "index" : "zero";
  if (equalDims(dim, result) || isStatic(dim)) return "index";
  const others = dims.filter((other) => other !== 1 && !equalDims(other, dim));
  return mayBeOne(dim) || others.some(mayBeOne) ? "either" : "index";
}

/** The operand's index along an axis, given the result's; `extent` is the operand's own. */
export function broadcastPlace(way: BroadcastWay, index: Expr, extent: () => Expr): Expr {
  if (way === "zero") return i32Constant(0);
  return way === "index" ? index : minIndex(index, sub(extent(), 1));
}
