/**
 * Protobuf messages as trees of fields in the order they were written, nothing decoded that is not a message: a field
 * unknown, out of place or twice there is kept. Kiln's own decoder is what is under test, so it is not used here.
 */

export type MessageName =
  | "Model"
  | "OperatorSet"
  | "Entry"
  | "Graph"
  | "Function"
  | "Node"
  | "Attribute"
  | "Tensor"
  | "SparseTensor"
  | "ValueInfo"
  | "Type"
  | "TensorType"
  | "ElementType"
  | "MapType"
  | "Shape"
  | "Dimension";

export interface Message {
  readonly name: MessageName;
  fields: Field[];
}

export interface Field {
  readonly number: number;
  /** A varint, the bytes of a fixed-size or length-delimited field, or an embedded message. */
  value: bigint | { fixed: Uint8Array } | Uint8Array | Message;
}

/** Which fields of a message are messages themselves. */
const embedded: Record<MessageName, Readonly<Record<number, MessageName>>> = {
  Model: { 7: "Graph", 8: "OperatorSet", 14: "Entry", 25: "Function" },
  OperatorSet: {},
  Entry: {},
  Graph: {
    1: "Node",
    5: "Tensor",
    11: "ValueInfo",
    12: "ValueInfo",
    13: "ValueInfo",
    15: "SparseTensor",
  },
  Function: { 7: "Node", 9: "OperatorSet", 11: "Attribute" },
  Node: { 5: "Attribute" },
  Attribute: {
    5: "Tensor",
    6: "Graph",
    10: "Tensor",
    11: "Graph",
    14: "Type",
    15: "Type",
    22: "SparseTensor",
    23: "SparseTensor",
  },
  Tensor: { 13: "Entry" },
  SparseTensor: { 1: "Tensor", 2: "Tensor" },
  ValueInfo: { 2: "Type" },
  Type: { 1: "TensorType", 4: "ElementType", 5: "MapType", 8: "TensorType", 9: "ElementType" },
  TensorType: { 2: "Shape" },
  ElementType: { 1: "Type" },
  MapType: { 2: "Type" },
  Shape: { 1: "Dimension" },
  Dimension: {},
};

export const isMessage = (value: Field["value"]): value is Message =>
  typeof value === "object" && "fields" in value;

/** Reads the bytes of a valid message. */
export function parseMessage(bytes: Uint8Array, name: MessageName): Message {
  const message: Message = { name, fields: [] };
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    at += length;
    return bytes.slice(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === 0) message.fields.push({ number, value: varint() });
    else if (wire === 1) message.fields.push({ number, value: { fixed: take(8) } });
    else if (wire === 5) message.fields.push({ number, value: { fixed: take(4) } });
    else {
      const inner = take(Number(varint()));
      const type = embedded[name][number];
      message.fields.push({ number, value: type === undefined ? inner : parseMessage(inner, type) });
    }
  }
  return message;
}

export function serialize(message: Message): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { number, value } of message.fields) {
    const wire = typeof value === "bigint" ? 0 : "fixed" in value ? (value.fixed.length === 8 ? 1 : 5) : 2;
    parts.push(encodeVarint(BigInt(number * 8 + wire)));
    if (typeof value === "bigint") parts.push(encodeVarint(value));
    else if ("fixed" in value) parts.push(value.fixed);
    else {
      const inner = isMessage(value) ? serialize(value) : value;
      parts.push(encodeVarint(BigInt(inner.length)), inner);
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}

export function encodeVarint(value: bigint): Uint8Array {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** The message and all within it, outermost first. */
export function* messagesOf(message: Message): Generator<Message> {
  yield message;
  for (const { value } of message.fields) if (isMessage(value)) yield* messagesOf(value);
}

export const textOf = (value: Field["value"] | undefined): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : "";

export const textField = (number: number, text: string): Field => ({
  number,
  value: new TextEncoder().encode(text),
});

export const getField = (message: Message, number: number): Field | undefined =>
  message.fields.find((field) => field.number === number);

export const getFields = (message: Message, number: number): Field[] =>
  message.fields.filter((field) => field.number === number);

/** Puts `value` in the place of the first such field, or at the end. */
export function setField(message: Message, number: number, value: Field["value"]): void {
  const field = getField(message, number);
  if (field === undefined) message.fields.push({ number, value });
  else field.value = value;
}

/** Repeated integers, packed or not. */
export function integersOf(message: Message, number: number): bigint[] {
  return getFields(message, number).flatMap(({ value }) => {
    if (typeof value === "bigint") return [value];
    return value instanceof Uint8Array ? unpack(value) : [];
  });
}

function unpack(bytes: Uint8Array): bigint[] {
  // Packed numbers read like fields without tags.
  const numbers: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    numbers.push(value);
    value = 0n;
    shift = 0n;
  }
  return numbers;
}

export function setIntegers(message: Message, number: number, values: readonly bigint[]): void {
  message.fields = message.fields.filter((field) => field.number !== number);
  for (const value of values) message.fields.push({ number, value });
}
