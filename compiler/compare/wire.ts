/**
 * Changes to a model's bytes that leave all else the bytes they are: a model need not be understood to get further
 * outputs.
 */

import protobuf from "protobufjs/minimal.js";

const LENGTH = 2;

const tagOf = (field: number): number => ((field << 3) | LENGTH) >>> 0;

/** The message with every element of a field changed, or several in its place; `change` is told which of them it is. */
export function mapField(
  message: Uint8Array,
  field: number,
  change: (element: Uint8Array, index: number) => Uint8Array | readonly Uint8Array[],
): Uint8Array {
  const reader = protobuf.Reader.create(message);
  const parts: Uint8Array[] = [];
  let [copied, index] = [0, 0];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag !== tagOf(field)) {
      reader.skipType(tag & 7);
      continue;
    }
    const before = reader.bytes();
    const after = change(before, index++);
    if (after === before) continue;
    parts.push(message.subarray(copied, start));
    for (const element of after instanceof Uint8Array ? [after] : after) {
      parts.push(new protobuf.Writer().uint32(tag).uint32(element.length).finish(), element);
    }
    copied = reader.pos;
  }
  return copied === 0 ? message : concat(...parts, message.subarray(copied));
}

/** The elements of a field that holds messages, bytes or texts. */
export function elementsOf(message: Uint8Array, field: number): Uint8Array[] {
  const elements: Uint8Array[] = [];
  mapField(message, field, (element) => {
    elements.push(element);
    return element;
  });
  return elements;
}

/** The message without a field. */
export function without(message: Uint8Array, field: number): Uint8Array {
  const reader = protobuf.Reader.create(message);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    reader.skipType(tag & 7);
    if (tag >>> 3 !== field) parts.push(message.subarray(start, reader.pos));
  }
  return concat(...parts);
}

/** A field's number, and a number, a text or the bytes of a message. */
export type Field = readonly [field: number, value: number | string | Uint8Array];

/** The fields as a message, in front of the rest of it. */
export function encode(fields: readonly Field[], rest: Uint8Array = new Uint8Array()): Uint8Array {
  const writer = new protobuf.Writer();
  for (const [field, value] of fields) {
    if (typeof value === "number") writer.uint32((field << 3) >>> 0).uint32(value);
    else if (typeof value === "string") writer.uint32(tagOf(field)).string(value);
    else writer.uint32(tagOf(field)).bytes(value);
  }
  return concat(writer.finish(), rest);
}

const append = (message: Uint8Array, fields: readonly Field[]): Uint8Array =>
  fields.length === 0 ? message : concat(message, encode(fields));

/** The message with these texts behind those that a field has. */
export const appendStrings = (message: Uint8Array, field: number, texts: readonly string[]): Uint8Array =>
  append(
    message,
    texts.map((text) => [field, text]),
  );

/** The message with a message in this field that has a text in its own field, once for each. */
export const appendNamed = (
  message: Uint8Array,
  field: number,
  nameField: number,
  names: readonly string[],
): Uint8Array =>
  append(
    message,
    names.map((name) => [field, encode([[nameField, name]])]),
  );

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
