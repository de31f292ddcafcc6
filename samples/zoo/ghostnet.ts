/** GhostNet at width 1, as timm's `ghostnet_100`. */

import {
  type Activation,
  add,
  conv,
  depthwise,
  flatten,
  gemm,
  globalPool,
  makeDivisible,
  squeezeExcite,
} from "./layers.js";
import type { Network, Value } from "./network.js";

/** Kernel, channels in the middle, channels, squeeze-and-excitation, stride. */
const bottlenecks = [
  [3, 16, 16, false, 1],
  [3, 48, 24, false, 2],
  [3, 72, 24, false, 1],
  [5, 72, 40, true, 2],
  [5, 120, 40, true, 1],
  [3, 240, 80, false, 2],
  [3, 200, 80, false, 1],
  [3, 184, 80, false, 1],
  [3, 184, 80, false, 1],
  [3, 480, 112, true, 1],
  [3, 672, 112, true, 1],
  [5, 672, 160, true, 2],
  [5, 960, 160, false, 1],
  [5, 960, 160, true, 1],
  [5, 960, 160, false, 1],
  [5, 960, 160, true, 1],
] as const;

type Bottleneck = (typeof bottlenecks)[number];

export function ghostNet(net: Network, image: Value): Value {
  const activation = "relu";
  let x = conv(net, image, 16, { kernel: 3, stride: 2, activation });
  for (const block of bottlenecks) x = bottleneck(net, x, block);
  x = conv(net, x, 960, { activation });
  x = conv(net, globalPool(net, x), 1280, { offset: "bias", activation });
  return gemm(net, flatten(net, x), 1000);
}

function bottleneck(
  net: Network,
  input: Value,
  [kernel, middle, channels, excite, stride]: Bottleneck,
): Value {
  let x = ghostModule(net, input, middle, "relu");
  if (stride > 1) x = depthwise(net, x, { kernel, stride });
  if (excite) {
    const pooled = net.node(
      "ReduceMean",
      [x, net.constant("int64", [2], [2, 3])],
      [...x.dims.slice(0, 2), 1, 1],
      { keepdims: 1 },
    );
    x = squeezeExcite(net, x, pooled, makeDivisible(middle / 4, 4));
  }
  x = ghostModule(net, x, channels, "none");
  if (stride === 1 && input.dims[1] === channels) return add(net, x, input);
  const shortcut = conv(net, depthwise(net, input, { kernel, stride }), channels);
  return add(net, x, shortcut);
}

/** Half of the channels by a convolution, the other half from those, channel by channel. */
function ghostModule(net: Network, x: Value, channels: number, activation: Activation): Value {
  const primary = conv(net, x, channels / 2, { activation });
  const ghosts = depthwise(net, primary, { kernel: 3, activation });
  const [batch, , ...sides] = primary.dims;
  return net.node("Concat", [primary, ghosts], [batch!, channels, ...sides], { axis: 1 });
}
