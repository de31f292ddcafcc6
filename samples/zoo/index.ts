/** The zoo: networks that everyone knows, built as ONNX with made-up weights. */

import { efficientNetLite0 } from "./efficientnet-lite.js";
import { ghostNet } from "./ghostnet.js";
import { mobileNetV2 } from "./mobilenet-v2.js";
import { mobileNetV3Small } from "./mobilenet-v3.js";
import { mobileVitXs } from "./mobilevit.js";
import { Network, type Value } from "./network.js";
import { longestText, textEncoder } from "./text-encoder.js";

export interface ZooEntry {
  readonly name: string;
  /** Trainable parameters, as published; those of the text encoder without its pooler, which nothing uses. */
  readonly parameters: number;
  readonly paper: string;
  /** What the size of the input is: pixels of a side, or tokens. */
  readonly measure: "size" | "length";
  /** The usual one. */
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
  classifier("mobilenet-v3-small", 2_542_856, 224, "arXiv:1905.02244", mobileNetV3Small),
  classifier("efficientnet-lite0", 4_652_008, 224, "arXiv:1905.11946", efficientNetLite0),
  classifier("ghostnet", 5_182_508, 224, "arXiv:1911.11907", ghostNet),
  // Patches of 2x2 pixels at a 32nd of the size.
  { ...classifier("mobilevit-xs", 2_317_848, 256, "arXiv:2110.02178", mobileVitXs), sizeStep: 64 },
  {
    name: "text-encoder",
    parameters: 22_713_216 - 147_840,
    paper: "arXiv:2002.10957",
    measure: "length",
    size: 128,
    sizeStep: 1,
    largest: longestText,
    build: textEncoder,
  },
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
  return { name, parameters, paper, measure: "size", size, sizeStep: 1, largest: 4096, build };
}
