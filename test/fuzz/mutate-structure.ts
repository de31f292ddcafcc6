/**
 * Mutations of what a model says: sizes, types, attributes, wiring. Each leaves a well-formed protobuf message, so that
 * it reaches the parts of the compiler behind the decoder. A mutator returns false where the model has nothing for it.
 */

import { mutateAttribute } from "./mutate-attributes.js";
import {
  nestDeeply,
  replaceOperator,
  rewireInput,
  rewireOutput,
  shuffleNodes,
  spliceNode,
} from "./mutate-graph.js";
import { mutateTensor, mutateType } from "./mutate-tensors.js";
import { type Mutation, type Mutator, pickMessage } from "./mutation.js";
import {
  getFields,
  isMessage,
  type Message,
  messagesOf,
  parseMessage,
  setField,
  textField,
  textOf,
} from "./wire.js";

/** A version that may be none, or of long ago, or of the future. */
const changeOpset: Mutator = (mutation) => {
  const { random } = mutation;
  const set = pickMessage(mutation, "OperatorSet");
  if (set === undefined) return false;
  const version = random.chance(0.8) ? BigInt(random.below(27)) : random.integer();
  setField(set, 2, version);
  return true;
};

/** An input becomes a constant: of the elements it has in the test that the seed comes from. */
const bindInput: Mutator = ({ model, random, seed }) => {
  const graph = getFields(model, 7)[0]?.value;
  if (graph === undefined || !isMessage(graph)) return false;
  const inputs = graph.fields.filter(
    ({ number, value }) => number === 11 && isMessage(value) && seed.data.has(nameOf(value)),
  );
  if (inputs.length === 0) return false;
  for (const input of random.chance(0.3) ? inputs : [random.pick(inputs)]) {
    const name = nameOf(input.value as Message);
    const tensor = parseMessage(seed.data.get(name)!, "Tensor");
    setField(tensor, 8, textField(8, name).value);
    graph.fields = graph.fields.filter((field) => field !== input);
    graph.fields.push({ number: 5, value: tensor });
  }
  return true;
};

const nameOf = (valueInfo: Message): string => textOf(getFields(valueInfo, 1)[0]?.value);

/** A constant becomes an input of any shape, or of its own. */
const unbindInitializer: Mutator = ({ model, random }) => {
  const graph = getFields(model, 7)[0]?.value;
  if (graph === undefined || !isMessage(graph)) return false;
  const initializers = getFields(graph, 5);
  if (initializers.length === 0) return false;
  const chosen = random.pick(initializers);
  const tensor = chosen.value as Message;
  const shape: Message = { name: "Shape", fields: [] };
  for (const { value } of getFields(tensor, 1)) {
    if (typeof value !== "bigint") return false;
    const field = random.chance(0.5) ? { number: 1, value } : textField(2, `d${value}`);
    shape.fields.push({ number: 1, value: { name: "Dimension", fields: [field] } });
  }
  const elementType = getFields(tensor, 2)[0]?.value ?? 1n;
  const tensorType: Message = { name: "TensorType", fields: [{ number: 1, value: elementType }] };
  if (random.chance(0.9)) tensorType.fields.push({ number: 2, value: shape });
  const type: Message = { name: "Type", fields: [{ number: 1, value: tensorType }] };
  const name = getFields(tensor, 8)[0]?.value ?? new Uint8Array();
  const input: Message = {
    name: "ValueInfo",
    fields: [
      { number: 1, value: name },
      { number: 2, value: type },
    ],
  };
  graph.fields = graph.fields.filter((field) => field !== chosen);
  graph.fields.push({ number: 11, value: input });
  return true;
};

/** All dims of the model's inputs are left open, some of the same name. */
const openDims: Mutator = ({ model, random }) => {
  const graph = getFields(model, 7)[0]?.value;
  if (graph === undefined || !isMessage(graph)) return false;
  let count = 0;
  for (const input of getFields(graph, 11)) {
    if (!isMessage(input.value)) continue;
    for (const message of messagesOf(input.value)) {
      if (message.name !== "Dimension") continue;
      const name = random.chance(0.2) ? "same" : `open${count}`;
      message.fields = random.chance(0.1) ? [] : [textField(2, name)];
      count++;
    }
  }
  return count > 0;
};

/** A field of any message is dropped, repeated, or moved behind the others. */
const anyField: Mutator = (mutation) => {
  const { model, random } = mutation;
  const messages = [...messagesOf(model)].filter(({ fields }) => fields.length > 0);
  if (messages.length === 0) return false;
  const { fields } = random.pick(messages);
  const at = random.below(fields.length);
  const action = random.below(4);
  if (action === 0) fields.splice(at, 1);
  else if (action === 1) fields.push(...fields.splice(at, 1));
  else {
    // Now and then very often.
    const times = action === 2 ? 1 : random.pick([3, 17, 100, 1000]);
    for (let i = 0; i < times; i++) fields.push(fields[at]!);
  }
  return true;
};

/** Mutators and how often each is taken. */
const mutators: readonly (readonly [weight: number, mutator: Mutator])[] = [
  [8, mutateTensor],
  [8, mutateType],
  [10, mutateAttribute],
  [5, bindInput],
  [3, unbindInitializer],
  [4, openDims],
  [5, rewireInput],
  [2, rewireOutput],
  [3, replaceOperator],
  [4, spliceNode],
  [2, shuffleNodes],
  [1, nestDeeply],
  [4, changeOpset],
  [3, anyField],
];

const table = mutators.flatMap(([weight, mutator]) => Array.from({ length: weight }, () => mutator));

/** Applies one mutation that the model has a place for. */
export function mutateStructure(mutation: Mutation): void {
  for (let attempt = 0; attempt < 20; attempt++) if (mutation.random.pick(table)(mutation)) return;
}
