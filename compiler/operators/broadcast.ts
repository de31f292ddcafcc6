/** Shapes under ONNX's multidirectional broadcasting (https://github.com/onnx/onnx/blob/main/docs/Broadcasting.md). */

import { type Dim, equalDims, isStatic, printDim } from "../ir/dim.js";
import type { NodeView } from "./operator.js";

/** The shape that all the shapes broadcast to; an error of the node where they do not fit. */
export function broadcastShapes(shapes: readonly (readonly Dim[])[], view: Pick<NodeView, "fail">): Dim[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let result: Dim = 1;
    for (const shape of shapes) {
      const dim = shape[i - (rank - shape.length)];
      if (dim === undefined || dim === 1 || equalDims(dim, result)) continue;
      if (result === 1) result = dim;
      else if (isStatic(dim) && isStatic(result)) {
        const text = shapes.map((s) => `[${s.map(printDim).join(", ")}]`).join(" and ");
        view.fail(`shapes ${text} do not broadcast`, "E_SHAPE");
      } else if (isStatic(dim)) result = dim; // the unknown one must be 1 or equal; checked when it is bound
    }
    return result;
  });
}
