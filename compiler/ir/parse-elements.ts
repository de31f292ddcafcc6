/** Numbers and elements of tensors from the text that `print-elements.ts` makes of them, bit for bit. */

import { isStatic } from "./dim.js";
import { type DType, dtypes, isPacked, type TypedArray } from "./dtype.js";
import { printType, type TensorType } from "./graph.js";
import type { Lexer } from "./lexer.js";
import { canonicalNaN } from "./print-elements.js";
import { elementCount, type TensorData, tensor } from "./tensor.js";

/** `2`, `-0.0`, `1e-5`, `inf`, `-inf` or `nan`. */
export function readNumber(lexer: Lexer): number {
  const sign = lexer.accept("-") ? -1 : 1;
  if (lexer.accept("inf")) return sign * Number.POSITIVE_INFINITY;
  if (lexer.accept("nan")) return Number.NaN;
  return sign * Number(lexer.expectKind("a number", "number"));
}

/** `dense [1, 2]` or `resource "name"`, of the given type. */
export function readTensor(
  lexer: Lexer,
  type: TensorType,
  resources: ReadonlyMap<string, TensorData>,
): TensorData {
  const start = lexer.peek();
  const dims = type.shape.filter(isStatic);
  if (dims.length < type.shape.length) lexer.fail("a constant must have a static shape", start);
  if (lexer.accept("dense")) return readDense(lexer, type, dims);
  lexer.expect("resource");
  const token = lexer.peek();
  const name = lexer.expectKind("the name of a resource", "string");
  const found = resources.get(name);
  if (found === undefined) return lexer.fail(`there is no resource ${JSON.stringify(name)}`, token);
  if (found.dtype !== type.dtype || found.dims.join() !== dims.join()) {
    const has = printType({ dtype: found.dtype, shape: found.dims });
    lexer.fail(
      `resource ${JSON.stringify(name)} is ${has}, not ${printType({ ...type, shape: dims })}`,
      token,
    );
  }
  return found;
}

function readDense(lexer: Lexer, type: TensorType, dims: readonly number[]): TensorData {
  const start = lexer.peek();
  const { array, bytes: size } = dtypes[type.dtype];
  const elements = lexer.list("[", "]", () => readElement(lexer, type.dtype));
  if (elements.length !== elementCount(dims)) {
    lexer.fail(`${printType(type)} has ${elementCount(dims)} elements, not ${elements.length}`, start);
  }
  // Bytes are joined, not numbers: a NaN copied as a number may lose its payload.
  const bytes = new Uint8Array(elements.length * size);
  elements.forEach((element, i) => {
    bytes.set(new Uint8Array(element.buffer), i * size);
  });
  return tensor(type.dtype, dims, new array(bytes.buffer));
}

/** One element, alone in an array of its type. */
function readElement(lexer: Lexer, dtype: DType): TypedArray {
  const token = lexer.peek();
  const { kind, array } = dtypes[dtype];
  const element = new array(1);
  if (dtype === "float32" || dtype === "float64") {
    if (lexer.accept("nan")) writeNaN(lexer, dtype, element);
    else element[0] = readNumber(lexer);
    return element;
  }
  if (kind === "bool" && (lexer.at("true") || lexer.at("false"))) {
    element[0] = lexer.next().text === "true" ? 1 : 0;
    return element;
  }
  const value = readInteger(lexer);
  if (element instanceof BigInt64Array || element instanceof BigUint64Array) element[0] = value;
  else element[0] = Number(value);
  if (BigInt(element[0]!) !== value || !fitsPacked(dtype, Number(value))) {
    lexer.fail(`${value} is no ${dtype}`, token);
  }
  return element;
}

/** Arrays of packed types could hold more than their elements do. */
function fitsPacked(dtype: DType, value: number): boolean {
  if (!isPacked(dtype)) return true;
  const { bits, kind } = dtypes[dtype];
  const lowest = kind === "int" ? -(2 ** (bits - 1)) : 0;
  return value >= lowest && value < lowest + 2 ** bits;
}

function readInteger(lexer: Lexer): bigint {
  const sign = lexer.accept("-") ? -1n : 1n;
  const token = lexer.peek();
  const text = lexer.expectKind("an integer", "number");
  return /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text)
    ? sign * BigInt(text)
    : lexer.fail("expected an integer", token);
}

function writeNaN(lexer: Lexer, dtype: "float32" | "float64", element: TypedArray): void {
  const token = lexer.peek();
  let bits: bigint = canonicalNaN[dtype];
  if (lexer.accept("(")) {
    bits = readInteger(lexer);
    lexer.expect(")");
  }
  const view = new DataView(element.buffer);
  if (dtype === "float32") view.setUint32(0, Number(BigInt.asUintN(32, bits)), true);
  else view.setBigUint64(0, BigInt.asUintN(64, bits), true);
  if (!Number.isNaN(element[0])) lexer.fail(`these are not the bits of a ${dtype} NaN`, token);
}
