/** The layers that networks for pictures are made of, as PyTorch's exporter writes them. */

import { elementCount } from "../../compiler/ir/tensor.js";
import type { Network, Value } from "./network.js";

export type Activation = "none" | "relu" | "relu6" | "hard-swish" | "silu";

/**
 * Standard deviation that makes the mean square 1 behind the activation, where the number before it is normally
 * distributed. With it the size of activations stays the same through any depth.
 */
const gains: Readonly<Record<Activation, number>> = {
  none: 1,
  relu: Math.SQRT2,
  relu6: Math.SQRT2,
  "hard-swish": 1.567,
  silu: 1.559,
};

export interface ConvOptions {
  /** Default: 1. */
  readonly kernel?: number;
  /** Default: 1. */
  readonly stride?: number;
  /** Default: 1. */
  readonly groups?: number;
  /** Default: none. */
  readonly activation?: Activation;
  /**
   * What is added: the offset of a batch normalisation, which the exporter folds into the convolution, or a bias of its
   * own. Default: "norm".
   */
  readonly offset?: "norm" | "bias" | "none";
}

/** Square kernel, padded so that only the stride changes the size; batch normalisation and activation. */
export function conv(net: Network, x: Value, channels: number, options: ConvOptions = {}): Value {
  const { kernel = 1, stride = 1, groups = 1, activation = "none", offset = "norm" } = options;
  const [batch, inChannels, ...sides] = x.dims as [number, number, number, number];
  const [padding, fanIn] = [kernel >> 1, (inChannels / groups) * kernel * kernel];
  const deviation = gains[activation] / Math.sqrt(fanIn * (x.meanSquare ?? 1));
  const operands = [x, net.weights([channels, inChannels / groups, kernel, kernel], { deviation })];
  if (offset !== "none") {
    // A normalisation has a scale as well, which is part of the weights by now.
    const parameters = offset === "norm" ? 2 * channels : channels;
    operands.push(net.weights([channels], { deviation: 0.1 * gains[activation] }, parameters));
  }
  const outSides = sides.map((side) => Math.floor((side + 2 * padding - kernel) / stride) + 1);
  const dims = [batch, channels, ...outSides];
  net.flops += 2 * fanIn * elementCount(dims);
  const y = net.node("Conv", operands, dims, {
    dilations: [1, 1],
    group: groups,
    kernel_shape: [kernel, kernel],
    pads: [padding, padding, padding, padding],
    strides: [stride, stride],
  });
  return activate(net, y, activation);
}

/** A convolution of every channel on its own. */
export const depthwise = (net: Network, x: Value, options: ConvOptions): Value =>
  conv(net, x, x.dims[1]!, { ...options, groups: x.dims[1]! });

export function activate(net: Network, x: Value, activation: Activation): Value {
  switch (activation) {
    case "none":
      return x;
    case "relu":
      return net.node("Relu", [x], x.dims);
    case "relu6":
      return net.node(
        "Clip",
        [x, net.constant("float32", [], [0]), net.constant("float32", [], [6])],
        x.dims,
      );
    case "hard-swish":
      return net.node("HardSwish", [x], x.dims);
    case "silu":
      return net.node("Mul", [x, net.node("Sigmoid", [x], x.dims)], x.dims);
  }
}

/** A matrix product with a bias, of rank 2. */
export function gemm(net: Network, x: Value, features: number, activation: Activation = "none"): Value {
  const [rows, fanIn] = x.dims as [number, number];
  const weights = net.weights([features, fanIn], { deviation: gains[activation] / Math.sqrt(fanIn) });
  const bias = net.weights([features], { deviation: 0.1 });
  net.flops += 2 * rows * fanIn * features;
  const y = net.node("Gemm", [x, weights, bias], [rows, features], { transB: 1 });
  return activate(net, y, activation);
}

export const add = (net: Network, a: Value, b: Value): Value => ({
  ...net.node("Add", [a, b], a.dims),
  meanSquare: (a.meanSquare ?? 1) + (b.meanSquare ?? 1),
});

/** The mean of every channel. */
export const globalPool = (net: Network, x: Value): Value =>
  net.node("GlobalAveragePool", [x], [...x.dims.slice(0, 2), 1, 1]);

export const flatten = (net: Network, x: Value): Value =>
  net.node("Flatten", [x], [x.dims[0]!, elementCount(x.dims.slice(1))], { axis: 1 });

/** Weighs every channel by what all channels' means say of it. */
export function squeezeExcite(net: Network, x: Value, pooled: Value, squeezed: number): Value {
  const hidden = conv(net, pooled, squeezed, { offset: "bias", activation: "relu" });
  const excited = conv(net, hidden, x.dims[1]!, { offset: "bias" });
  const weight = net.node("HardSigmoid", [excited], excited.dims, { alpha: { float: 1 / 6 } });
  // Weights are sigmoids of about 0.
  return { ...net.node("Mul", [x, weight], x.dims), meanSquare: 0.25 * (x.meanSquare ?? 1) };
}

/** The nearest multiple of `divisor` that is not more than a tenth below `channels`. */
export function makeDivisible(channels: number, divisor: number): number {
  const nearest = Math.max(divisor, Math.floor((channels + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * channels ? nearest + divisor : nearest;
}
