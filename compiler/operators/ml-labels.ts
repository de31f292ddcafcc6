/** LabelEncoder: every element replaced by what a table has for it. */

import { type DType, dtypes } from "../ir/dtype.js";
import { type TensorData, tensor, tensorOf } from "../ir/tensor.js";
import { add, i32Constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { injective } from "./injective.js";
import { isFloat, typedOp } from "./integer.js";
import { domain } from "./ml-scores.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineExpansion, type ImportedNode, type Operator, oldVersion } from "./operator.js";

/**
 * Keys are sorted, and as many as a power of two (the last one being repeated), so that a search is a fixed number of
 * steps: each takes half of what is left.
 */
const Lookup = injective({
  name: "Lookup",
  domain: "kiln",
  summary:
    "Values of keys in a sorted table; the first of two fallbacks for other elements, the second for NaN.",
  inputs: ["X", "keys", "values", "fallbacks"],
  attributes: {},
  versions: [1],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const keys = context.input(1);
    if (dtype !== keys.dtype) context.fail(`looks ${dtype} up among ${keys.dtype}`);
    return [{ dtype: context.input(2).dtype, shape }];
  },
  injective: (context, indices) => {
    const { dtype } = context.input(0);
    const x = context.load(0, indices);
    let place: Expr = i32Constant(0);
    for (let half = (context.input(1).shape[0] as number) / 2; half >= 1; half /= 2) {
      const isBelow = op(typedOp("lt", dtype), context.load(1, [add(place, half - 1)]), x);
      place = select(isBelow, add(place, half), place);
    }
    const fallback = (i: number): Expr => context.load(3, [i32Constant(i)]);
    const other = isFloat(dtype) ? select(op("ne", x, x), fallback(1), fallback(0)) : fallback(0);
    return select(op("eq", context.load(1, [place]), x), context.load(2, [place]), other);
  },
});

type Stored = number | bigint;

/** The table as the inputs of `Lookup`. Of a key that is there twice, the last value counts. */
function tableOf(keys: TensorData, values: TensorData, fallback: Stored): TensorData[] {
  const entries = new Map<Stored, Stored>();
  Array.from(keys.data as ArrayLike<Stored>).forEach((key, i) => {
    entries.set(key, values.data[i]!); // NaN is a key of its own, and -0 is 0
  });
  const ofNaN = entries.get(Number.NaN) ?? fallback;
  entries.delete(Number.NaN);
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  const size = 2 ** Math.ceil(Math.log2(Math.max(sorted.length, 1)));
  const at = (i: number): [Stored, Stored] =>
    sorted[Math.min(i, sorted.length - 1)] ?? [keys.data[0]!, ofNaN];
  const filled = Array.from({ length: size }, (_, i) => at(i));
  return [
    stored(
      keys.dtype,
      filled.map(([key]) => key),
    ),
    stored(
      values.dtype,
      filled.map(([, value]) => value),
    ),
    stored(values.dtype, [fallback, ofNaN]),
  ];
}

function stored(dtype: DType, elements: readonly Stored[]): TensorData {
  const data = new dtypes[dtype].array(elements.length);
  elements.forEach((element, i) => {
    data[i] = element;
  });
  return tensor(dtype, [elements.length], data);
}

const listAttributes = {
  default_float: attribute.float(-0),
  default_int64: attribute.int(-1),
  default_string: attribute.string("_Unused"),
  keys_floats: attribute.optional("floats"),
  keys_int64s: attribute.optional("ints"),
  keys_strings: attribute.optional("strings"),
  values_floats: attribute.optional("floats"),
  values_int64s: attribute.optional("ints"),
  values_strings: attribute.optional("strings"),
} as const;
const attributes = {
  ...listAttributes,
  default_tensor: attribute.optional("tensor"),
  keys_tensor: attribute.optional("tensor"),
  values_tensor: attribute.optional("tensor"),
} as const;

/** The one list of keys (or values) that is given. */
function listOf(what: "keys" | "values", view: ImportedNode<typeof attributes>): TensorData {
  const { attributes: a, fail } = view;
  if (a[`${what}_strings`] !== undefined) {
    return fail(`${what} that are strings are not supported`, "E_UNSUPPORTED", "look integers up instead");
  }
  const [floats, integers, given] = [a[`${what}_floats`], a[`${what}_int64s`], a[`${what}_tensor`]];
  const lists = [
    ...(floats === undefined ? [] : [encodeElements("float32", [floats.length], floats)]),
    ...(integers === undefined ? [] : [tensorOf("int64", [integers.length], integers)]),
    ...(given === undefined ? [] : [given]),
  ];
  return lists.length === 1 ? lists[0]! : fail(`has ${lists.length} lists of ${what}, not one`);
}

const tableTypes: readonly DType[] = ["float32", "float64", "int16", "int32", "int64"];

/** What elements that are no keys become. */
function fallbackOf(values: TensorData, { attributes: a, fail }: ImportedNode<typeof attributes>): Stored {
  const { default_tensor: given } = a;
  if (a.values_tensor !== undefined && given !== undefined) {
    if (given.dtype !== values.dtype || given.data.length !== 1) fail("default_tensor is not like a value");
    return given.data[0]!;
  }
  const number = isFloat(values.dtype) ? a.default_float : a.default_int64;
  return encodeElements(values.dtype, [], [number]).data[0]!;
}

const refuseStrings = (view: Pick<ImportedNode, "fail">): never =>
  view.fail("labels that are strings are not supported", "E_UNSUPPORTED", "look integers up instead");

const LabelEncoder = defineExpansion({
  name: "LabelEncoder",
  domain,
  summary: "Every element replaced by what a table has for it; tables of strings are refused.",
  inputs: ["X"],
  attributes,
  versions: [
    oldVersion(
      1,
      {
        classes_strings: attribute.optional("strings"),
        default_int64: attribute.int(-1),
        default_string: attribute.string("_Unused"),
      },
      (_, __, view) => refuseStrings(view),
    ),
    { since: 2, attributes: listAttributes },
    { since: 4 },
  ],
  expand: (b, [x], view) => {
    const [keys, values] = [listOf("keys", view), listOf("values", view)];
    if (keys.data.length !== values.data.length) {
      view.fail(`has ${keys.data.length} keys for ${values.data.length} values`);
    }
    if (keys.data.length === 0) view.fail("has no keys");
    const odd = [keys, values].find(({ dtype }) => !tableTypes.includes(dtype));
    if (odd !== undefined) view.fail(`does not look up ${odd.dtype}`);
    if (x!.dtype !== keys.dtype) view.fail(`looks ${x!.dtype} up among keys of ${keys.dtype}`);
    const table = tableOf(keys, values, fallbackOf(values, view)).map((one) => b.constant(one));
    return [b.op("kiln.Lookup", [x!, ...table])];
  },
});

export const labelOperators: readonly Operator[] = [Lookup, LabelEncoder];
