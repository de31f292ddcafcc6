/** Resize with a filter against aliasing: one axis after the other, each by a kernel of its own. */

import type { Dim } from "../ir/dim.js";
import { filtered, type ResizeFilter } from "../kernels/resize-filter.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsOver, memoryOrder } from "../lowering/loops.js";
import type { Placement } from "../lowering/scope.js";
import { convertElement } from "./cast-emit.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { isFloat } from "./integer.js";
import { defineOperator, type Operator } from "./operator.js";
import { croppedValue, inferResize, weightedType } from "./resize.js";
import { knownAxis, type PlaceScope, placeExpr, shrinkage, staysInPlace } from "./resize-place.js";
import { type ResizedAxis, resizeAttributes, resizedAxes } from "./resize-plan.js";

type Context = LoweringContext<typeof resizeAttributes>;

function lower(context: Context): void {
  const { dtype, shape } = context.input(0);
  const axes = resizedAxes(context).filter((axis) => !staysInPlace(knownAxis(context, axis)));
  const scalar = weightedType(dtype);
  let [source, dims]: [Placement | null, readonly Dim[]] = [null, shape];
  for (const [i, axis] of axes.entries()) {
    const target = dims.with(axis.axis, axis.to);
    const isLast = i === axes.length - 1;
    const step = isLast
      ? null
      : context.scratch(`${context.node.outputs[0]!.name}.axis${axis.axis}`, {
          type: { dtype: scalar === "f64" ? "float64" : "float32", shape: target },
        });
    resizeAxis(context, axis, source, step, target);
    [source, dims] = [step, target];
  }
  if (axes.length === 0) copy(context);
}

/** From the node's input where there is no source, to its result where there is no step to put it in. */
function resizeAxis(
  context: Context,
  axis: ResizedAxis,
  source: Placement | null,
  step: Placement | null,
  shape: readonly Dim[],
): void {
  const { attributes } = context;
  const { dtype } = context.input(0);
  const filter: ResizeFilter = {
    mode: attributes.mode as ResizeFilter["mode"],
    cubicCoefficient: attributes.cubic_coeff_a,
    excludesOutside: attributes.exclude_outside !== 0,
    scalar: weightedType(dtype),
  };
  context.kernel({ name: `resize_${attributes.mode}_axis${axis.axis}`, flops: 0 }, (s) => {
    const scope = placeScope(s);
    const from = source === null ? null : s.view("x", source, "read");
    const load = (at: readonly Expr[]): Expr => {
      if (from !== null) return from.load(at);
      const element = s.operand(0, at);
      return isFloat(dtype) ? element : convertElement(element, dtype, "float64");
    };
    const to = step === null ? null : s.view("y", step, "write");
    loopsOver(s, shape, memoryOrder(step ?? context.output()), (indices) => {
      const place = s.let("place", placeExpr(scope, attributes, axis, indices[axis.axis]!));
      const extent = s.dim(axis.from);
      const along = { place, shrinkage: shrinkage(scope, axis), from: extent };
      const value = filtered(s, filter, along, (index) => load(indices.with(axis.axis, index)));
      const kept =
        axis.crop === null ? value : croppedValue(attributes.extrapolation_value, place, extent, value);
      if (to !== null) to.store(indices, kept);
      else s.result(isFloat(dtype) ? kept : convertElement(kept, "float64", dtype), indices);
    });
  });
}

const placeScope = (s: NodeScope): PlaceScope => ({
  dim: (dim) => s.dim(dim),
  load: (i, indices) => s.operand(i, indices),
});

function copy(context: Context): void {
  context.kernel({ name: "copy", flops: 0 }, (s) => {
    loopsOver(s, context.input(0).shape, memoryOrder(context.output()), (indices) => {
      s.result(s.operand(0, indices), indices);
    });
  });
}

const ResizeAntialias = defineOperator({
  name: "ResizeAntialias",
  domain: "kiln",
  summary: "Resize with antialias.",
  inputs: ["X", "roi?", "scales?", "sizes?"],
  attributes: resizeAttributes,
  versions: [{ since: 1 }],
  infer: inferResize,
  layout: () => ({ inputs: ["any", "row-major", "row-major", "row-major"], output: "row-major" }),
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

export const antialiasOperators: readonly Operator[] = [ResizeAntialias];
