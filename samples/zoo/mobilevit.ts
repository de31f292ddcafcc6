/** MobileViT-XS, as timm's `mobilevit_xs`. */

import { invertedResidual } from "./inverted-residual.js";
import { activate, add, conv, flatten, gemm, globalPool, makeDivisible } from "./layers.js";
import type { Network, Value } from "./network.js";
import { attend, layerNorm, linear, reshape, transpose } from "./transformer.js";

const activation = "silu";

/** Channels, blocks, stride of the first; and where a transformer follows, its width and depth. */
const stages = [
  [32, 1, 1],
  [48, 3, 2],
  [64, 1, 2, 96, 2],
  [80, 1, 2, 120, 4],
  [96, 1, 2, 144, 3],
] as const;

export function mobileVitXs(net: Network, image: Value): Value {
  let x = conv(net, image, 16, { kernel: 3, stride: 2, activation });
  for (const [channels, blocks, stride, width, depth] of stages) {
    for (let block = 0; block < blocks; block++) {
      x = invertedResidual(net, x, {
        expanded: makeDivisible(4 * x.dims[1]!, 8),
        channels,
        kernel: 3,
        stride: block === 0 ? stride : 1,
        activation,
      });
    }
    if (width !== undefined) x = mobileVitBlock(net, x, width, depth);
  }
  x = conv(net, x, 384, { activation });
  return gemm(net, flatten(net, globalPool(net, x)), 1000);
}

/** Every pixel of a 2x2 patch meets those at its place in all other patches. */
function mobileVitBlock(net: Network, input: Value, width: number, depth: number): Value {
  const [batch, channels, height, columns] = input.dims as [number, number, number, number];
  const local = conv(net, input, channels, { kernel: 3, activation });
  let x = toPatches(net, conv(net, local, width, { offset: "none" }));
  for (let layer = 0; layer < depth; layer++) x = transformerLayer(net, x);
  x = fromPatches(net, layerNorm(net, x, 1e-5), [batch, width, height, columns]);
  x = conv(net, x, channels, { activation });
  const both = net.node("Concat", [input, x], [batch, 2 * channels, height, columns], { axis: 1 });
  return conv(net, both, channels, { kernel: 3, activation });
}

/** From a picture to rows of channels: pixels of a patch, patches, channels. */
function toPatches(net: Network, x: Value): Value {
  const [batch, channels, height, columns] = x.dims as [number, number, number, number];
  const patches = (height * columns) / 4;
  let y = reshape(net, x, [(batch * channels * height) / 2, 2, columns / 2, 2]);
  y = reshape(net, transpose(net, y, [0, 2, 1, 3]), [batch, channels, patches, 4]);
  return reshape(net, transpose(net, y, [0, 3, 2, 1]), [batch * 4, patches, channels]);
}

/** The way back. */
function fromPatches(net: Network, x: Value, dims: readonly [number, number, number, number]): Value {
  const [batch, channels, height, columns] = dims;
  let y = reshape(net, x, [batch, 4, (height * columns) / 4, channels]);
  y = transpose(net, y, [0, 3, 2, 1]);
  y = reshape(net, y, [(batch * channels * height) / 2, columns / 2, 2, 2]);
  return reshape(net, transpose(net, y, [0, 2, 1, 3]), dims);
}

function transformerLayer(net: Network, input: Value): Value {
  const width = input.dims[2]!;
  const attended = linear(net, selfAttention(net, layerNorm(net, input, 1e-5)), width);
  const x = add(net, input, attended);
  const hidden = activate(net, linear(net, layerNorm(net, x, 1e-5), 2 * width, Math.SQRT2), activation);
  return add(net, x, linear(net, hidden, width));
}

const headCount = 4;

/** Queries, keys and values from one product. */
function selfAttention(net: Network, x: Value): Value {
  const [batch, length, width] = x.dims as [number, number, number];
  const size = width / headCount;
  const all = reshape(net, linear(net, x, 3 * width), [batch, length, 3, headCount, size]);
  const heads = transpose(net, all, [2, 0, 3, 1, 4]);
  const part = [1, batch, headCount, length, size];
  const parts = net.nodeOf("Split", [heads], [part, part, part], { axis: 0, num_outputs: 3 });
  const [query, key, value] = parts.map((one) =>
    net.node("Squeeze", [one, net.constant("int64", [1], [0])], part.slice(1)),
  ) as [Value, Value, Value];
  return attend(net, { query, key: transpose(net, key, [0, 1, 3, 2]), value });
}
