/** MobileNetV2 at width 1, as torchvision's `mobilenet_v2`. */

import { invertedResidual } from "./inverted-residual.js";
import { conv, flatten, gemm, globalPool } from "./layers.js";
import type { Network, Value } from "./network.js";

/** Factor of the expansion, channels, blocks, stride of the first. */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

export function mobileNetV2(net: Network, image: Value): Value {
  const activation = "relu6";
  let x = conv(net, image, 32, { kernel: 3, stride: 2, activation });
  for (const [expansion, channels, blocks, stride] of stages) {
    for (let block = 0; block < blocks; block++) {
      x = invertedResidual(net, x, {
        expanded: expansion * x.dims[1]!,
        channels,
        kernel: 3,
        stride: block === 0 ? stride : 1,
        activation,
      });
    }
  }
  x = conv(net, x, 1280, { activation });
  return gemm(net, flatten(net, globalPool(net, x)), 1000);
}
