/**
 * A branch of an `If` as a loop of one pass, or of none where it is not taken: a loop lists what its body computes, while
 * an `If` would have to have it from both branches.
 */

import { encode, type Field, without } from "./wire.js";

/** Fields of NodeProto, AttributeProto, TensorProto, GraphProto, ValueInfoProto and TypeProto. */
const field = {
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5 },
  attribute: { name: 1, tensor: 5, graph: 6, type: 20 },
  tensor: { dims: 1, dataType: 2, rawData: 9 },
  graph: { input: 11, output: 12 },
  value: { name: 1, type: 2 },
  type: { tensor: 1, elemType: 1, shape: 2 },
} as const;

/** Values of TensorProto.DataType and AttributeProto.AttributeType. */
const [int64, bool] = [7, 9];
const [ofTensor, ofGraph] = [4, 5];

interface Branch {
  /** Of the loop; the lists are called after it and the values. */
  readonly name: string;
  readonly condition: string;
  readonly isElse: boolean;
  /** The bytes of its graph. */
  readonly branch: Uint8Array;
  /** The values of the graph to list. */
  readonly values: readonly string[];
}

/** The nodes of the loop. */
export function probe({ name, condition, isElse, branch, values }: Branch): Uint8Array[] {
  const [once, shape, scalarOf, isElseTaken] = ["once", "shape", "condition", "otherwise"].map(
    (what) => `${name}:${what}`,
  ) as [string, string, string, string];
  const body = attribute("body", ofGraph, [field.attribute.graph, bodyOf(branch, name, values)]);
  const lists = values.map((value) => `${name}/${value}`);
  return [
    constant(once, []),
    // Some conditions are lists of one element.
    constant(shape, [0]),
    node("Reshape", [condition, shape], [scalarOf]),
    ...(isElse ? [node("Not", [scalarOf], [isElseTaken])] : []),
    node("Loop", [once, isElse ? isElseTaken : scalarOf], lists, [body], name),
  ];
}

/** The int64 scalar 1, or with the dim 0 a list of nothing. */
function constant(output: string, dims: readonly number[]): Uint8Array {
  const tensor = encode([
    ...dims.map((dim): Field => [field.tensor.dims, dim]),
    [field.tensor.dataType, int64],
    [field.tensor.rawData, dims.length === 0 ? Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) : new Uint8Array()],
  ]);
  return node("Constant", [], [output], [attribute("value", ofTensor, [field.attribute.tensor, tensor])]);
}

/** The graph as the body of a loop: it takes the pass and the condition, and gives the condition and the values. */
function bodyOf(branch: Uint8Array, name: string, values: readonly string[]): Uint8Array {
  const [pass, goesOn] = [`${name}:pass`, `${name}:goes on`];
  const outputs = [scalar(goesOn, bool), ...values.map((value) => encode([[field.value.name, value]]))];
  return encode(
    [
      [field.graph.input, scalar(pass, int64)],
      [field.graph.input, scalar(goesOn, bool)],
      ...outputs.map((output): Field => [field.graph.output, output]),
    ],
    without(branch, field.graph.output),
  );
}

function scalar(name: string, elemType: number): Uint8Array {
  const tensor = encode([
    [field.type.elemType, elemType],
    [field.type.shape, new Uint8Array()],
  ]);
  return encode([
    [field.value.name, name],
    [field.value.type, encode([[field.type.tensor, tensor]])],
  ]);
}

const attribute = (name: string, type: number, value: Field): Uint8Array =>
  encode([[field.attribute.name, name], [field.attribute.type, type], value]);

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Uint8Array[] = [],
  name = outputs[0]!,
): Uint8Array =>
  encode([
    [field.node.opType, opType],
    [field.node.name, name],
    ...inputs.map((input): Field => [field.node.input, input]),
    ...outputs.map((output): Field => [field.node.output, output]),
    ...attributes.map((one): Field => [field.node.attribute, one]),
  ]);
