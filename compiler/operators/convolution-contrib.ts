/** Convolutions and pools of com.microsoft, in terms of those of ai.onnx. */

import type { Value } from "../ir/graph.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { convolutionAttributes, splitBias } from "./convolution-window.js";
import { attribute, defineExpansion, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { windowAttributes } from "./window.js";

/** What an activation does with its parameters. */
const activations: Readonly<
  Record<string, (b: GraphBuilder, x: Value, parameters: readonly number[]) => Value>
> = {
  Relu: (b, x) => b.op("Relu", [x]),
  Tanh: (b, x) => b.op("Tanh", [x]),
  Sigmoid: (b, x) => b.op("Sigmoid", [x]),
  LeakyRelu: (b, x, [alpha]) => b.op("LeakyRelu", [x], { alpha: alpha! }),
  HardSigmoid: (b, x, [alpha, beta]) => b.op("HardSigmoid", [x], { alpha: alpha!, beta: beta! }),
  Clip: (b, x, [least, most]) => b.op("Clip", [x, b.scalar(x.dtype, least!), b.scalar(x.dtype, most!)]),
};

const parameterCounts: Readonly<Record<string, number>> = { LeakyRelu: 1, HardSigmoid: 2, Clip: 2 };

const fusedAttributes = {
  ...convolutionAttributes,
  activation: attribute.string(""),
  activation_params: attribute.floats([]),
} as const;

const FusedConv = defineExpansion({
  name: "FusedConv",
  domain: "com.microsoft",
  summary: "Conv, a tensor that is added to its result, and an activation.",
  inputs: ["X", "W", "B?", "Z?"],
  types: floats,
  attributes: fusedAttributes,
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const { activation, activation_params: parameters, ...attributes } = view.attributes;
    const [convolved] = splitBias("Conv")(b, inputs.slice(0, 3), { ...view, attributes });
    const added = inputs[3] ?? null;
    const result = added === null ? convolved! : b.op("Add", [convolved!, added]);
    if (activation === "") return [result];
    const activate = Object.hasOwn(activations, activation) ? activations[activation] : undefined;
    if (activate === undefined)
      return view.fail(`activation "${activation}" is not supported`, "E_UNSUPPORTED");
    const wanted = parameterCounts[activation] ?? 0;
    if (parameters.length < wanted) view.fail(`activation "${activation}" needs ${wanted} parameters`);
    return [activate(b, result, parameters)];
  },
});

const NhwcMaxPool = defineExpansion({
  name: "NhwcMaxPool",
  domain: "com.microsoft",
  summary: "MaxPool of an image whose channels are its last dim.",
  inputs: ["x"],
  types: ["int8", "uint8"],
  attributes: {
    ...windowAttributes,
    ceil_mode: attribute.int(0),
    kernel_shape: attribute.required("ints"),
  },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const { rank } = x!;
    if (rank < 3) view.fail(`takes [N, ...spatial, C], not ${rank} dims`, "E_SHAPE");
    const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    const moved = b.op("Transpose", [x!], { perm: [0, rank - 1, ...spatial] });
    const pooled = b.op("MaxPool", [moved], presentAttributes(view));
    return [b.op("Transpose", [pooled], { perm: [0, ...spatial.map((axis) => axis + 1), 1] })];
  },
});

export const contribConvolutionOperators: readonly Operator[] = [FusedConv, NhwcMaxPool];
