/** A network under construction: its nodes, the shapes of its tensors, and weights that are made when it is written. */

import type { DType } from "../../compiler/ir/dtype.js";
import { elementCount, type TensorData, tensor, tensorOf } from "../../compiler/ir/tensor.js";
import { type Attributes, encodeModel, type OnnxNode, type TensorInfo } from "./onnx-file.js";
import { type Distribution, randomWeights } from "./weights.js";

/** A tensor of the network. The element type matters only for inputs and outputs. */
export interface Value {
  readonly name: string;
  readonly dims: readonly number[];
  /** Of its elements, about; 1 where absent. Weights are scaled by it, as a batch normalisation would. */
  readonly meanSquare?: number;
}

export class Network {
  readonly inputs: TensorInfo[] = [];
  readonly outputs: TensorInfo[] = [];
  /** Trainable numbers, as papers count them: a batch normalisation has two for each channel. */
  parameters = 0;
  /** Of convolutions and matrix products; a multiplication and an addition are two. */
  flops = 0;
  private readonly nodes: OnnxNode[] = [];
  private readonly constants = new Map<string, () => TensorData>();
  private readonly counts = new Map<string, number>();
  private weightCount = 0;

  constructor(
    readonly name: string,
    private readonly seed: number,
  ) {}

  input(name: string, dtype: DType, dims: readonly number[]): Value {
    this.inputs.push({ name, dtype, dims });
    return { name, dims };
  }

  /** Makes the last node's result an output of the network, by this name. */
  output(name: string, { dims }: Value): void {
    const last = this.nodes.pop()!;
    this.nodes.push({ ...last, outputs: [name] });
    this.outputs.push({ name, dtype: "float32", dims });
  }

  /** A node with one output of these dims. */
  node(op: string, inputs: readonly Value[], dims: readonly number[], attributes: Attributes = {}): Value {
    const [value] = this.nodeOf(op, inputs, [dims], attributes);
    return value!;
  }

  /** A node with an output for each of the shapes. */
  nodeOf(
    op: string,
    inputs: readonly Value[],
    shapes: readonly (readonly number[])[],
    attributes: Attributes = {},
  ): Value[] {
    const name = this.nameFor(op);
    const outputs = shapes.map((dims, i) => ({ name: i === 0 ? name : `${name}_${i}`, dims }));
    const names = (values: readonly Value[]): string[] => values.map((value) => value.name);
    this.nodes.push({ op, inputs: names(inputs), outputs: names(outputs), attributes });
    return outputs;
  }

  /** Weights that are made up; `parameters` of them are trained (default: all). */
  weights(dims: readonly number[], distribution: Distribution, parameters = elementCount(dims)): Value {
    const name = this.nameFor("weights");
    const [first, count] = [this.weightCount, elementCount(dims)];
    this.constants.set(name, () =>
      tensor("float32", dims, randomWeights(this.seed, first, count, distribution)),
    );
    this.weightCount += count;
    this.parameters += parameters;
    return { name, dims };
  }

  constant(dtype: DType, dims: readonly number[], values: readonly number[]): Value {
    const name = this.nameFor("constant");
    this.constants.set(name, () => tensorOf(dtype, dims, values));
    return { name, dims };
  }

  /** The bytes of an ONNX file. */
  encode(): Uint8Array {
    const initializers = new Map([...this.constants].map(([name, make]) => [name, make()]));
    return encodeModel({ ...this, nodes: this.nodes, initializers });
  }

  private nameFor(kind: string): string {
    const count = this.counts.get(kind) ?? 0;
    this.counts.set(kind, count + 1);
    return `${kind}_${count}`;
  }
}
