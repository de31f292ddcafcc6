/**
 * Reads protobuf messages by tables of fields (schema.ts), on protobufjs's wire Reader.
 *
 * onnx-proto's generated decoder is not used for this: it knows no field newer than ONNX 1.10.2, turns each element of
 * a packed field into a boxed value, lets an embedded message read past its own end, and has no limits. Here `bytes`
 * fields are views of the input, repeated numbers land in typed arrays, and depth and message count are bounded.
 */

import protobuf from "protobufjs/minimal.js";
import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";

type Reader = protobuf.Reader;
type NumberArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** One field of a message; V is the type of its decoded value. */
export interface Field<V> {
  readonly number: number;
  readonly wire: number;
  /** Value of a field that the message does not have. */
  readonly absent: V;
  readonly kind: Singular | Repeated | Packable;
}

interface Singular {
  readonly form: "singular";
  readonly read: (state: State) => unknown;
}
interface Repeated {
  readonly form: "repeated";
  readonly read: (state: State) => unknown;
}
/** Repeated numbers, which a writer may pack into one length-delimited field or write one by one. */
interface Packable {
  readonly form: "packable";
  readonly numbers: NumberKind;
}

interface NumberKind {
  readonly array: new (length: number) => NumberArray;
  readonly wire: number;
  /** Reads one number into `target[at]`. */
  readonly read: (reader: Reader, target: NumberArray, at: number) => void;
}

/** A message type: T is its decoded form, one property a field. Fields are given lazily, since types are recursive. */
export class Message<T> {
  private tables:
    | { byNumber: Map<number, [string, Field<unknown>]>; absent: Record<string, unknown> }
    | undefined;

  constructor(
    readonly name: string,
    private readonly fields: () => { readonly [K in keyof T]-?: Field<T[K]> },
  ) {}

  get table() {
    if (this.tables === undefined) {
      const entries = Object.entries(this.fields()) as [string, Field<unknown>][];
      this.tables = {
        byNumber: new Map(entries.map((entry) => [entry[1].number, entry])),
        absent: Object.fromEntries(entries.map(([key, field]) => [key, field.absent])),
      };
    }
    return this.tables;
  }
}

function singular<V>(wire: number, read: (state: State) => V) {
  return (number: number): Field<V | undefined> => ({
    number,
    wire,
    absent: undefined,
    kind: { form: "singular", read },
  });
}

function repeated<V>(wire: number, read: (state: State) => V) {
  return (number: number): Field<readonly V[]> => ({
    number,
    wire,
    absent: Object.freeze([]) as readonly V[],
    kind: { form: "repeated", read },
  });
}

function packable<A extends NumberArray>(
  array: new (length: number) => A,
  wire: number,
  read: NumberKind["read"],
) {
  const absent = new array(0);
  return (number: number): Field<A> => ({
    number,
    wire,
    absent,
    kind: { form: "packable", numbers: { array, wire, read } },
  });
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const readBytes = ({ reader }: State): Uint8Array => reader.bytes();
const readString = ({ reader }: State): string => utf8.decode(reader.bytes());

export const float = singular(FIXED32, ({ reader }) => reader.float());
export const int32 = singular(VARINT, ({ reader }) => reader.int32());
export const int64 = singular(VARINT, ({ reader }) => {
  const value = new BigInt64Array(1);
  readVarint64(reader, value, 0);
  return value[0]!;
});
export const string = singular(LENGTH, readString);
export const bytes = singular(LENGTH, readBytes);
export const strings = repeated(LENGTH, readString);
export const byteStrings = repeated(LENGTH, readBytes);

export const floats = packable(Float32Array, FIXED32, (reader, target, at) => {
  target[at] = reader.float();
});
export const doubles = packable(Float64Array, FIXED64, (reader, target, at) => {
  target[at] = reader.double();
});
export const int32s = packable(Int32Array, VARINT, (reader, target, at) => {
  target[at] = reader.int32();
});
export const int64s = packable(BigInt64Array, VARINT, readVarint64);
export const uint64s = packable(BigUint64Array, VARINT, readVarint64);

export function message<T>(number: number, type: Message<T>): Field<T | undefined> {
  return singular(LENGTH, (state) => readEmbedded(state, type))(number);
}

export function messages<T>(number: number, type: Message<T>): Field<readonly T[]> {
  return repeated(LENGTH, (state) => readEmbedded(state, type))(number);
}

interface State {
  readonly reader: Reader;
  readonly limits: Limits;
  depth: number;
  messages: number;
}

/** A model of N nodes has some 20 N protobuf messages (attributes, value infos, dimensions): room for three times that. */
const MESSAGES_PER_NODE = 64;

/**
 * Decodes one whole message. `bytes` fields of the result are views of the input.
 * @throws KilnError E_DECODE where the bytes are not such a message, E_LIMIT where it is too deep or has too many parts.
 */
export function readMessage<T>(input: Uint8Array, type: Message<T>, limits: Limits): T {
  // A plain Uint8Array even where the input is a Buffer, so that every view taken of it is one too.
  const reader = new protobuf.Reader(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  try {
    return readFields({ reader, limits, depth: 0, messages: 0 }, type);
  } catch (error) {
    // protobufjs reports malformed input as a plain Error or RangeError; anything else is a bug of ours.
    if (error instanceof KilnError || error instanceof TypeError || !(error instanceof Error)) throw error;
    throw new KilnError("E_DECODE", `malformed ${type.name}: ${error.message}`, {
      hint: "the file may be truncated, or not be an ONNX model",
    });
  }
}

function readEmbedded<T>(state: State, type: Message<T>): T {
  const { reader, limits } = state;
  const length = reader.uint32();
  const outerEnd = reader.len;
  if (length > outerEnd - reader.pos) {
    throw malformed(reader, type.name, `${length} bytes declared, ${outerEnd - reader.pos} left`);
  }
  if (++state.depth > limits.nesting) {
    throw new KilnError("E_LIMIT", `protobuf messages nested deeper than ${limits.nesting}`);
  }
  if (++state.messages > limits.nodes * MESSAGES_PER_NODE) {
    throw new KilnError("E_LIMIT", `more than ${limits.nodes * MESSAGES_PER_NODE} protobuf messages`);
  }
  reader.len = reader.pos + length;
  const value = readFields(state, type);
  reader.len = outerEnd;
  state.depth--;
  return value;
}

/** Reads fields up to the reader's end. Of a singular field given twice the last one counts. */
function readFields<T>(state: State, type: Message<T>): T {
  const { reader } = state;
  const { byNumber, absent } = type.table;
  const result: Record<string, unknown> = { ...absent };
  let numbers: Map<string, NumberBuffer> | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const wire = tag & 7;
    const entry = byNumber.get(tag >>> 3);
    if (entry === undefined) {
      if (tag >>> 3 === 0) throw malformed(reader, type.name, "field number 0");
      reader.skipType(wire);
      continue;
    }
    const [key, field] = entry;
    const { kind } = field;
    if (wire !== field.wire && !(kind.form === "packable" && wire === LENGTH)) {
      throw malformed(reader, type.name, `field ${key} has wire type ${wire}`);
    }
    if (kind.form === "singular") {
      result[key] = kind.read(state);
    } else if (kind.form === "repeated") {
      const value = kind.read(state);
      if (result[key] === field.absent) result[key] = [value];
      else (result[key] as unknown[]).push(value);
    } else {
      numbers ??= new Map();
      const buffer = numbers.get(key) ?? new NumberBuffer(kind.numbers);
      numbers.set(key, buffer);
      if (wire === LENGTH) buffer.readPacked(reader);
      else buffer.readOne(reader);
    }
  }
  if (reader.pos !== reader.len) throw malformed(reader, type.name, "its last field runs past its end");
  if (numbers !== undefined) for (const [key, buffer] of numbers) result[key] = buffer.finish();
  return result as T;
}

/** Repeated numbers of one field while they are read. */
class NumberBuffer {
  private array: NumberArray;
  private length = 0;

  constructor(private readonly kind: NumberKind) {
    this.array = new kind.array(0);
  }

  readOne(reader: Reader): void {
    if (this.length === this.array.length) this.reserve(Math.max(4, this.length * 2));
    this.kind.read(reader, this.array, this.length++);
  }

  readPacked(reader: Reader): void {
    const payload = reader.bytes();
    const count = packedCount(payload, this.kind.wire);
    if (this.length + count > this.array.length) this.reserve(this.length + count);
    if (this.kind.wire === VARINT) {
      const inner = new protobuf.Reader(payload);
      for (let i = 0; i < count; i++) this.kind.read(inner, this.array, this.length + i);
      if (inner.pos !== inner.len) throw new RangeError("packed numbers run past their end");
    } else {
      const size = this.array.BYTES_PER_ELEMENT;
      new Uint8Array(this.array.buffer).set(payload, this.length * size);
    }
    this.length += count;
  }

  finish(): NumberArray {
    return this.array.subarray(0, this.length);
  }

  private reserve(length: number): void {
    const grown = new this.kind.array(length);
    (grown as Float64Array).set(this.array as Float64Array);
    this.array = grown;
  }
}

/** Numbers in a packed payload: for varints, as many as there are bytes that end one. */
function packedCount(payload: Uint8Array, wire: number): number {
  if (wire !== VARINT) {
    const size = wire === FIXED32 ? 4 : 8;
    if (payload.length % size !== 0) throw new RangeError("packed numbers are cut off");
    return payload.length / size;
  }
  let count = 0;
  for (let i = 0; i < payload.length; i++) if (payload[i]! < 0x80) count++;
  return count;
}

/** A varint of up to 64 bits, without the boxed `long` that protobufjs would make of it. */
function readVarint64(reader: Reader, target: NumberArray, at: number): void {
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (reader.pos >= reader.len) throw new RangeError("number cut off");
    const byte = reader.buf[reader.pos++]!;
    const bits = byte & 0x7f;
    if (shift < 28) {
      low |= bits << shift;
    } else if (shift === 28) {
      low |= bits << 28;
      high = bits >>> 4;
    } else {
      high |= bits << (shift - 32);
    }
    if (byte < 0x80) {
      // The array wraps the value to its own signedness; most values fit 32 bits, which is much cheaper.
      const small = high === low >> 31;
      target[at] = small ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low >>> 0);
      return;
    }
  }
  throw new RangeError("number longer than 64 bits");
}

function malformed(reader: Reader, type: string, what: string): KilnError {
  return new KilnError("E_DECODE", `malformed ${type} at byte ${reader.pos}: ${what}`, {
    hint: "the file may be truncated, or not be an ONNX model",
  });
}
