/**
 * Sequences and optionals. They exist only while a model is imported: a sequence is a list of values whose length is
 * known, an optional is the value that it holds or `Absent`. So their operators leave no nodes but those that cut
 * tensors into items and put items together.
 */

import { KilnError } from "../diagnostics.js";
import { isStatic, printDim } from "../ir/dim.js";
import { type DType, dtypeFromOnnx } from "../ir/dtype.js";
import { Value } from "../ir/graph.js";
import { toNumbers } from "../ir/tensor.js";
import type { ImportBuilder } from "./import-builder.js";
import { graphAttribute } from "./import-control.js";
import type { ImportOperator } from "./import-operators.js";
import { Absent, EitherRank, type Known, reported, Sequence, type Unknown } from "./import-scope.js";
import { getInt, type OnnxGraph, type OnnxNode } from "./model.js";

/** What the operators need of the importer. */
export interface SequenceImporter {
  readonly builder: ImportBuilder;
  /** Imports a graph's nodes in place, with these names known; gives its outputs. */
  inline(source: OnnxGraph, names: ReadonlyMap<string, Known>): Known[] | Unknown;
}

type Inputs = readonly (Known | null)[];
type Rule = (importer: SequenceImporter, node: OnnxNode, inputs: Inputs) => Known[] | Unknown;

/** A sequence becomes as many values as it has items. */
const mostItems = 4096;

/** Whether the node's operator makes, changes or takes apart sequences or optionals. */
export const isSequenceOperator = ({ domain, opType }: OnnxNode): boolean =>
  domain === "" && ruleOf.has(opType);

/**
 * What the node's outputs stand for.
 * @throws KilnError E_UNSUPPORTED where a length or position is known only at run time; E_MODEL
 */
export function importSequence(
  importer: SequenceImporter,
  node: OnnxNode,
  inputs: Inputs,
): Known[] | Unknown {
  const { versions, run } = ruleOf.get(node.opType)!;
  const since = Math.min(...versions);
  if (node.opset < since) refuse(`the operator is supported from opset ${since} on`);
  return run(importer, node, inputs);
}

/** The reason why an operator cannot take what it is given; null where it is all tensors. */
export function nonTensorReason(inputs: Inputs): string | null {
  for (const [i, input] of inputs.entries()) {
    if (input instanceof Sequence) return `input ${i} is a sequence`;
    if (input instanceof Absent) return `input ${i} is an optional without a value`;
    if (input instanceof EitherRank) return `the rank of input ${i} is known only at run time`;
  }
  return null;
}

/** Every operator with its versions, what it is, and what it does. */
const rules: readonly (ImportOperator & { readonly run: Rule })[] = [
  {
    name: "Optional",
    versions: [15],
    summary: "A value that may be absent, where the model says which.",
    run: (_, __, [value]) => [value ?? new Absent()],
  },
  { name: "OptionalGetElement", versions: [15, 18], summary: "The value of an optional.", run: getElement },
  {
    name: "OptionalHasElement",
    versions: [15, 18],
    summary: "Whether an optional has a value.",
    run: hasElement,
  },
  {
    name: "SequenceConstruct",
    versions: [11],
    summary: "A sequence of tensors, whose length is known when the model is compiled.",
    run: construct,
  },
  {
    name: "SequenceEmpty",
    versions: [11],
    summary: "A sequence without tensors.",
    run: (_, node) => [new Sequence(emptyType(node), [])],
  },
  {
    name: "SequenceInsert",
    versions: [11],
    summary: "A sequence with one more tensor, at a known place.",
    run: insert,
  },
  {
    name: "SequenceErase",
    versions: [11],
    summary: "A sequence without the tensor at a known place.",
    run: erase,
  },
  { name: "SequenceAt", versions: [11], summary: "The tensor at a known place.", run: at },
  { name: "SequenceLength", versions: [11], summary: "How many tensors a sequence has.", run: length },
  {
    name: "SplitToSequence",
    versions: [11, 24],
    summary: "The parts of a tensor, where their number is known.",
    run: split,
  },
  {
    name: "ConcatFromSequence",
    versions: [11],
    summary: "The tensors of a sequence, joined along an axis.",
    run: concat,
  },
  { name: "SequenceMap", versions: [17], summary: "A graph for each tensor of a sequence.", run: map },
];

const ruleOf = new Map(rules.map((rule) => [rule.name, rule]));

export const sequenceOperators: readonly ImportOperator[] = rules;

// ---------------------------------------------------------------------------------------------- optionals

function getElement(_: SequenceImporter, node: OnnxNode, [value]: Inputs): Known[] {
  if (value == null || value instanceof Absent) fail(node, "the optional has no value");
  return [value];
}

function hasElement({ builder }: SequenceImporter, _: OnnxNode, [value]: Inputs): Known[] {
  return [builder.scalar("bool", value == null || value instanceof Absent ? 0 : 1)];
}

// ---------------------------------------------------------------------------------------------- lists

function construct(_: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const items = inputs.map((_, i) => tensorAt(node, inputs, i));
  if (items.length === 0) fail(node, "it has no inputs");
  const [{ dtype }] = items as [Value];
  const other = items.find((item) => item.dtype !== dtype);
  if (other !== undefined) fail(node, `its inputs are of types ${dtype} and ${other.dtype}`);
  return [new Sequence(dtype, items)];
}

function emptyType(node: OnnxNode): DType {
  const code = getInt(node, "dtype") ?? 1;
  return dtypeFromOnnx(code) ?? refuse(`sequences of element type ${code} are not supported`);
}

function insert(_: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const { dtype, items } = sequenceAt(node, inputs, 0);
  const item = tensorAt(node, inputs, 1);
  if (item.dtype !== dtype) fail(node, `inserts ${item.dtype} into a sequence of ${dtype}`);
  const place = position(node, inputs, 2, items.length, items.length) ?? items.length;
  return [new Sequence(dtype, [...items.slice(0, place), item, ...items.slice(place)])];
}

function erase(_: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const { dtype, items } = sequenceAt(node, inputs, 0);
  const place = position(node, inputs, 1, items.length, items.length - 1) ?? items.length - 1;
  if (items.length === 0) fail(node, "the sequence is empty");
  return [new Sequence(dtype, items.toSpliced(place, 1))];
}

function at(_: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const { items } = sequenceAt(node, inputs, 0);
  const place = position(node, inputs, 1, items.length, items.length - 1);
  return [items[place ?? fail(node, "the position is missing")]!];
}

function length({ builder }: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  return [builder.scalar("int64", sequenceAt(node, inputs, 0).items.length)];
}

/** The place in a list that input `index` means, negative ones counted from the end; null where it is left out. */
function position(node: OnnxNode, inputs: Inputs, index: number, count: number, last: number): number | null {
  if ((inputs[index] ?? null) === null) return null;
  const [given, ...more] = knownIntegers(node, inputs, index, "the position");
  if (given === undefined || more.length > 0) fail(node, "the position is not one number");
  if (given < -count || given > last) fail(node, `position ${given} is outside a sequence of ${count}`);
  return given < 0 ? given + count : given;
}

// ---------------------------------------------------------------------------------------------- cutting and joining

function split({ builder }: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const x = tensorAt(node, inputs, 0);
  const axis = axisOf(node, getInt(node, "axis") ?? 0, x.rank);
  const isGiven = (inputs[1] ?? null) !== null;
  const sizes = partSizes(node, inputs, x, axis);
  if (sizes.length > mostItems)
    refuse(`its sequence would have ${sizes.length} items, more than ${mostItems}`);
  const parts =
    sizes.length === 0 ? [] : builder.ops("Split", [x, builder.ints(sizes)], { axis }, sizes.length);
  if (isGiven || getInt(node, "keepdims") !== 0) return [new Sequence(x.dtype, parts)];
  const axes = builder.ints([axis]);
  return [
    new Sequence(
      x.dtype,
      parts.map((part) => builder.op("Squeeze", [part, axes])),
    ),
  ];
}

/** Sizes that are given, or equal parts of the size that is given (the last may be smaller), or parts of 1. */
function partSizes(node: OnnxNode, inputs: Inputs, x: Value, axis: number): readonly number[] {
  const given = (inputs[1] ?? null) === null ? null : tensorAt(node, inputs, 1);
  const numbers = given === null ? [1] : knownIntegers(node, inputs, 1, "the split");
  if (given !== null && given.rank > 0) return numbers;
  const [size] = numbers as [number];
  if (size < 1) fail(node, `cannot be split into parts of ${size}`);
  const whole = x.shape[axis]!;
  if (!isStatic(whole)) {
    return refuse(`the length of its sequence depends on the dim ${printDim(whole)}, known only at run time`);
  }
  const count = Math.min(Math.ceil(whole / size), mostItems + 1);
  return Array.from({ length: count }, (_, i) => Math.min(size, whole - i * size));
}

function concat({ builder }: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] {
  const { items } = sequenceAt(node, inputs, 0);
  const [first] = items;
  if (first === undefined) fail(node, "the sequence is empty");
  const given = getInt(node, "axis") ?? fail(node, "attribute axis is missing");
  if (getInt(node, "new_axis") !== 1) {
    return [builder.op("Concat", [...items], { axis: axisOf(node, given, first.rank) })];
  }
  const axis = axisOf(node, given, first.rank + 1);
  const axes = builder.ints([axis]);
  return [
    builder.op(
      "Concat",
      items.map((item) => builder.op("Unsqueeze", [item, axes])),
      { axis },
    ),
  ];
}

function axisOf(node: OnnxNode, axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) fail(node, `axis ${axis} is outside rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

// ---------------------------------------------------------------------------------------------- SequenceMap

/** The body once for each item of the first input; further inputs are sequences as long, or tensors for every item. */
function map(importer: SequenceImporter, node: OnnxNode, inputs: Inputs): Known[] | Unknown {
  const body = graphAttribute(node, "body");
  const { items } = sequenceAt(node, inputs, 0);
  if (body.inputs.length !== inputs.length) {
    fail(node, `its body takes ${body.inputs.length} inputs, not ${inputs.length}`);
  }
  const given = inputs.map((input, i) => {
    if (!(input instanceof Sequence)) return tensorAt(node, inputs, i);
    if (input.items.length === items.length) return input;
    return fail(node, `its sequences have ${items.length} and ${input.items.length} items`);
  });
  const rows: Known[][] = [];
  for (const i of items.keys()) {
    const names = body.inputs.map(({ name }, k): [string, Known] => {
      const input = given[k]!;
      return [name, input instanceof Sequence ? input.items[i]! : input];
    });
    const row = importer.inline(body, new Map(names));
    if (!Array.isArray(row)) return reported;
    rows.push(row);
  }
  return body.outputs.map(({ type }, k) => {
    if (rows.length > 0) {
      const column = rows.map((row) => row[k]!);
      return construct(importer, node, column)[0]!;
    }
    const dtype = type?.kind === "tensor" ? dtypeFromOnnx(type.elemType) : undefined;
    return new Sequence(dtype ?? refuse(`the element type of output ${k} is not declared`), []);
  });
}

// ---------------------------------------------------------------------------------------------- inputs

function sequenceAt(node: OnnxNode, inputs: Inputs, index: number): Sequence {
  const value = inputs[index];
  return value instanceof Sequence ? value : fail(node, `input ${index} is not a sequence`);
}

function tensorAt(node: OnnxNode, inputs: Inputs, index: number): Value {
  const value = inputs[index];
  return value instanceof Value ? value : fail(node, `input ${index} is not a tensor`);
}

function knownIntegers(node: OnnxNode, inputs: Inputs, index: number, what: string): number[] {
  const { constant } = tensorAt(node, inputs, index);
  if (constant === null) refuse(`${what} is known only at run time`);
  return toNumbers(constant);
}

function fail(node: OnnxNode, reason: string): never {
  throw new KilnError("E_MODEL", reason, { node: node.name, operator: node.opType });
}

function refuse(reason: string): never {
  throw new KilnError("E_UNSUPPORTED", reason);
}
