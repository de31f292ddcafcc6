/**
 * Products of dequantised bytes, as quantised models have them, become products of integers that are dequantised:
 *
 *   Conv(Dequantize(x, s, z), Dequantize(w, t, u))  ->  Dequantize(ConvInteger(x, w, z, u), s * t)
 *
 * and the same for MatMul, whose right operand may be transposed first. The weights stay a byte each in the module, and
 * the sums are exact. x is a tensor with one scale and zero point, w a constant with one or with one for each output
 * channel; convolutions of groups are left as they are.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import type { Node, Value } from "../../compiler/ir/graph.js";
import type { GraphBuilder } from "../../compiler/operators/builder.js";
import { isPerChannel } from "./fold-affine.js";
import type { GraphPass } from "./pass.js";
import { buildNodes, replaceValues } from "./replace.js";

export const fuseDequantize: GraphPass = {
  name: "fuse-dequantize",
  summary: "products of dequantised bytes as products of integers",
  run: (graph) => {
    const replacements = new Map<Value, Value>();
    graph.nodes = graph.nodes.flatMap((node) => {
      const found = productAt(node);
      if (found === null) return [node];
      const sources = [found.input, found.weights, node].flatMap(({ source }) => source);
      const origin = { name: node.outputs[0]!.name, source: [...new Set(sources)] };
      const { nodes, result } = buildNodes(graph, origin, "integers", (b) => integerProduct(b, node, found));
      replacements.set(node.outputs[0]!, result);
      return nodes;
    });
    replaceValues(graph, replacements);
  },
};

interface Product {
  /** The nodes that dequantise. */
  readonly input: Node;
  readonly weights: Node;
  /** The weights are transposed behind that. */
  readonly turned: boolean;
}

/** The product of integers that a node may be; null where it is none. */
export function productAt(node: Node): Product | null {
  const isConvolution = node.operator === "Conv";
  if (!isConvolution && node.operator !== "MatMul") return null;
  if (isConvolution && Number(node.attributes.group ?? 1) !== 1) return null;
  const input = node.inputs[0]!.producer;
  let weights = node.inputs[1]!.producer;
  const turned = !isConvolution && weights !== null && isTransposition(weights);
  if (turned) weights = weights!.inputs[0]!.producer;
  if (!isOfBytes(input) || !isOfBytes(weights)) return null;
  const [x, ...parameters] = input.inputs;
  const isWhole = parameters.every((parameter) => parameter == null || parameter.rank === 0);
  if (x!.constant !== null || !isWhole || x!.rank < 2) return null;
  const [w, ...ofChannels] = weights.inputs;
  if (w!.constant === null || (!isConvolution && w!.rank !== 2)) return null;
  const axis = isConvolution || turned ? 0 : 1;
  const fits = ofChannels.every((parameter) => parameter == null || isPerChannel(parameter, w!, axis));
  return fits ? { input, weights, turned } : null;
}

const isOfBytes = (node: Node | null): node is Node =>
  node?.operator === "kiln.Dequantize" &&
  (node.inputs[0]!.dtype === "int8" || node.inputs[0]!.dtype === "uint8") &&
  node.outputs[0]!.dtype === "float32";

export const isTransposition = ({ operator, attributes, inputs }: Node): boolean =>
  operator === "Transpose" && inputs[0]!.rank === 2 && `${attributes.perm ?? [1, 0]}` === "1,0";

function integerProduct(b: GraphBuilder, node: Node, { input, weights, turned }: Product): Value {
  const [x, scale, zero = null] = input.inputs as [Value, Value, Value | null];
  const [w, weightScale, weightZero = null] = weights.inputs as [Value, Value, Value | null];
  const isConvolution = node.operator === "Conv";
  const ofChannels = (parameter: Value, shape: readonly number[]): Value =>
    b.op("Reshape", [parameter, b.ints(parameter.shape.every((dim) => dim === 1) ? [] : shape)]);
  const zeros = [zero, weightZero === null ? null : ofChannels(weightZero, [-1])];
  const product = isConvolution
    ? b.op("kiln.ConvInteger", [x, w, ...zeros], node.attributes)
    : b.op("kiln.MatMulInteger", [x, turned ? b.op("Transpose", [w], { perm: [1, 0] }) : w, ...zeros]);
  const behind = isConvolution ? new Array<number>(x.rank - 2).fill(1) : [];
  const factor = b.op("Mul", [scale, ofChannels(weightScale, [-1, ...behind])]);
  return b.op("kiln.Dequantize", [product, factor, null], { to: dtypes.float32.onnx });
}
