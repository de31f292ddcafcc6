/** EfficientNet-Lite0, as timm's `efficientnet_lite0`: no squeeze-and-excitation, ReLU6 for SiLU. */

import { invertedResidual } from "./inverted-residual.js";
import { conv, flatten, gemm, globalPool } from "./layers.js";
import type { Network, Value } from "./network.js";

/** Factor of the expansion, kernel, channels, blocks, stride of the first. */
const stages = [
  [1, 3, 16, 1, 1],
  [6, 3, 24, 2, 2],
  [6, 5, 40, 2, 2],
  [6, 3, 80, 3, 2],
  [6, 5, 112, 3, 1],
  [6, 5, 192, 4, 2],
  [6, 3, 320, 1, 1],
] as const;

export function efficientNetLite0(net: Network, image: Value): Value {
  const activation = "relu6";
  let x = conv(net, image, 32, { kernel: 3, stride: 2, activation });
  for (const [expansion, kernel, channels, blocks, stride] of stages) {
    for (let block = 0; block < blocks; block++) {
      x = invertedResidual(net, x, {
        expanded: expansion * x.dims[1]!,
        channels,
        kernel,
        stride: block === 0 ? stride : 1,
        activation,
      });
    }
  }
  x = conv(net, x, 1280, { activation });
  return gemm(net, flatten(net, globalPool(net, x)), 1000);
}
