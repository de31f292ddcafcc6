/** A small BERT with the mean of its tokens as result, as the sentence transformer `all-MiniLM-L6-v2`. */

import { add } from "./layers.js";
import type { Network, Value } from "./network.js";
import { attend, layerNorm, linear, reshape, transpose } from "./transformer.js";

const [words, places, width, hiddenWidth, layers, headCount] = [30_522, 512, 384, 1536, 6, 12];
const epsilon = 1e-12;

export const longestText = places;

export function textEncoder(net: Network, length: number): void {
  const ids = net.input("input_ids", "int64", [1, length]);
  const attended = net.input("attention_mask", "int64", [1, length]);
  const mask = scoreMask(net, attended);
  let x = embed(net, ids);
  for (let layer = 0; layer < layers; layer++) x = encoderLayer(net, x, mask);
  net.output("sentence_embedding", normalize(net, meanOfTokens(net, x, attended)));
}

/** Of words, of places, and of the one kind of token that there is. */
function embed(net: Network, ids: Value): Value {
  const length = ids.dims[1]!;
  const gather = (rows: number, indices: Value): Value =>
    net.node("Gather", [net.weights([rows, width], { deviation: 0.5 }), indices], [1, length, width], {
      axis: 0,
    });
  const indices = (values: number[]): Value => net.constant("int64", [1, length], values);
  const word = gather(words, ids);
  const place = gather(places, indices(Array.from({ length }, (_, i) => i)));
  const kind = gather(2, indices(new Array<number>(length).fill(0)));
  return layerNorm(net, add(net, add(net, word, kind), place), epsilon);
}

/** What is added to scores: 0, or the lowest number for tokens that are masked. */
function scoreMask(net: Network, attended: Value): Value {
  const length = attended.dims[1]!;
  const dims = [1, 1, length, length];
  const axes = net.constant("int64", [2], [1, 2]);
  const row = net.node("Unsqueeze", [attended, axes], [1, 1, 1, length]);
  const rows = net.node("Expand", [row, net.constant("int64", [4], dims)], dims);
  const kept = net.node("Cast", [rows], dims, { to: 1 });
  const masked = net.node("Sub", [net.constant("float32", [], [1]), kept], dims);
  const isMasked = net.node("Cast", [masked], dims, { to: 9 });
  const lowest = net.constant("float32", [], [-3.4028234663852886e38]);
  return net.node("Where", [isMasked, lowest, masked], dims);
}

function encoderLayer(net: Network, input: Value, mask: Value): Value {
  const length = input.dims[1]!;
  const heads = (perm: readonly number[]): Value =>
    transpose(net, reshape(net, linear(net, input, width), [1, length, headCount, width / headCount]), perm);
  const query = heads([0, 2, 1, 3]);
  const key = heads([0, 2, 3, 1]);
  const value = heads([0, 2, 1, 3]);
  const attended = linear(net, attend(net, { query, key, value }, mask), width);
  const x = layerNorm(net, add(net, attended, input), epsilon);
  const hidden = gelu(net, linear(net, x, hiddenWidth, Math.SQRT2));
  return layerNorm(net, add(net, linear(net, hidden, width), x), epsilon);
}

/** By the error function, as the operators that it is made of. */
function gelu(net: Network, x: Value): Value {
  const scalar = (value: number): Value => net.constant("float32", [], [value]);
  const erf = net.node("Erf", [net.node("Div", [x, scalar(Math.SQRT2)], x.dims)], x.dims);
  const product = net.node("Mul", [x, net.node("Add", [erf, scalar(1)], x.dims)], x.dims);
  return net.node("Mul", [product, scalar(0.5)], x.dims);
}

/** The mean of the tokens that are not masked. */
function meanOfTokens(net: Network, x: Value, attended: Value): Value {
  const axis = net.constant("int64", [1], [1]);
  const column = net.node("Unsqueeze", [attended, net.constant("int64", [1], [-1])], [...attended.dims, 1]);
  const rows = net.node("Expand", [column, net.constant("int64", [3], x.dims)], x.dims);
  const share = net.node("Cast", [rows], x.dims, { to: 1 });
  const total = (value: Value): Value => net.node("ReduceSum", [value, axis], [1, width], { keepdims: 0 });
  const sum = total(net.node("Mul", [x, share], x.dims));
  const count = net.node("Clip", [total(share), net.constant("float32", [], [1e-9])], [1, width]);
  return net.node("Div", [sum, count], [1, width]);
}

/** To length 1. */
function normalize(net: Network, x: Value): Value {
  const norm = net.node("ReduceL2", [x, net.constant("int64", [1], [1])], [1, 1], { keepdims: 1 });
  const positive = net.node("Clip", [norm, net.constant("float32", [], [1e-12])], [1, 1]);
  const everywhere = net.node("Expand", [positive, net.constant("int64", [2], x.dims)], x.dims);
  return net.node("Div", [x, everywhere], x.dims);
}
