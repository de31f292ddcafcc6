/**
 * Folds multiplications by constants into the weights of the convolution or matrix product before them, and so batch
 * normalisation, which the importer has written as Mul and Add:
 *
 *   Mul(Conv(x, W), s)           ->  Conv(x, W * s)              s a scalar or one number for each output channel
 *   Mul(Add(Conv(x, W), b), s)   ->  Add(Conv(x, W * s), b * s)
 *
 * and the same for MatMul, whose output channels are its columns. The new weights are nodes on constants, which
 * constant folding computes. The result of the product must have no other user.
 */

import { type Graph, type Node, usersOf, type Value } from "../../compiler/ir/graph.js";
import type { GraphPass } from "./pass.js";
import { buildNodes, replaceValues } from "./replace.js";

export const foldAffine: GraphPass = {
  name: "fold-affine",
  summary: "fold scales and batch normalisation into weights",
  run: (graph) => {
    for (let changed = true; changed; ) changed = foldOnce(graph);
  },
};

/** Axis of the weights that holds the output channels, and the axis of the result that they become. */
function channelAxes(node: Node): { weights: number; result: number } | null {
  const rank = node.outputs[0]!.rank;
  if (node.operator === "Conv") return { weights: 0, result: 1 };
  if (node.operator === "ConvTranspose")
    return Number(node.attributes.group ?? 1) === 1 ? { weights: 1, result: 1 } : null;
  const right = node.inputs[1];
  if (node.operator === "MatMul" && right?.rank === 2) return { weights: 1, result: rank - 1 };
  return null;
}

interface Match {
  readonly product: Node;
  readonly bias: Value | null;
  readonly scale: Value;
}

function foldOnce(graph: Graph): boolean {
  const users = usersOf(graph);
  const outputs = new Set(graph.outputs);
  const usedOnce = (value: Value): boolean => users.get(value)?.length === 1 && !outputs.has(value);
  const replacements = new Map<Value, Value>();
  const touched = new Set<Node>();
  const built = new Map<Node, Node[]>();
  for (const node of graph.nodes) {
    const match = node.operator === "Mul" ? matchScale(node, usedOnce) : null;
    if (match === null || touched.has(match.product)) continue;
    touched.add(match.product);
    const scratch = rebuild(graph, node, match);
    built.set(node, scratch.nodes);
    replacements.set(node.outputs[0]!, scratch.result);
  }
  if (built.size === 0) return false;
  graph.nodes = graph.nodes.flatMap((node) => built.get(node) ?? [node]);
  replaceValues(graph, replacements);
  return true;
}

function matchScale(mul: Node, usedOnce: (value: Value) => boolean): Match | null {
  for (const [value, scale] of [
    [mul.inputs[0]!, mul.inputs[1]!],
    [mul.inputs[1]!, mul.inputs[0]!],
  ] as const) {
    if (scale.constant === null || !usedOnce(value)) continue;
    let product = value.producer;
    let bias: Value | null = null;
    if (product?.operator === "Add") {
      const [a, b] = [product.inputs[0]!, product.inputs[1]!];
      bias = isKnown(b) ? b : isKnown(a) ? a : null;
      const biased = bias === b ? a : b;
      if (bias === null || !usedOnce(biased)) continue;
      product = biased.producer;
    }
    const axes = product === null ? null : channelAxes(product);
    if (product === null || axes === null || !isKnown(product.inputs[1]!)) continue;
    if (
      ![scale, ...(bias === null ? [] : [bias])].every((c) =>
        isPerChannel(c, product.outputs[0]!, axes.result),
      )
    )
      continue;
    return { product, bias, scale };
  }
  return null;
}

/** A constant, or what this pass has made of some: then scales that follow one another all go into the weights. */
function isKnown({ constant, producer }: Value): boolean {
  if (constant !== null) return true;
  const made = producer?.operator === "Mul" || producer?.operator === "Reshape";
  return made && producer.inputs.every((input) => isKnown(input!));
}

/** True for scalars and for tensors that vary along the channel axis only of what they broadcast to. */
export function isPerChannel(constant: Value, result: Value, axis: number): boolean {
  const lead = result.rank - constant.rank;
  return lead >= 0 && constant.shape.every((dim, i) => dim === 1 || i + lead === axis);
}

function rebuild(graph: Graph, mul: Node, { product, bias, scale }: Match): { nodes: Node[]; result: Value } {
  const source = [...new Set([...product.source, ...mul.source])];
  return buildNodes(graph, { name: mul.outputs[0]!.name, source }, "folded", (b) => {
    const weights = product.inputs[1]!;
    const { weights: axis } = channelAxes(product)!;
    const channels = weights.shape.map((_, i) => (i === axis ? -1 : 1));
    const isScalar = scale.constant!.data.length === 1;
    const reshaped = b.op("Reshape", [scale, b.ints(isScalar ? [] : channels)]);
    const scaled = b.op("Mul", [weights, reshaped]);
    const inputs = [product.inputs[0]!, scaled, ...product.inputs.slice(2)];
    const result = b.op(product.operator, inputs, product.attributes);
    return bias === null ? result : b.op("Add", [result, b.op("Mul", [bias, scale])]);
  });
}
