/** Deformable convolution. */

import { type Dim, floorDivDims, modDims, multiplyDims, printDim, productOfDims } from "../ir/dim.js";
import type { TensorType } from "../ir/graph.js";
import { deformConvolution } from "../kernels/convolution-deform.js";
import { registerTypes } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { presentAttributes } from "./builder.js";
import { addBias, checkConvolutionInputs, checkGroups, kernelOf } from "./convolution-window.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { type Window, windowAttributes, windowOf } from "./window.js";

const { auto_pad: _, ...geometry } = windowAttributes;
const attributes = { ...geometry, group: attribute.int(1), offset_group: attribute.int(1) } as const;
type View = NodeView<typeof attributes>;

const deformWindow = (context: View): Window =>
  windowOf(
    context,
    { ...context.attributes, auto_pad: "NOTSET" },
    kernelOf(context),
    context.input(0).shape.slice(2),
  );

function infer(context: View): TensorType[] {
  const [x, w, offset] = [context.input(0), context.input(1), context.input(2)];
  const { group, offset_group: offsetGroups } = context.attributes;
  checkConvolutionInputs(context, group);
  const [channels, perGroup, out] = [x.shape[1]!, w.shape[1]!, w.shape[0]!];
  checkGroups(context, channels, perGroup, group);
  context.requireEqual(modDims(out, group), 0, `${printDim(out)} output channels in ${group} groups`);
  const shared = `${printDim(channels)} input channels in ${offsetGroups} groups of offsets`;
  if (offsetGroups < 1) context.fail(shared, "E_SHAPE");
  context.requireEqual(modDims(channels, offsetGroups), 0, shared);
  const window = deformWindow(context);
  const taps = multiplyDims(productOfDims(window.kernel), offsetGroups);
  checkShape(context, "offset", offset.shape, [x.shape[0]!, multiplyDims(taps, x.rank - 2), ...window.out]);
  const mask = context.optional(4);
  if (mask !== null) checkShape(context, "mask", mask.shape, [x.shape[0]!, taps, ...window.out]);
  for (const other of [offset, mask]) {
    if (other !== null && other.dtype !== x.dtype) context.fail(`combines ${x.dtype} and ${other.dtype}`);
  }
  return [{ dtype: x.dtype, shape: [x.shape[0]!, out, ...window.out] }];
}

function checkShape(context: View, what: string, given: readonly Dim[], wanted: readonly Dim[]): void {
  const reason = `${what} [${given.map(printDim)}], not [${wanted.map(printDim)}]`;
  if (given.length !== wanted.length) context.fail(reason, "E_SHAPE");
  for (const [i, dim] of given.entries()) context.requireEqual(dim, wanted[i]!, reason);
}

function lower(context: LoweringContext<typeof attributes>): void {
  const [x, w] = [context.input(0), context.input(1)];
  const { group, offset_group } = context.attributes;
  const window = deformWindow(context);
  const parameters = {
    ...window,
    before: window.before as readonly number[], // no padding depends on the extents without auto_pad
    shape: x.shape,
    groups: group,
    inChannels: w.shape[1]!,
    outChannels: floorDivDims(w.shape[0]!, group),
    offsetChannels: floorDivDims(x.shape[1]!, offset_group),
    scalar: registerTypes[x.dtype] as "f32" | "f64",
  };
  // Products of 16-bit elements with those of a column are made of what was not rounded in between.
  const dtype = parameters.scalar === "f64" ? "float64" : "float32";
  const column = context.scratch(`${context.node.outputs[0]!.name}.column`, {
    type: { dtype, shape: [x.shape[1]!, ...window.kernel] },
  });
  context.kernel({ name: "conv_deform", flops: 0 }, (s) => {
    const view = (i: number) => s.view("x", context.placement(i), "read");
    deformConvolution(s, parameters, {
      image: view(0),
      weights: view(1),
      offsets: view(2),
      mask: context.optional(4) === null ? null : view(4),
      column: s.view("column", column, "readwrite"),
      result: (value, indices) => s.result(value, indices),
    });
  });
}

const rowMajor = "row-major" as const;

const DeformConv = defineOperator({
  name: "DeformConv",
  summary: "Convolution whose taps are moved by offsets.",
  inputs: ["X", "W", "offset", "B?", "mask?"],
  types: floats,
  attributes,
  versions: [19, 22].map((since) => ({
    since,
    upgrade: (b, [x, w, offset, bias, mask], view) => {
      const inputs = [x!, w!, offset!, null, mask ?? null];
      return [addBias(b, b.op("DeformConv", inputs, presentAttributes(view)), bias ?? null, view)];
    },
  })),
  infer,
  layout: () => ({ inputs: [rowMajor, rowMajor, rowMajor, rowMajor, rowMajor], output: rowMajor }),
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

export const deformOperators: readonly Operator[] = [DeformConv];
