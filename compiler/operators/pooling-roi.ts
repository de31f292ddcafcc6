/** Pools over regions of interest of an image. */

import { printDim } from "../ir/dim.js";
import type { TensorType } from "../ir/graph.js";
import { type RoiOperands, roiAlign, roiMaxPool } from "../kernels/roi.js";
import { i32Constant, op } from "../loop/builder.js";
import { type Expr, type OpName, registerTypes } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { presentAttributes } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator, oldVersion } from "./operator.js";
import { floats } from "./pointwise.js";

/** Checks an image and regions of so many numbers, and gives the type of their pool. */
function pooledType(context: NodeView, columns: number, size: readonly number[]): TensorType {
  const [x, rois] = [context.input(0), context.input(1)];
  if (rois.dtype !== x.dtype) context.fail(`combines ${x.dtype} and regions of ${rois.dtype}`);
  if (x.rank !== 4) context.fail(`takes images of 4 dims, not ${x.rank}`, "E_SHAPE");
  const [regions, numbers] = rois.shape;
  const reason = `regions [${rois.shape.map(printDim)}], not of ${columns} numbers each`;
  if (rois.rank !== 2) context.fail(reason, "E_SHAPE");
  context.requireEqual(numbers!, columns, reason);
  if (size.length !== 2 || size.some((n) => n < 1)) context.fail(`[${size}] is no size of a result`);
  return { dtype: x.dtype, shape: [regions!, x.shape[1]!, ...size] };
}

const parametersOf = (context: NodeView, scale: number) => ({
  shape: context.input(0).shape,
  out: context.node.outputs[0]!.shape,
  scalar: registerTypes[context.input(0).dtype] as "f32" | "f64",
  scale,
});

/** `skipped` numbers of a region stand before its corners. */
const operandsOf = (s: NodeScope, skipped: number, batch: RoiOperands["batch"]): RoiOperands => ({
  image: (indices) => s.operand(0, indices),
  corner: (region, which) => s.let("corner", s.operand(1, [region, i32Constant(which + skipped)])),
  batch,
  result: (value, indices) => s.result(value, indices),
});

const layout = () => ({
  inputs: ["channels-last", "row-major", "row-major"] as const,
  output: "channels-last" as const,
});

const alignAttributes = {
  coordinate_transformation_mode: attribute.string("half_pixel"),
  mode: attribute.string("avg"),
  output_height: attribute.int(1),
  output_width: attribute.int(1),
  sampling_ratio: attribute.int(0),
  spatial_scale: attribute.float(1),
} as const;
const { coordinate_transformation_mode: _mode, ...alignAttributes10 } = alignAttributes;

function lowerRoiAlign(context: LoweringContext<typeof alignAttributes>): void {
  const { attributes } = context;
  const parameters = {
    ...parametersOf(context, attributes.spatial_scale),
    mode: attributes.mode as "avg" | "max",
    samplingRatio: attributes.sampling_ratio,
    halfPixel: attributes.coordinate_transformation_mode === "half_pixel",
  };
  context.kernel({ name: `roialign_${attributes.mode}`, flops: 0 }, (s) => {
    const batch = (region: Expr): Expr => op("i64_to_i32", s.operand(2, [region]));
    roiAlign(s, parameters, operandsOf(s, 0, batch));
  });
}

const RoiAlign = defineOperator({
  name: "RoiAlign",
  summary: "Mean (or maximum) of interpolated samples in the bins of regions.",
  inputs: ["X", "rois", "batch_indices"],
  types: floats,
  attributes: alignAttributes,
  versions: [
    oldVersion(10, alignAttributes10, (b, inputs, view) => [
      b.op("RoiAlign", inputs, {
        ...presentAttributes(view),
        coordinate_transformation_mode: "output_half_pixel",
      }),
    ]),
    { since: 16 },
    { since: 22 },
  ],
  infer: (context) => {
    const { attributes } = context;
    const { mode, coordinate_transformation_mode: places } = attributes;
    if (mode !== "avg" && mode !== "max") context.fail(`mode "${mode}" is not defined`);
    if (places !== "half_pixel" && places !== "output_half_pixel")
      context.fail(`coordinate_transformation_mode "${places}" is not defined`);
    if (attributes.sampling_ratio < 0)
      context.fail(`sampling_ratio ${attributes.sampling_ratio} is negative`);
    const batches = context.input(2);
    if (batches.dtype !== "int64" || batches.rank !== 1)
      context.fail(`batch_indices of ${batches.dtype}[${batches.shape.map(printDim)}]`, "E_SHAPE");
    const regions = context.input(1).shape[0]!;
    const numbers = `${printDim(batches.shape[0]!)} batch_indices for ${printDim(regions)} regions`;
    context.requireEqual(batches.shape[0]!, regions, numbers);
    return [pooledType(context, 4, [attributes.output_height, attributes.output_width])];
  },
  layout,
  epilogue: true,
  lower: lowerRoiAlign,
  evaluate: evaluateByKernels(lowerRoiAlign),
  checks: (context) => [
    { input: 2, what: "number of an image", ranges: [{ least: 0, end: context.input(0).shape[0]! }] },
  ],
});

const poolAttributes = {
  pooled_shape: attribute.required("ints"),
  spatial_scale: attribute.float(1),
} as const;

function lowerMaxRoiPool(context: LoweringContext<typeof poolAttributes>): void {
  const parameters = parametersOf(context, context.attributes.spatial_scale);
  context.kernel({ name: "maxroipool", flops: 0 }, (s) => {
    const batch = (region: Expr): Expr =>
      op(`${parameters.scalar}_to_i32_s` as OpName, s.operand(1, [region, i32Constant(0)]));
    roiMaxPool(s, parameters, operandsOf(s, 1, batch));
  });
}

const MaxRoiPool = defineOperator({
  name: "MaxRoiPool",
  summary: "Largest element in each bin of regions.",
  inputs: ["X", "rois"],
  types: floats,
  attributes: poolAttributes,
  versions: [{ since: 1 }, { since: 22 }],
  infer: (context) => [pooledType(context, 5, context.attributes.pooled_shape)],
  layout,
  epilogue: true,
  lower: lowerMaxRoiPool,
  evaluate: evaluateByKernels(lowerMaxRoiPool),
});

export const roiOperators: readonly Operator[] = [RoiAlign, MaxRoiPool];
