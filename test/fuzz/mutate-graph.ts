/** Mutations of wiring: cycles, missing and double names, nodes moved, deleted and taken from other models, nesting. */

import { type Mutation, type Mutator, pickMessage } from "./mutation.js";
import {
  type Field,
  getField,
  getFields,
  isMessage,
  type Message,
  messagesOf,
  setField,
  textField,
  textOf,
} from "./wire.js";

const nodeInput = 1;
const nodeOutput = 2;
const nodeOperator = 4;

/** Every name that a value of the model has. */
function valueNames(model: Message): string[] {
  const names: string[] = [];
  for (const message of messagesOf(model)) {
    if (message.name === "Node")
      names.push(...getFields(message, nodeOutput).map(({ value }) => textOf(value)));
    if (message.name === "ValueInfo") names.push(textOf(getField(message, 1)?.value));
    if (message.name === "Tensor") names.push(textOf(getField(message, 8)?.value));
  }
  return names;
}

const anyName = ({ model, random }: Mutation): string =>
  random.chance(0.9) ? random.pick([...valueNames(model), ""]) : "no_such_value";

/** An input is another value (perhaps a later one, or the node's own), is left out, or is one more. */
export const rewireInput: Mutator = (mutation) => {
  const { random } = mutation;
  const node = pickMessage(mutation, "Node");
  if (node === undefined) return false;
  const inputs = getFields(node, nodeInput);
  if (inputs.length === 0 || random.chance(0.15)) {
    node.fields.push(textField(nodeInput, anyName(mutation)));
  } else if (random.chance(0.2)) {
    const dropped = random.pick(inputs);
    node.fields = node.fields.filter((field) => field !== dropped);
  } else {
    random.pick(inputs).value = textField(nodeInput, anyName(mutation)).value;
  }
  return true;
};

/** The same of outputs, and of the names of the graph's own inputs and outputs. */
export const rewireOutput: Mutator = (mutation) => {
  const { random } = mutation;
  const message = pickMessage(mutation, "Node", "ValueInfo");
  if (message === undefined) return false;
  const names = getFields(message, message.name === "Node" ? nodeOutput : 1);
  if (names.length === 0 || (message.name === "Node" && random.chance(0.3))) {
    message.fields.push(textField(nodeOutput, random.chance(0.5) ? anyName(mutation) : "one_more"));
  } else {
    random.pick(names).value = textField(nodeOutput, anyName(mutation)).value;
  }
  return true;
};

/** The node is of another operator: one of either model. */
export const replaceOperator: Mutator = (mutation) => {
  const { model, other, random } = mutation;
  const node = pickMessage(mutation, "Node");
  const others = [...messagesOf(model), ...messagesOf(other)].filter(({ name }) => name === "Node");
  const operator = others.length === 0 ? undefined : getField(random.pick(others), nodeOperator)?.value;
  if (node === undefined || operator === undefined) return false;
  setField(node, nodeOperator, operator);
  return true;
};

/** A node of another model takes values of this one, and its result replaces one of them or is a new output. */
export const spliceNode: Mutator = (mutation) => {
  const { other, random } = mutation;
  const graph = pickMessage(mutation, "Graph");
  const nodes = [...messagesOf(other)].filter(({ name }) => name === "Node");
  if (graph === undefined || nodes.length === 0) return false;
  const node = structuredClone(random.pick(nodes));
  for (const input of getFields(node, nodeInput)) {
    if (textOf(input.value) !== "") input.value = textField(nodeInput, anyName(mutation)).value;
  }
  const result = `spliced${random.below(1000)}`;
  const outputs = getFields(node, nodeOutput);
  for (const [i, output] of outputs.entries()) output.value = textField(nodeOutput, `${result}_${i}`).value;
  graph.fields.push({ number: 1, value: node });
  const graphOutputs = getFields(graph, 12);
  const last = graphOutputs.at(-1)?.value as Message | undefined;
  const name = last === undefined ? undefined : getField(last, 1); // an earlier mutation may have removed it
  if (outputs.length > 0 && name !== undefined && random.chance(0.5)) {
    name.value = textField(1, `${result}_0`).value;
  } else {
    const info: Message = { name: "ValueInfo", fields: [textField(1, `${result}_0`)] };
    graph.fields.push({ number: 12, value: info });
  }
  return true;
};

/** A node is deleted, doubled, or changes places with another. */
export const shuffleNodes: Mutator = (mutation) => {
  const { random } = mutation;
  const graph = pickMessage(mutation, "Graph");
  const nodes = graph === undefined ? [] : getFields(graph, 1);
  if (graph === undefined || nodes.length === 0) return false;
  const chosen = random.pick(nodes);
  const action = random.below(3);
  if (action === 0) graph.fields = graph.fields.filter((field) => field !== chosen);
  else if (action === 1) graph.fields.push({ number: 1, value: structuredClone(chosen.value) });
  else {
    const other = random.pick(nodes);
    [chosen.value, other.value] = [other.value, chosen.value];
  }
  return true;
};

/** Puts the graph's nodes into the branches of a condition, again and again; or a body in loops. */
export const nestDeeply: Mutator = (mutation) => {
  const { random } = mutation;
  const graph = pickMessage(mutation, "Graph");
  if (graph === undefined) return false;
  const output = getFields(graph, 12)[0];
  if (output === undefined || !isMessage(output.value)) return false;
  const name = textOf(getField(output.value, 1)?.value);
  const depth = random.pick([1, 2, 3, 5, 12, 25, 200]);
  for (let level = 0; level < depth; level++) {
    const nodes = graph.fields.filter(({ number }) => number === 1);
    const others = graph.fields.filter(({ number }) => number !== 1);
    const body: Message = { name: "Graph", fields: [...nodes, output] };
    const condition = random.chance(0.7) ? [constantTrue(level)] : [];
    const branches = ["then_branch", "else_branch"].map((branch) => graphAttribute(branch, body));
    const node: Message = {
      name: "Node",
      fields: [
        textField(nodeInput, condition.length === 0 ? anyName(mutation) : `true${level}`),
        textField(nodeOutput, name),
        textField(nodeOperator, "If"),
        ...(random.chance(0.5) || level > 6 ? branches.slice(0, 1) : branches),
      ],
    };
    graph.fields = [...others, ...condition, { number: 1, value: node }];
  }
  return true;
};

function graphAttribute(name: string, graph: Message): Field {
  const fields: Field[] = [textField(1, name), { number: 6, value: graph }, { number: 20, value: 5n }];
  return { number: 5, value: { name: "Attribute", fields } };
}

function constantTrue(level: number): Field {
  const tensor: Message = {
    name: "Tensor",
    fields: [
      { number: 2, value: 9n },
      { number: 9, value: Uint8Array.of(1) },
    ],
  };
  const value: Message = {
    name: "Attribute",
    fields: [textField(1, "value"), { number: 5, value: tensor }, { number: 20, value: 4n }],
  };
  return {
    number: 1,
    value: {
      name: "Node",
      fields: [
        textField(nodeOutput, `true${level}`),
        textField(nodeOperator, "Constant"),
        { number: 5, value },
      ],
    },
  };
}
