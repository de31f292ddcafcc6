/** The layers of transformers, as PyTorch's exporter writes them. */

import { elementCount } from "../../compiler/ir/tensor.js";
import type { Network, Value } from "./network.js";

export interface Heads {
  readonly query: Value;
  /** Transposed already, so that its columns are the keys. */
  readonly key: Value;
  readonly value: Value;
}

/** A linear layer on the last axis. */
export function linear(net: Network, x: Value, features: number, gain = 1): Value {
  const fanIn = x.dims.at(-1)!;
  const dims = [...x.dims.slice(0, -1), features];
  const weights = net.weights([fanIn, features], { deviation: gain / Math.sqrt(fanIn) });
  net.flops += 2 * fanIn * elementCount(dims);
  const product = net.node("MatMul", [x, weights], dims);
  return net.node("Add", [net.weights([features], { deviation: 0.1 }), product], dims);
}

export function layerNorm(net: Network, x: Value, epsilon: number): Value {
  const width = x.dims.at(-1)!;
  const scale = net.weights([width], { mean: 1, deviation: 0.1 });
  const bias = net.weights([width], { deviation: 0.1 });
  return net.node("LayerNormalization", [x, scale, bias], x.dims, { axis: -1, epsilon: { float: epsilon } });
}

/** Rows of weighed values, the heads side by side again: batch, length, width. */
export function attend(net: Network, { query, key, value }: Heads, mask?: Value): Value {
  const [batch, heads, length, size] = query.dims as [number, number, number, number];
  // Half of the scale on each side, as the exporter writes `scaled_dot_product_attention`.
  const scale = net.constant("float32", [], [size ** -0.25]);
  const scaled = (x: Value): Value => net.node("Mul", [x, scale], x.dims);
  let scores = product(net, scaled(query), scaled(key));
  if (mask !== undefined) scores = net.node("Add", [scores, mask], scores.dims);
  const weights = net.node("Softmax", [scores], scores.dims, { axis: -1 });
  const weighed = transpose(net, product(net, weights, value), [0, 2, 1, 3]);
  return reshape(net, weighed, [batch, length, heads * size]);
}

/** A product of matrices that are both computed. */
function product(net: Network, a: Value, b: Value): Value {
  const dims = [...a.dims.slice(0, -1), b.dims.at(-1)!];
  net.flops += 2 * a.dims.at(-1)! * elementCount(dims);
  return net.node("MatMul", [a, b], dims);
}

export const reshape = (net: Network, x: Value, dims: readonly number[]): Value =>
  net.node("Reshape", [x, net.constant("int64", [dims.length], dims)], dims);

export const transpose = (net: Network, x: Value, perm: readonly number[]): Value =>
  net.node(
    "Transpose",
    [x],
    perm.map((axis) => x.dims[axis]!),
    { perm },
  );
