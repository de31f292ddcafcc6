/** Mutations of attributes: of their values, their kinds, their names and their number. */

import { type Mutator, pickMessage } from "./mutation.js";
import type { Random } from "./random.js";
import {
  type Field,
  getField,
  getFields,
  integersOf,
  isMessage,
  type Message,
  messagesOf,
  setField,
  setIntegers,
  textField,
  textOf,
} from "./wire.js";

const float32 = (value: number): Field["value"] => {
  const fixed = new Uint8Array(4);
  new DataView(fixed.buffer).setFloat32(0, value, true);
  return { fixed };
};

/** Words that operators know, and some that none does. */
const words = [
  ...["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "linear", "nearest", "cubic", "bilinear", "reflect"],
  ...["edge", "wrap", "constant", "mean", "sum", "none", "add", "mul", "max", "min", "forward", "reverse"],
  ...["bidirectional", "Tanh", "Relu", "Affine", "half_pixel", "align_corners", "asymmetric", "DCR", "CRD"],
  ...["floor", "ceil", "LEFT", "RIGHT", "ii->i", "ij,jk->ik", "...i->...", "i->ij", "->", "", "\u0000", "ä"],
];

const attributeName = 1;
const attributeType = 20;

/** Of an attribute with values: one of them, or their number. */
const changeValue: Mutator = (mutation) => {
  const { random } = mutation;
  const attribute = pickMessage(mutation, "Attribute");
  if (attribute === undefined) return false;
  if (getField(attribute, 8) !== undefined) return changeInts(attribute, random);
  if (getField(attribute, 3) !== undefined) setField(attribute, 3, random.integer());
  else if (getField(attribute, 2) !== undefined) setField(attribute, 2, float32(random.float()));
  else if (getField(attribute, 4) !== undefined)
    setField(attribute, 4, textField(4, random.pick(words)).value);
  else if (getField(attribute, 7) !== undefined) changeFloats(attribute, random);
  else if (getField(attribute, 9) !== undefined) {
    random.pick(getFields(attribute, 9)).value = textField(9, random.pick(words)).value;
  } else return false;
  return true;
};

function changeInts(attribute: Message, random: Random): boolean {
  const values = integersOf(attribute, 8);
  const at = random.below(values.length + 1);
  const action = random.below(4);
  if (action === 0) values.splice(at, 1);
  else if (action === 1) values.splice(at, 0, random.integer());
  else values[Math.min(at, values.length - 1)] = random.integer();
  setIntegers(attribute, 8, values);
  return true;
}

function changeFloats(attribute: Message, random: Random): void {
  const count = getFields(attribute, 7).length;
  attribute.fields = attribute.fields.filter(({ number }) => number !== 7);
  const length = Math.max(0, count + random.below(3) - 1);
  for (let i = 0; i < length; i++) attribute.fields.push({ number: 7, value: float32(random.float()) });
}

/** The attribute holds a value of another kind. */
const changeKind: Mutator = (mutation) => {
  const { random } = mutation;
  const attribute = pickMessage(mutation, "Attribute");
  if (attribute === undefined) return false;
  if (random.chance(0.3)) {
    setField(attribute, attributeType, BigInt(random.below(16)));
    return true;
  }
  attribute.fields = attribute.fields.filter(({ number }) => number === attributeName);
  const forms: readonly [type: number, field: Field][] = [
    [1, { number: 2, value: float32(random.float()) }],
    [2, { number: 3, value: random.integer() }],
    [3, textField(4, random.pick(words))],
    [6, { number: 7, value: float32(random.float()) }],
    [7, { number: 8, value: random.integer() }],
    [8, textField(9, random.pick(words))],
  ];
  const [type, field] = random.pick(forms);
  attribute.fields.push(field, { number: attributeType, value: BigInt(type) });
  return true;
};

const drop: Mutator = (mutation) => {
  const node = pickMessage(mutation, "Node");
  const attributes = node === undefined ? [] : getFields(node, 5);
  if (node === undefined || attributes.length === 0) return false;
  const dropped = mutation.random.pick(attributes);
  node.fields = node.fields.filter((field) => field !== dropped);
  return true;
};

/** An attribute of any node of this or of another model is given to a node. */
const borrow: Mutator = (mutation) => {
  const { model, other, random } = mutation;
  const node = pickMessage(mutation, "Node");
  const source = random.chance(0.5) ? model : other;
  const attributes = [...messagesOf(source)].filter(({ name }) => name === "Attribute");
  if (node === undefined || attributes.length === 0) return false;
  node.fields.push({ number: 5, value: structuredClone(random.pick(attributes)) });
  return true;
};

const rename: Mutator = (mutation) => {
  const { model, random } = mutation;
  const attribute = pickMessage(mutation, "Attribute");
  if (attribute === undefined) return false;
  const names = [...messagesOf(model)]
    .filter(({ name }) => name === "Attribute")
    .map((other) => textOf(getField(other, attributeName)?.value));
  const common = [
    "axis",
    "axes",
    "mode",
    "pads",
    "strides",
    "dilations",
    "group",
    "kernel_shape",
    "auto_pad",
  ];
  setField(attribute, attributeName, textField(1, random.pick([...names, ...common, "", "x"])).value);
  return true;
};

/** Refers to an attribute of the function around it, where there may be neither. */
const makeReference: Mutator = (mutation) => {
  const attribute = pickMessage(mutation, "Attribute");
  if (attribute === undefined) return false;
  setField(attribute, 21, textField(21, mutation.random.pick(["alpha", "missing", ""])).value);
  return true;
};

/** Ints often mean sizes of windows: those of a node are all replaced by small ones, which may fit together. */
const shuffleWindow: Mutator = (mutation) => {
  const { random } = mutation;
  const node = pickMessage(mutation, "Node");
  if (node === undefined) return false;
  let changed = false;
  for (const { value } of getFields(node, 5)) {
    if (!isMessage(value) || getField(value, 8) === undefined) continue;
    setIntegers(
      value,
      8,
      integersOf(value, 8).map(() => BigInt(random.below(6))),
    );
    changed = true;
  }
  return changed;
};

const mutators: readonly Mutator[] = [
  changeValue,
  changeValue,
  changeValue,
  changeKind,
  drop,
  borrow,
  rename,
  makeReference,
  shuffleWindow,
];

export const mutateAttribute: Mutator = (mutation) => mutation.random.pick(mutators)(mutation);
