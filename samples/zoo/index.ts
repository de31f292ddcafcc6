/** The zoo: networks that everyone knows, built as ONNX with made-up weights. */

import { mobileNetV2 } from "./mobilenet-v2.js";
import { Network, type Value } from "./network.js";

export interface ZooEntry {
  readonly name: string;
  /** Trainable parameters, as published. */
  readonly parameters: number;
  readonly paper: string;
  /** Pixels of a side. */
  readonly size: number;
  /** Sizes must be multiples of it. */
  readonly sizeStep: number;
  readonly largest: number;
  build(net: Network, size: number): void;
}

export interface ZooOptions {
  /** Default: the network's usual. */
  readonly size?: number;
  /** Of the weights. Default: 0. */
  readonly seed?: number;
}

export const zoo: readonly ZooEntry[] = [
  classifier("mobilenet-v2", 3_504_872, 224, "arXiv:1801.04381", mobileNetV2),
];

/** The network; its weights are made when it is encoded. */
export function buildNetwork(entry: ZooEntry, { size = entry.size, seed = 0 }: ZooOptions = {}): Network {
  const network = new Network(entry.name, seed);
  entry.build(network, size);
  return network;
}

/** A network that tells what is in a picture, as one of 1000 classes. */
function classifier(
  name: string,
  parameters: number,
  size: number,
  paper: string,
  body: (net: Network, image: Value) => Value,
): ZooEntry {
  const build = (net: Network, side: number): void =>
    net.output("logits", body(net, net.input("image", "float32", [1, 3, side, side])));
  return { name, parameters, paper, size, sizeStep: 1, largest: 4096, build };
}
