/** Models of one node, as the sweeps over kernel parameters make them. */

import type { TensorData } from "../../compiler/ir/tensor.js";
import { expectLevels, type LevelOptions, type Tensors } from "../harness.js";
import { type AttributeSpec, buildModel, type NodeSpec } from "../onnx/build-model.js";

export interface NodeCase {
  readonly op: string;
  readonly attributes?: Record<string, AttributeSpec>;
  /** Null for an input that is left out. */
  readonly inputs: readonly (TensorData | null)[];
  /** Inputs that are constants of the model; the others are fed. */
  readonly constants?: readonly number[];
  readonly opset?: number;
  /** Nodes after the first, which makes "y"; the last one's result is the model's. */
  readonly after?: readonly NodeSpec[];
  /** More constants for them, by name. */
  readonly initializers?: Record<string, TensorData>;
}

/** The bytes of the model and its feeds. Inputs are called x0, x1, ..., the result y or what the last node makes. */
export function modelOf(node: NodeCase): { model: Uint8Array; feeds: Tensors } {
  const { op, attributes = {}, inputs, constants = [], after = [], initializers = {} } = node;
  const given = inputs.flatMap((value, i) => (value === null ? [] : [{ name: `x${i}`, value, i }]));
  const feeds = given.filter(({ i }) => !constants.includes(i));
  const weights = given.filter(({ i }) => constants.includes(i));
  const first = { op, attributes, inputs: inputs.map((x, i) => (x === null ? "" : `x${i}`)), outputs: ["y"] };
  const nodes = [first, ...after];
  const result = nodes.at(-1)!.outputs![0]!;
  const model = buildModel({
    opset: node.opset ?? 17,
    inputs: Object.fromEntries(feeds.map(({ name, value }) => [name, [value.dtype, value.dims]])),
    initializers: {
      ...Object.fromEntries(weights.map(({ name, value }) => [name, value])),
      ...initializers,
    },
    outputs: { [result]: [given[0]!.value.dtype] },
    nodes,
  });
  return { model, feeds: Object.fromEntries(feeds.map(({ name, value }) => [name, value])) };
}

export async function expectNode(node: NodeCase, options?: LevelOptions): Promise<void> {
  const { model, feeds } = modelOf(node);
  await expectLevels(model, feeds, options);
}
