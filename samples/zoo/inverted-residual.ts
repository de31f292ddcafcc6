/** The block of MobileNets: to many channels, a depthwise convolution, and back to few. */

import { type Activation, add, conv, depthwise, globalPool, makeDivisible, squeezeExcite } from "./layers.js";
import type { Network, Value } from "./network.js";

export interface InvertedResidual {
  /** Channels of the depthwise convolution. Where they are those of the input, nothing expands it. */
  readonly expanded: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly activation: Activation;
  /** Squeeze-and-excitation behind the depthwise convolution. Default: none. */
  readonly excite?: boolean;
}

export function invertedResidual(net: Network, input: Value, block: InvertedResidual): Value {
  const { expanded, channels, kernel, stride, activation, excite = false } = block;
  const inChannels = input.dims[1]!;
  let x = expanded === inChannels ? input : conv(net, input, expanded, { activation });
  x = depthwise(net, x, { kernel, stride, activation });
  if (excite) x = squeezeExcite(net, x, globalPool(net, x), makeDivisible(Math.floor(expanded / 4), 8));
  x = conv(net, x, channels);
  return stride === 1 && inChannels === channels ? add(net, input, x) : x;
}
