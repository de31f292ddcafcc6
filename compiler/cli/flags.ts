/** Values of flags: text from the command line to what it means. All raise InvalidArgumentError. */

import { InvalidArgumentError } from "commander";
import type { OptimizationLevel } from "../../passes/pipeline.js";
import type { Features } from "../options.js";

export type DimValue = number | { min: number; max: number };

/** `NAME=N` or `NAME=MIN..MAX`, added to those given before. The name may hold `=`. */
export function parseDim(text: string, previous: Record<string, DimValue> = {}): Record<string, DimValue> {
  const [name, value] = splitAtLast(text, "=");
  const range = value?.split("..").map(wholeNumber);
  if (name === "" || range === undefined || range.length > 2 || range.includes(undefined)) {
    return refuse("expected NAME=N or NAME=MIN..MAX, such as batch=1 or length=1..512");
  }
  const [min, max = min] = range as [number, number?];
  if (min > max) return refuse(`the range ${value} is empty`);
  return add(previous, name, range.length === 1 ? min : { min, max });
}

/** `name:1x3x224x224`, split at the last colon; also `name:1,3,224,224` and `name:[1,3,224,224]`. */
export function parseInputShape(
  text: string,
  previous: Record<string, readonly number[]> = {},
): Record<string, readonly number[]> {
  const [name, shape] = splitAtLast(text, ":");
  const inner = shape?.trim().replace(/^\[(.*)\]$/, "$1");
  const dims = inner === "" ? [] : inner?.split(/[x,]/).map((part) => wholeNumber(part));
  if (name === "" || dims === undefined || dims.some((dim) => dim === undefined)) {
    return refuse("expected NAME:SHAPE with whole numbers, such as image:1x3x224x224");
  }
  return add(previous, name, dims as number[]);
}

/** `h=hn`: an input that is a state, and the output that is its next value. */
export function parseState(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const [input, output] = splitAtLast(text, "=");
  if (input === "" || !output) return refuse("expected INPUT=OUTPUT, such as h=hn");
  return add(previous, input, output);
}

const featureNames: Readonly<Record<string, keyof Features>> = {
  simd: "simd",
  simd128: "simd",
  "relaxed-simd": "relaxedSimd",
  threads: "threads",
};

/** `relaxed-simd,threads`, each with an optional `+`, or a `-` to go without. `scalar` is another word for `-simd`. */
export function parseFeatures(text: string, previous: Partial<Features> = {}): Partial<Features> {
  const features = { ...previous };
  for (const part of text.split(",").map((word) => word.trim())) {
    const [, sign, name] = /^([+-]?)(.*)$/.exec(part)!;
    if (name === "scalar") {
      features.simd = sign === "-";
      continue;
    }
    if (!Object.hasOwn(featureNames, name!)) {
      return refuse(`unknown feature "${name}"; known: simd, relaxed-simd, threads, scalar`);
    }
    features[featureNames[name!]!] = sign !== "-";
  }
  return features;
}

export function parseLevel(text: string): OptimizationLevel {
  if (text === "s") return "s";
  if (/^[0-3]$/.test(text)) return Number(text) as OptimizationLevel;
  return refuse("expected 0, 1, 2, 3 or s");
}

export function parseWeights(text: string): "embed" | "split" {
  return text === "embed" || text === "split" ? text : refuse("expected embed or split");
}

/** Files that are written beside those that always are. */
export type Emission = "c-header";

export function parseEmit(text: string, previous: readonly Emission[] = []): readonly Emission[] {
  return text === "c-header" ? [...previous, text] : refuse("expected c-header");
}

/** Units as GNU tools read them: `64M` and `64MiB` are powers of two, `64MB` of ten. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b)?|b)?$/i.exec(text.trim());
  if (match === null) return refuse("expected a number of bytes, such as 65536, 64MB or 1.5GiB");
  const [, number, prefix = "", unit = ""] = match;
  const base = unit.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.floor(Number(number) * base ** " kmgt".indexOf(prefix.toLowerCase() || " "));
  return Number.isSafeInteger(bytes) ? bytes : refuse("that is more bytes than there can be");
}

/** A whole number from `minimum` on. */
export const parseWhole =
  (minimum: number) =>
  (text: string): number => {
    const value = wholeNumber(text);
    if (value === undefined || value < minimum) return refuse(`expected a whole number from ${minimum} on`);
    return value;
  };

/** A number or a fraction such as `1/255`. */
export function parseNumber(text: string): number {
  const parts = text.split("/").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [numerator, denominator = 1] = parts as [number, number?];
  const value = numerator / denominator;
  return parts.length <= 2 && Number.isFinite(value)
    ? value
    : refuse("expected a number, such as 0.5 or 1/255");
}

/** `0.485,0.456,0.406`, or one number for all channels. */
export const parseNumbers = (text: string): number[] => text.split(",").map(parseNumber);

/** As `parseNumbers`, but for what is divided by. */
export function parseDivisors(text: string): number[] {
  const values = parseNumbers(text);
  return values.includes(0) ? refuse("cannot divide by 0") : values;
}

export interface Assignment {
  /** Absent where only a file was given. */
  readonly name: string | undefined;
  readonly file: string;
}

/** `NAME=FILE`, or `FILE` alone, added to those given before. */
export function parseAssignment(text: string, previous: readonly Assignment[] = []): Assignment[] {
  const at = text.indexOf("=");
  const assignment = { name: at < 0 ? undefined : text.slice(0, at), file: text.slice(at + 1) };
  if (assignment.name === "" || assignment.file === "") return refuse("expected NAME=FILE, such as x=x.npy");
  return [...previous, assignment];
}

/** For flags that may be given more than once. */
export const collect = (text: string, previous: readonly string[] = []): string[] => [...previous, text];

/** Where the separator is absent, all is the name. */
function splitAtLast(text: string, separator: string): [name: string, value: string | undefined] {
  const at = text.lastIndexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function wholeNumber(text: string): number | undefined {
  const value = Number(text);
  return /^\s*\d+\s*$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}

/** The record with one entry more. A name given twice is most likely a slip. */
function add<T>(previous: Record<string, T>, name: string, value: T): Record<string, T> {
  if (Object.hasOwn(previous, name)) return refuse(`"${name}" is given twice`);
  return { ...previous, [name]: value };
}

function refuse(reason: string): never {
  throw new InvalidArgumentError(reason);
}
