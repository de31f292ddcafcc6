/** LSTM with weights of 8 bits, whose input and state are quantised by their own ranges. */

import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { dynamicParameters } from "./quantize.js";
import { dequantize } from "./quantize-linear.js";
import { lstm, recurrentLayer } from "./recurrent.js";
import { recurrentAttributes } from "./recurrent-layer.js";

/** Weights [directions, n, columns] as numbers, [directions, columns, n]; a scale belongs to a direction or a column. */
function weights(
  b: GraphBuilder,
  [bytes, scale, zero]: readonly [Value, Value, Value],
  { fail }: Pick<ImportedNode, "fail">,
): Value {
  if (bytes.dtype !== "uint8" && bytes.dtype !== "int8")
    fail(`does not take ${bytes.dtype}`, "E_UNSUPPORTED");
  if (bytes.rank !== 3) fail(`weights of ${bytes.rank} dims, not 3`, "E_SHAPE");
  const beside = (parameter: Value): Value => {
    if (parameter.rank !== 1 && parameter.rank !== 2)
      fail(`scale or zero point of ${parameter.rank} dims`, "E_SHAPE");
    return b.op("Unsqueeze", [parameter, b.ints(parameter.rank === 1 ? [1, 2] : [1])]);
  };
  const numbers = dequantize(b, bytes, beside(scale), beside(zero));
  return b.op("Transpose", [numbers], { perm: [0, 2, 1] });
}

const { layout: _, ...attributes } = recurrentAttributes;

const DynamicQuantizeLSTM = defineExpansion({
  name: "DynamicQuantizeLSTM",
  domain: "com.microsoft",
  summary: "LSTM with weights of 8 bits, whose input and state are quantised by their own ranges.",
  inputs: [
    ...["X", "W", "R", "B?", "sequence_lens?", "initial_h?", "initial_c?", "P?"],
    ...["W_scale", "W_zero_point", "R_scale", "R_zero_point"],
  ],
  attributes: { ...attributes, input_forget: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const [x, w, r, ...others] = inputs;
    const [wScale, wZero, rScale, rZero] = inputs.slice(8) as Value[];
    if (x!.dtype !== "float32") view.fail(`does not take ${x!.dtype}`, "E_UNSUPPORTED");
    const { scale, zero } = dynamicParameters(b, x!);
    const bytes = b.op("kiln.Quantize", [x!, scale, zero], { to: dtypes.uint8.onnx });
    const operands = [
      dequantize(b, bytes, scale, zero),
      weights(b, [w!, wScale!, wZero!], view),
      weights(b, [r!, rScale!, rZero!], view),
      ...others.slice(0, 5),
    ];
    const layer = { ...view, attributes: { ...view.attributes, layout: 0 } };
    const more = { input_forget: view.attributes.input_forget, quantize_state: 1 };
    return recurrentLayer(b, operands, layer, lstm, more);
  },
});

export const quantizedRecurrentOperators: readonly Operator[] = [DynamicQuantizeLSTM];
