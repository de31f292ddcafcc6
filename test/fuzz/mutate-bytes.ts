/** Mutations of bytes, blind to what they mean. */

import type { Random } from "./random.js";

type ByteMutator = (bytes: Uint8Array, random: Random) => Uint8Array;

const flipBit: ByteMutator = (bytes, random) => {
  const result = bytes.slice();
  result[random.below(bytes.length)]! ^= 1 << random.below(8);
  return result;
};

const setByte: ByteMutator = (bytes, random) => {
  const result = bytes.slice();
  result[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
  return result;
};

const cutOff: ByteMutator = (bytes, random) => bytes.slice(0, random.below(bytes.length));

const removeRange: ByteMutator = (bytes, random) => {
  const start = random.below(bytes.length);
  return splice(bytes, start, 1 + random.below(16), new Uint8Array(0));
};

const insertBytes: ByteMutator = (bytes, random) => {
  const inserted = Uint8Array.from({ length: 1 + random.below(12) }, () => random.below(256));
  return splice(bytes, random.below(bytes.length + 1), 0, inserted);
};

const copyRange: ByteMutator = (bytes, random) => {
  const start = random.below(bytes.length);
  const copied = bytes.slice(start, start + 1 + random.below(64));
  return splice(bytes, random.below(bytes.length + 1), 0, copied);
};

/** A varint of ten bytes where a length may have been. */
const longVarint: ByteMutator = (bytes, random) => {
  const end = random.pick([0x01, 0x7f, 0xff]);
  return splice(bytes, random.below(bytes.length), 1, Uint8Array.from([...Array(9).fill(0xff), end]));
};

const mutators: readonly ByteMutator[] = [
  flipBit,
  setByte,
  cutOff,
  removeRange,
  insertBytes,
  copyRange,
  longVarint,
];

export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.length === 0 ? bytes : random.pick(mutators)(bytes, random);
}

function splice(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]));
}
