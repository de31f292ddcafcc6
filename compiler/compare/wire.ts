/**
 * Changes to a model's bytes that leave all else the bytes they are: a model need not be understood to get further
 * outputs.
 */

import protobuf from "protobufjs/minimal.js";

const LENGTH = 2;

const tagOf = (field: number): number => ((field << 3) | LENGTH) >>> 0;

/** The message with every element of a field changed; `change` is told which of them it is. */
export function mapField(
  message: Uint8Array,
  field: number,
  change: (element: Uint8Array, index: number) => Uint8Array,
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
    const header = new protobuf.Writer().uint32(tag).uint32(after.length).finish();
    parts.push(message.subarray(copied, start), header, after);
    copied = reader.pos;
  }
  return copied === 0 ? message : concat(...parts, message.subarray(copied));
}

/** The message with these texts behind those that a field has. */
export function appendStrings(message: Uint8Array, field: number, texts: readonly string[]): Uint8Array {
  return append(message, (writer) => {
    for (const text of texts) writer.uint32(tagOf(field)).string(text);
  });
}

/** The message with a message in this field that has a text in its own field, once for each. */
export function appendNamed(
  message: Uint8Array,
  field: number,
  nameField: number,
  names: readonly string[],
): Uint8Array {
  return append(message, (writer) => {
    for (const name of names)
      writer.uint32(tagOf(field)).fork().uint32(tagOf(nameField)).string(name).ldelim();
  });
}

function append(message: Uint8Array, write: (writer: protobuf.Writer) => void): Uint8Array {
  const writer = new protobuf.Writer();
  write(writer);
  return writer.len === 0 ? message : concat(message, writer.finish());
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
