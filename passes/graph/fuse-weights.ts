/**
 * Products with dequantised weights, as models have them whose weights alone are quantised, become products of blocks:
 *
 *   MatMul(x, Dequantize(w, scale, zero))  ->  MatMulNBits(x, w', scale', zero')
 *
 * so that the weights stay at 2, 4 or 8 bits in the module. w is a constant matrix with scales for blocks of a column, for
 * columns, or one for all, and may be transposed first. Where x is dequantised, too, `fuse-dequantize` comes before.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import type { Graph, Node, Value } from "../../compiler/ir/graph.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import type { GraphBuilder } from "../../compiler/operators/builder.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import { isPerChannel } from "./fold-affine.js";
import { isTransposition, productAt } from "./fuse-dequantize.js";
import type { GraphPass } from "./pass.js";
import { buildNodes, replaceValues } from "./replace.js";

export const fuseWeights: GraphPass = {
  name: "fuse-weights",
  summary: "products with dequantised weights as products of blocks, whose weights stay small",
  run: (graph) => {
    const replacements = new Map<Value, Value>();
    graph.nodes = graph.nodes.flatMap((node) => fused(graph, node, replacements) ?? [node]);
    replaceValues(graph, replacements);
  },
};

function fused(graph: Graph, node: Node, replacements: Map<Value, Value>): Node[] | null {
  const found = weightsOf(node);
  if (found === null) return null;
  const origin = {
    name: node.outputs[0]!.name,
    source: [...new Set([...found.weights.source, ...node.source])],
  };
  const { nodes, result } = buildNodes(graph, origin, "blocks", (b) =>
    blockProduct(b, node.inputs[0]!, found),
  );
  replacements.set(node.outputs[0]!, result);
  return nodes;
}

/** Bits of integers that blocks may be made of. */
const bitsOf: { readonly [dtype: string]: number } = {
  int2: 2,
  uint2: 2,
  int4: 4,
  uint4: 4,
  int8: 8,
  uint8: 8,
};

/** Steps of a column that share a scale where there is one for the column. */
const usualBlock = 128;

interface BlockWeights {
  /** The node that dequantises. */
  readonly weights: Node;
  /** They are transposed behind that: [columns, depth]. */
  readonly turned: boolean;
  readonly block: number;
}

/** What is known of a product's dequantised weights; null where they are not such as blocks are made of. */
function weightsOf(node: Node): BlockWeights | null {
  if (node.operator !== "MatMul") return null;
  const x = node.inputs[0]!;
  let weights = node.inputs[1]!.producer;
  const turned = weights !== null && isTransposition(weights);
  if (turned) weights = weights!.inputs[0]!.producer;
  if (weights?.operator !== "kiln.Dequantize" || x.dtype !== "float32" || x.constant !== null) return null;
  const [w, scale, zero = null] = weights.inputs as [Value, Value, Value | null];
  const isSmall = w.constant !== null && w.rank === 2 && bitsOf[w.dtype] !== undefined;
  if (!isSmall || weights.outputs[0]!.dtype !== "float32") return null;
  const axis = turned ? 1 : 0;
  const depth = w.shape[axis] as number;
  const blocks = [scale, zero].map((one) => (one === null ? 0 : blockOf(one, w, axis)));
  if (depth === 0 || w.shape[1 - axis] === 0 || blocks.includes(null)) return null;
  const [block, other] = blocks as [number, number];
  if (zero !== null && other !== block) return null;
  const isPower = block === 0 || (block >= 16 && Math.log2(block) % 1 === 0);
  // One that is longer than the depth would be filled up.
  const longest = 2 ** Math.ceil(Math.log2(Math.max(16, depth)));
  return isPower ? { weights, turned, block: Math.min(block || usualBlock, longest) } : null;
}

/** Steps that share a number along the depth: 0 where all do, null where that is not known, or others share it. */
function blockOf(value: Value, w: Value, axis: number): number | null {
  const { constant, producer } = value;
  if (constant !== null) return isPerChannel(value, w, 1 - axis) ? 0 : null;
  if (producer?.operator !== "kiln.RepeatBlocks" || producer.inputs[0]!.constant === null) return null;
  return producer.attributes.axis === axis ? Number(producer.attributes.block) : null;
}

/** True for what all users take as integers, and for their scales: it is not to be computed beforehand. */
export function staysQuantized(node: Node, users: ReadonlyMap<Value, readonly Node[]>): boolean {
  const readersOf = (one: Node): readonly Node[] => users.get(one.outputs[0]!) ?? [];
  const all = readersOf(node);
  if (all.length === 0) return false;
  if (node.operator === "kiln.RepeatBlocks") return all.every((user) => staysQuantized(user, users));
  if (node.operator !== "kiln.Dequantize") return false;
  const takesIntegers = (reader: Node): boolean => (productAt(reader) ?? weightsOf(reader))?.weights === node;
  return all.every((user) => {
    const readers = isTransposition(user) ? readersOf(user) : [user];
    return readers.length > 0 && readers.every(takesIntegers);
  });
}

function blockProduct(b: GraphBuilder, x: Value, { weights, turned, block }: BlockWeights): Value {
  const [w, scale, zero = null] = weights.inputs as [Value, Value, Value | null];
  const [K, N] = (turned ? [w.shape[1], w.shape[0]] : w.shape) as [number, number];
  const bits = bitsOf[w.dtype]!;
  const middle = dtypes[w.dtype].kind === "int" ? 2 ** (bits - 1) : 0;
  const blocks = Math.ceil(K / block);
  const element = elementOf(w.constant!, turned);
  const [scaleOf, zeroOf] = [scale, zero].map((one) => numberOf(one, turned));
  const packed = new Uint8Array((N * blocks * block * bits) / 8);
  const scales = new Float32Array(N * blocks);
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const zeros = new Uint8Array(N * zeroBytes);
  let isMiddle = true;
  for (let column = 0; column < N; column++) {
    for (let k = 0; k < K; k++) {
      const bit = (column * blocks * block + k) * bits;
      packed[bit >> 3]! |= (element(k, column) + middle) << (bit & 7);
    }
    for (let i = 0; i < blocks; i++) {
      const point = zeroOf!(i, column) + middle;
      scales[column * blocks + i] = scaleOf!(i, column);
      zeros[column * zeroBytes + ((i * bits) >> 3)]! |= point << ((i * bits) & 7);
      isMiddle &&= point === 2 ** (bits - 1);
    }
  }
  const inputs = [
    x,
    b.constant(tensor("uint8", [N, blocks, (block * bits) / 8], packed)),
    b.constant(tensor("float32", [N, blocks], scales)),
    isMiddle ? null : b.constant(tensor("uint8", [N, zeroBytes], zeros)),
  ];
  return b.op("kiln.MatMulNBits", inputs, { K, N, bits, block_size: block });
}

type Element = (step: number, column: number) => number;

function elementOf(data: TensorData, turned: boolean): Element {
  const elements = decodeElements(data);
  const width = data.dims[1]!;
  return turned
    ? (step, column) => elements[column * width + step]!
    : (step, column) => elements[step * width + column]!;
}

/** The number for a block of a column. */
function numberOf(value: Value | null, turned: boolean): Element {
  if (value === null) return () => 0;
  if (value.constant === null) {
    // One for each block, which the node repeats.
    return elementOf(value.producer!.inputs[0]!.constant!, turned);
  }
  const numbers = decodeElements(value.constant);
  return (_, column) => numbers[numbers.length === 1 ? 0 : column]!;
}
