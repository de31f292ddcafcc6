/**
 * Attention written out, MatMul(Softmax(MatMul(Q, K) + mask), V), becomes one operator where its scores are many: block
 * by block they are computed, normalised and multiplied while they lie in the caches. Shapes must be fixed and nothing
 * broadcast but the mask; where the scores are few, kernels of their own lose nothing.
 */

import { equalShapes, isStatic, productOfDims } from "../../compiler/ir/dim.js";
import { createNode, type Node, usersOf, type Value } from "../../compiler/ir/graph.js";
import { attentionBlock } from "../../compiler/operators/attention-fused.js";
import type { GraphPass } from "./pass.js";

/** Bytes of scores from which on the operators are fused: a quarter of a common second-level cache. */
const leastBytes = 128 * 1024;

/** Bytes of a block's scores at most. */
const mostBytesOfBlock = 512 * 1024;

export const fuseAttention: GraphPass = {
  name: "fuse-attention",
  summary: "attention written out as products and a softmax, in blocks that stay in the caches",
  run: (graph) => {
    const users = usersOf(graph);
    const outputs = new Set(graph.outputs);
    const isInner = (value: Value): boolean => users.get(value)?.length === 1 && !outputs.has(value);
    const absorbed = new Set<Node>();
    graph.nodes = graph.nodes
      .map((node) => {
        const found = attentionAt(node, isInner);
        if (found === null) return node;
        for (const inner of found.absorbed) absorbed.add(inner);
        return fusedNode(node, found);
      })
      .filter((node) => !absorbed.has(node));
  },
};

interface Attention {
  readonly inputs: readonly (Value | null)[];
  readonly absorbed: readonly Node[];
}

/** The attention whose last product this is. */
function attentionAt(node: Node, isInner: (value: Value) => boolean): Attention | null {
  if (node.operator !== "MatMul") return null;
  const softmax = innerProducer(node.inputs[0]!, "Softmax", isInner);
  if (softmax === null || !isAlongRows(softmax)) return null;
  const add = innerProducer(softmax.inputs[0]!, "Add", isInner);
  const sides = add === null ? [softmax.inputs[0]!] : [add.inputs[0]!, add.inputs[1]!];
  for (const [i, scores] of sides.entries()) {
    const product = innerProducer(scores, "MatMul", isInner);
    const mask = add === null ? null : add.inputs[1 - i]!;
    if (product === null || !fits(product, scores, node, mask)) continue;
    const [queries, keys] = product.inputs;
    const inputs = [queries!, keys!, node.inputs[1]!, ...(mask === null ? [] : [mask])];
    return { inputs, absorbed: [product, ...(add === null ? [] : [add]), softmax] };
  }
  return null;
}

function innerProducer(value: Value, operator: string, isInner: (value: Value) => boolean): Node | null {
  const node = value.producer;
  return node !== null && node.operator === operator && isInner(value) ? node : null;
}

function isAlongRows({ attributes, inputs }: Node): boolean {
  const axis = Number(attributes.axis ?? -1);
  return axis === -1 || axis === inputs[0]!.rank - 1;
}

/** Whether the shapes are such as the kernel takes, and the scores are worth it. */
function fits(product: Node, scores: Value, { inputs, outputs }: Node, mask: Value | null): boolean {
  const [queries, keys] = product.inputs as [Value, Value];
  const values = inputs[1]!;
  const all = [queries, keys, values, scores, outputs[0]!];
  const isPlain = all.every(
    ({ dtype, rank, shape }) => dtype === "float32" && rank === scores.rank && shape.every(isStatic),
  );
  if (!isPlain || scores.rank < 2 || [queries, keys, values].some(({ constant }) => constant !== null))
    return false;
  const batch = scores.shape.slice(0, -2);
  if (!all.every(({ shape }) => equalShapes(shape.slice(0, -2), batch))) return false;
  if (mask !== null && (mask.dtype !== "float32" || !broadcastsTo(mask, scores))) return false;
  const [rows, columns] = scores.shape.slice(-2) as [number, number];
  const bytes = (productOfDims(scores.shape) as number) * 4;
  return bytes >= leastBytes && attentionBlock(rows) * columns * 4 <= mostBytesOfBlock;
}

/** Whether the mask has no more dims than the scores, and each is that of the scores or 1. */
function broadcastsTo(mask: Value, scores: Value): boolean {
  const lead = scores.rank - mask.rank;
  return lead >= 0 && mask.shape.every((dim, i) => dim === 1 || dim === scores.shape[i + lead]);
}

function fusedNode(node: Node, { inputs, absorbed }: Attention): Node {
  const [result] = node.outputs;
  const fused = createNode({
    operator: "kiln.Attention",
    inputs: [...inputs],
    types: [result!.type],
    names: [result!.name],
    source: [...new Set([...absorbed, node].flatMap(({ source }) => source))],
  });
  // The graph goes on using the result that it had.
  fused.outputs = [result!];
  result!.producer = fused;
  return fused;
}
