/** MobileNetV3-small at width 1, as torchvision's `mobilenet_v3_small`. */

import { invertedResidual } from "./inverted-residual.js";
import { conv, flatten, gemm, globalPool } from "./layers.js";
import type { Network, Value } from "./network.js";

/** Kernel, channels in the middle, channels, squeeze-and-excitation, activation, stride. */
const blocks = [
  [3, 16, 16, true, "relu", 2],
  [3, 72, 24, false, "relu", 2],
  [3, 88, 24, false, "relu", 1],
  [5, 96, 40, true, "hard-swish", 2],
  [5, 240, 40, true, "hard-swish", 1],
  [5, 240, 40, true, "hard-swish", 1],
  [5, 120, 48, true, "hard-swish", 1],
  [5, 144, 48, true, "hard-swish", 1],
  [5, 288, 96, true, "hard-swish", 2],
  [5, 576, 96, true, "hard-swish", 1],
  [5, 576, 96, true, "hard-swish", 1],
] as const;

export function mobileNetV3Small(net: Network, image: Value): Value {
  const activation = "hard-swish";
  let x = conv(net, image, 16, { kernel: 3, stride: 2, activation });
  for (const [kernel, expanded, channels, excite, inner, stride] of blocks) {
    x = invertedResidual(net, x, { kernel, expanded, channels, excite, activation: inner, stride });
  }
  x = conv(net, x, 576, { activation });
  x = gemm(net, flatten(net, globalPool(net, x)), 1024, activation);
  return gemm(net, x, 1000);
}
