/**
 * RNN, GRU and LSTM as ONNX has them, put together from directions: what the input adds to the gates is one matrix
 * product over all steps, and `recurrent-cells.ts` has the rest.
 */

import type { Attributes, Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import {
  activationsOf,
  recurrentAttributes as attributes,
  directionNames,
  type Layer,
  layerOf,
  type RecurrentInputs,
  type RecurrentView,
} from "./recurrent-layer.js";

interface RecurrentDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly gates: number;
  readonly defaults: readonly string[];
}

/** The part of a direction, without the dim of directions. */
function partOf({ b, directions }: Layer, value: Value, direction: number): Value {
  if (directions === 1) return b.op("Squeeze", [value, b.ints([0])]);
  return b.op("Gather", [value, b.scalar("int64", direction)], { axis: 0 });
}

function slice({ b }: Layer, value: Value, start: number, end: number): Value {
  return b.op("Slice", [value, b.ints([start]), b.ints([end]), b.ints([0])]);
}

const transpose = ({ b }: Layer, value: Value, perm: readonly number[]): Value =>
  b.op("Transpose", [value], { perm: [...perm] });

/** Biases of the input and of the state, as they are added before the recurrence and in it. */
function biasesOf(layer: Layer, direction: number, isCandidateApart: boolean): [Value | null, Value | null] {
  const { b, inputs, gates, hidden } = layer;
  if (inputs[3] == null) return [null, null];
  const both = partOf(layer, inputs[3], direction);
  const fromInput = slice(layer, both, 0, gates * hidden);
  if (!isCandidateApart)
    return [b.op("Add", [fromInput, slice(layer, both, gates * hidden, 2 * gates * hidden)]), null];
  // Of z, r and the candidate, the last one's bias of the state is added to its product first.
  const zeros = b.op("Expand", [b.scalar(both.dtype, 0), b.ints([hidden])]);
  const fromState = slice(layer, both, gates * hidden, (2 * gates - 1) * hidden);
  const before = b.op("Add", [fromInput, b.op("Concat", [fromState, zeros], { axis: 0 })]);
  return [before, slice(layer, both, (2 * gates - 1) * hidden, 2 * gates * hidden)];
}

/** The results of one direction: [steps, 1, batch, hidden], and states of [1, batch, hidden]. */
function direction(
  layer: Layer,
  name: string,
  number: number,
  isReverse: boolean,
  cell: Attributes,
): Value[] {
  const { b, inputs, view } = layer;
  const [x, w, r, , lengths, ...more] = inputs;
  const byTime = view.attributes.layout === 0;
  const [steps, batch] = [0, 1];
  const sequence = byTime ? x! : transpose(layer, x!, [batch, steps, 2]);
  const isCandidateApart = name === "GRU" && cell.linear_before_reset !== 0;
  const [bias, candidateBias] = biasesOf(layer, number, isCandidateApart);
  const weights = transpose(layer, partOf(layer, w!, number), [1, 0]);
  const product = b.op("MatMul", [sequence, weights]);
  const projected = bias === null ? product : b.op("Add", [product, bias]);
  const initial = (state: Value | null | undefined): Value | null => {
    if (state == null) return null;
    const part = partOf(layer, byTime ? state : transpose(layer, state, [1, 0, 2]), number);
    return b.op("Unsqueeze", [part, b.ints([0])]);
  };
  const recurrent = transpose(layer, partOf(layer, r!, number), [1, 0]);
  const [h, c, peepholes] = more;
  const states = name === "LSTM" ? [initial(h), initial(c)] : [initial(h)];
  const own = name === "LSTM" ? (peepholes == null ? null : partOf(layer, peepholes, number)) : candidateBias;
  return b.ops(
    `kiln.${name}`,
    [projected, recurrent, lengths ?? null, ...states, own],
    { ...cell, reverse: isReverse ? 1 : 0 },
    1 + states.length,
  );
}

/** All directions joined, with the dims in the order that the node's layout asks for. */
export function recurrentLayer(
  b: GraphBuilder,
  inputs: RecurrentInputs,
  view: RecurrentView,
  { name, gates, defaults }: RecurrentDeclaration,
  more: Attributes,
): Value[] {
  const layer = layerOf(b, inputs, view, gates);
  const { clip, layout } = view.attributes;
  const cells = activationsOf(layer, defaults);
  const parts = directionNames[view.attributes.direction]!.map((isReverse, i) =>
    direction(layer, name, i, isReverse, { ...more, ...cells[i], ...(clip !== undefined && { clip }) }),
  );
  const joined = parts[0]!.map((first, output) => {
    const axis = output === 0 ? 1 : 0;
    const value =
      parts.length === 1
        ? first
        : b.op(
            "Concat",
            parts.map((part) => part[output]!),
            { axis },
          );
    if (layout === 0) return value;
    return transpose(layer, value, output === 0 ? [2, 0, 1, 3] : [1, 0, 2]);
  });
  return joined.slice(0, view.outputCount);
}

const common = ["X", "W", "R", "B?", "sequence_lens?", "initial_h?"];
/** Version 1 says whether all steps are wanted, which the outputs tell as well. */
const first = { output_sequence: attribute.int(0) } as const;

const rnn = {
  name: "RNN",
  summary: "Recurrent layer of one gate, in one direction or both.",
  gates: 1,
  defaults: ["Tanh"],
} as const;

const RNN = defineExpansion({
  ...rnn,
  inputs: common,
  types: floats,
  attributes,
  versions: [
    { since: 1, attributes: { ...attributes, ...first } },
    ...[7, 14, 22].map((since) => ({ since })),
  ],
  expand: (b, inputs, view) => recurrentLayer(b, inputs, view, rnn, {}),
});

const gru = {
  name: "GRU",
  summary: "Layer of gated recurrent units, in one direction or both.",
  gates: 3,
  defaults: ["Sigmoid", "Tanh"],
} as const;

const GRU = defineExpansion({
  ...gru,
  inputs: common,
  types: floats,
  attributes: { ...attributes, linear_before_reset: attribute.int(0) },
  versions: [
    { since: 1, attributes: { ...attributes, ...first } },
    ...[3, 7, 14, 22].map((since) => ({ since })),
  ],
  expand: (b, inputs, view) =>
    recurrentLayer(b, inputs, view, gru, { linear_before_reset: view.attributes.linear_before_reset }),
});

export const lstm = {
  name: "LSTM",
  summary: "Layer of long short-term memory, in one direction or both.",
  gates: 4,
  defaults: ["Sigmoid", "Tanh", "Tanh"],
} as const;

const LSTM = defineExpansion({
  ...lstm,
  inputs: [...common, "initial_c?", "P?"],
  types: floats,
  attributes: { ...attributes, input_forget: attribute.int(0) },
  versions: [
    { since: 1, attributes: { ...attributes, input_forget: attribute.int(0), ...first } },
    ...[7, 14, 22].map((since) => ({ since })),
  ],
  expand: (b, inputs, view) =>
    recurrentLayer(b, inputs, view, lstm, { input_forget: view.attributes.input_forget }),
});

export const recurrentOperators: readonly Operator[] = [RNN, GRU, LSTM];
