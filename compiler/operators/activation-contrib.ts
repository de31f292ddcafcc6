/** Activations of com.microsoft: with a bias before them, or behind a matrix product. */

import { isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { contrib } from "./contrib.js";
import {
  type AttributeSchema,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
} from "./operator.js";
import { floats } from "./pointwise.js";
import { shapePart } from "./shape-arithmetic.js";

const domain = "com.microsoft";

/** All of them are functions of floats. */
const activation = <const S extends AttributeSchema>(
  declaration: Parameters<typeof contrib<S>>[0],
): Operator => contrib({ ...declaration, types: floats });

/** The tensor and a vector for its last dim, which may be left out. */
function withBias(
  b: GraphBuilder,
  x: Value,
  bias: Value | null | undefined,
  view: Pick<ImportedNode, "fail">,
): Value {
  if (bias == null) return x;
  const [own, other] = [bias.shape[0], x.shape.at(-1)];
  const differ = isStatic(own ?? 0) && isStatic(other ?? 0) && own !== other;
  if (bias.rank !== 1 || differ) view.fail(`bias of [${bias.shape}] for [${x.shape}]`, "E_SHAPE");
  return b.op("Add", [x, bias]);
}

const fastGelu = (b: GraphBuilder, x: Value): Value => b.op("Gelu", [x], { approximate: "tanh" });

const contribActivations: readonly Operator[] = [
  activation({
    name: "Gelu",
    summary: "x times the normal distribution function.",
    inputs: ["X"],
    attributes: {},
    compute: (b, [x]) => b.op("Gelu", [x!]),
  }),
  activation({
    name: "BiasGelu",
    summary: "Gelu of a tensor and a bias.",
    inputs: ["A", "B"],
    attributes: {},
    compute: (b, [x, bias], view) => b.op("Gelu", [withBias(b, x!, bias, view)]),
  }),
  activation({
    name: "FastGelu",
    summary: "Gelu by tanh, of a tensor and a bias.",
    inputs: ["X", "bias?"],
    attributes: {},
    compute: (b, [x, bias], view) => fastGelu(b, withBias(b, x!, bias, view)),
  }),
  activation({
    name: "QuickGelu",
    summary: "x / (1 + e^(-alpha x)).",
    inputs: ["X"],
    attributes: { alpha: attribute.float(1.702) },
    compute: (b, [x], { attributes: { alpha } }) => b.op("Swish", [x!], { alpha }),
  }),
  activation({
    name: "GemmFastGelu",
    summary: "FastGelu of a matrix product and a bias.",
    inputs: ["X", "W", "bias?"],
    attributes: {},
    compute: (b, [x, w, bias], view) => fastGelu(b, withBias(b, b.op("MatMul", [x!, w!]), bias, view)),
  }),
  activation({
    name: "BiasSplitGelu",
    summary: "Of a tensor and a bias, the first half of the last dim times Gelu of the second.",
    inputs: ["X", "bias"],
    attributes: {},
    compute: (b, [x, bias], view) => {
      const last = x!.shape.at(-1) ?? view.fail("takes no scalars", "E_SHAPE");
      if (isStatic(last) && last % 2 !== 0) view.fail(`${last} elements do not make two halves`, "E_SHAPE");
      const sum = withBias(b, x!, bias, view);
      const all = shapePart(b, x!, x!.rank - 1, x!.rank);
      const half = isStatic(last) ? b.ints([last / 2]) : b.op("Div", [all, b.ints([2])]);
      const axis = b.ints([x!.rank - 1]);
      const left = b.op("Slice", [sum, b.ints([0]), half, axis]);
      return b.op("Mul", [left, b.op("Gelu", [b.op("Slice", [sum, half, all, axis])])]);
    },
  }),
  activation({
    name: "BiasAdd",
    summary: "Sum of a tensor, a bias and another tensor.",
    inputs: ["X", "bias", "skip"],
    attributes: {},
    compute: (b, [x, bias, skip], view) => b.op("Add", [withBias(b, x!, bias, view), skip!]),
  }),
  activation({
    name: "BiasSoftmax",
    summary: "Softmax of a tensor and a bias, over all dims from an axis on.",
    inputs: ["data", "bias"],
    attributes: { axis: attribute.int(1), is_inner_broadcast: attribute.required("int") },
    compute: biasSoftmax,
  }),
];

/** How the bias is repeated, its shape says as well as the attribute. */
function biasSoftmax(
  b: GraphBuilder,
  [x, bias]: readonly (Value | null)[],
  view: ImportedNode<{ readonly axis: ReturnType<typeof attribute.int> }>,
): Value {
  const { rank } = x!;
  const axis = view.attributes.axis < 0 ? view.attributes.axis + rank : view.attributes.axis;
  if (axis < 0 || axis >= rank) view.fail(`axis ${view.attributes.axis} of ${rank} dims`, "E_SHAPE");
  const sum = b.op("Add", [x!, bias!]);
  if (axis === rank - 1) return b.op("Softmax", [sum], { axis });
  const rows = b.op("Softmax", [b.op("Flatten", [sum], { axis })], { axis: 1 });
  return b.op("Reshape", [rows, b.op("Shape", [x!])]);
}

const BiasDropout = defineExpansion({
  name: "BiasDropout",
  domain,
  summary: "Dropout of a tensor and a bias, and a tensor that is added behind it.",
  inputs: ["data", "bias", "residual?", "ratio?", "training_mode?"],
  types: floats,
  attributes: { seed: attribute.optional("int") },
  versions: [{ since: 1 }],
  expand: (b, [x, bias, residual, ratio, training], { attributes: { seed }, outputCount }) => {
    const sum = b.op("Add", [x!, bias!]);
    const options = seed === undefined ? {} : { seed };
    const [kept, ...mask] = b.ops("Dropout", [sum, ratio ?? null, training ?? null], options, outputCount);
    return [residual == null ? kept! : b.op("Add", [kept!, residual]), ...mask];
  },
});

export const contribActivationOperators: readonly Operator[] = [...contribActivations, BiasDropout];
