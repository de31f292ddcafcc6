/** Mutations of tensors and of the types of inputs, outputs and values between. */

import { type Mutation, type Mutator, pickMessage } from "./mutation.js";
import type { Random } from "./random.js";
import { getField, integersOf, type Message, setField, setIntegers, textField } from "./wire.js";

/** Codes of element types: those that there are, and some that there are not. */
const elementType = (random: Random): bigint => BigInt(random.chance(0.95) ? random.below(27) : 99);

function mutateDims(dims: bigint[], random: Random): bigint[] {
  const result = [...dims];
  const at = random.below(result.length + 1);
  switch (random.below(5)) {
    case 0:
      result.splice(at, 0, random.integer());
      break;
    case 1:
      result.splice(at, 1);
      break;
    case 2:
      // The same number of elements in another shape.
      return [1n, ...result.slice(0, at), 1n, ...result.slice(at)];
    default:
      if (at < result.length) result[at] = random.integer();
  }
  return result;
}

const changeDims: Mutator = (mutation) => {
  const tensor = pickMessage(mutation, "Tensor", "SparseTensor");
  if (tensor === undefined) return false;
  const field = tensor.name === "Tensor" ? 1 : 3;
  setIntegers(tensor, field, mutateDims(integersOf(tensor, field), mutation.random));
  return true;
};

const changeElementType: Mutator = (mutation) => {
  const tensor = pickMessage(mutation, "Tensor");
  if (tensor === undefined) return false;
  setField(tensor, 2, elementType(mutation.random));
  return true;
};

/** More or fewer bytes than the dims say. */
const changeLength: Mutator = (mutation) => {
  const { random } = mutation;
  const data = rawData(pickMessage(mutation, "Tensor"));
  if (data === undefined) return false;
  const { bytes } = data;
  const length = random.pick([0, 1, bytes.length - 1, bytes.length + 1, bytes.length + 4, bytes.length * 2]);
  const changed = new Uint8Array(Math.max(length, 0));
  changed.set(bytes.subarray(0, changed.length));
  data.set(changed);
  return true;
};

/** An element of 8, 4 or 1 bytes becomes another number: sizes, axes and amounts are among them. */
const changeElement: Mutator = (mutation) => {
  const { random } = mutation;
  const tensor = pickMessage(mutation, "Tensor");
  const data = rawData(tensor);
  if (tensor === undefined || data === undefined) return changeTypedElement(mutation, tensor);
  const bytes = data.bytes.slice();
  const view = new DataView(bytes.buffer);
  const type = getField(tensor, 2)?.value;
  const size = type === 7n || type === 13n || type === 11n ? 8 : type === 1n || type === 6n ? 4 : 1;
  if (bytes.length < size) return false;
  const at = random.below(Math.floor(bytes.length / size)) * size;
  if (type === 1n) view.setFloat32(at, random.float(), true);
  else if (type === 11n) view.setFloat64(at, random.float(), true);
  else if (size === 8) view.setBigInt64(at, random.integer(), true);
  else if (size === 4) view.setInt32(at, Number(BigInt.asIntN(32, random.integer())), true);
  else bytes[at] = random.below(256);
  data.set(bytes);
  return true;
};

/** The same of elements in `int64_data` or `int32_data`. */
function changeTypedElement({ random }: Mutation, tensor: Message | undefined): boolean {
  if (tensor === undefined) return false;
  for (const field of [7, 5]) {
    const values = integersOf(tensor, field);
    if (values.length === 0) continue;
    values[random.below(values.length)] = random.integer();
    setIntegers(tensor, field, random.chance(0.8) ? values : [...values, ...values]);
    return true;
  }
  return false;
}

const moveOutside: Mutator = (mutation) => {
  const { random } = mutation;
  const tensor = pickMessage(mutation, "Tensor");
  if (tensor === undefined) return false;
  if (random.chance(0.7)) tensor.fields = tensor.fields.filter(({ number }) => number !== 9);
  const locations = ["weights.bin", "/etc/passwd", "../weights.bin", "a/../../b", "", "C:\\x", "file:///x"];
  const entries = [
    ["location", random.pick(locations)],
    ["offset", random.pick(["0", "4", "-1", "1e3", "99999999999999999999", "9007199254740991", ""])],
    ["length", random.pick(["0", "16", "-4", "0x10", "18446744073709551615"])],
  ] as const;
  for (const [key, value] of entries) {
    if (key !== "location" && random.chance(0.4)) continue;
    const entry: Message = { name: "Entry", fields: [textField(1, key), textField(2, value)] };
    tensor.fields.push({ number: 13, value: entry });
  }
  setField(tensor, 14, 1n);
  return true;
};

function rawData(tensor: Message | undefined) {
  const field = tensor === undefined ? undefined : getField(tensor, 9);
  if (field === undefined || !(field.value instanceof Uint8Array)) return undefined;
  return {
    bytes: field.value,
    set: (bytes: Uint8Array) => {
      field.value = bytes;
    },
  };
}

const tensorMutators: readonly Mutator[] = [
  changeDims,
  changeElementType,
  changeLength,
  changeElement,
  changeElement,
  moveOutside,
];

export const mutateTensor: Mutator = (mutation) => mutation.random.pick(tensorMutators)(mutation);

/** Of a type: its element type, a dim, its rank, or whether it has a shape at all. */
export const mutateType: Mutator = (mutation) => {
  const { random } = mutation;
  if (random.chance(0.25)) {
    const type = pickMessage(mutation, "TensorType");
    if (type === undefined) return false;
    setField(type, 1, elementType(random));
    return true;
  }
  if (random.chance(0.6)) {
    const dim = pickMessage(mutation, "Dimension");
    if (dim === undefined) return false;
    dim.fields = random.chance(0.3)
      ? [textField(2, random.pick(["n", "m", "", "batch size", "-1", "n*2", "\u0000"]))]
      : [{ number: 1, value: random.integer() }];
    return true;
  }
  const shape = pickMessage(mutation, "Shape");
  if (shape === undefined) return false;
  const at = random.below(shape.fields.length + 1);
  const dim: Message = { name: "Dimension", fields: [{ number: 1, value: random.integer() }] };
  if (random.chance(0.5)) shape.fields.splice(at, 1);
  else shape.fields.splice(at, 0, { number: 1, value: dim });
  return true;
};
