/** Small networks for patches: layers one after another, with weights of their own. */

import type { TensorData } from "../../../compiler/ir/tensor.js";
import type { Tensors } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { type AttributeSpec, buildModel, type NodeSpec } from "../../onnx/build-model.js";

type Attributes = Record<string, AttributeSpec>;

export class Net {
  private readonly nodes: NodeSpec[] = [];
  private readonly initializers: Record<string, TensorData> = {};
  private readonly channels = new Map<string, number>();
  private count = 0;

  constructor(private readonly dims: readonly number[]) {
    this.channels.set("x", dims[1]!);
  }

  conv(x: string, out: number, kernel: readonly number[], attributes: Attributes = {}): string {
    const inputs = this.channels.get(x)!;
    const group = (attributes.group as number | undefined) ?? 1;
    const weights = this.constant([out, inputs / group, ...kernel]);
    return this.layer("Conv", [x, weights, this.constant([out])], out, attributes);
  }

  layer(
    op: string,
    inputs: string[],
    out = this.channels.get(inputs[0]!)!,
    attributes: Attributes = {},
  ): string {
    const name = `${op.toLowerCase()}${this.count++}`;
    this.nodes.push({ op, name, inputs, outputs: [name], attributes });
    this.channels.set(name, out);
    return name;
  }

  constant(dims: readonly number[]): string {
    const name = `w${this.count++}`;
    this.initializers[name] = randomTensor(this.count, dims);
    return name;
  }

  model(...outputs: string[]): Uint8Array {
    return buildModel({
      inputs: { x: ["float32", this.dims] },
      outputs: Object.fromEntries(outputs.map((name) => [name, ["float32"] as const])),
      initializers: this.initializers,
      nodes: this.nodes,
    });
  }

  feeds(): Tensors {
    return { x: randomTensor(99, this.dims) };
  }
}
