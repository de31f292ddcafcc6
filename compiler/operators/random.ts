/**
 * Random numbers, made from generators (`random-generators.ts`) by arithmetic.
 *
 * The same seed gives the same numbers in every run of a module. A node without a seed has one that depends on its
 * name: it differs between the nodes of a model, and stays when the model is compiled again.
 */

import { type DType, dtypeFromOnnx } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { decodeElement, encodeElement } from "./numbers.js";
import {
  type AttributeSchema,
  type AttributesOf,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
} from "./operator.js";
import { floats } from "./pointwise.js";

/** The number that a generator starts from: the seed that is given, without its fraction, or one made of the name. */
export function seedOf(b: GraphBuilder, given: number | undefined, name: string): Value {
  const isGiven = given !== undefined && Number.isFinite(given);
  return b.scalar("int32", isGiven ? Number(BigInt.asIntN(32, BigInt(Math.trunc(given)))) : hash(name));
}

/** FNV-1a. */
const hash = (text: string): number =>
  [...new TextEncoder().encode(text)].reduce(
    (sum, byte) => Math.imul(sum ^ byte, 0x01000193),
    0x811c9dc5 | 0,
  );

/** Random numbers of float64 from 0 to 1, in the shape of a tensor. */
export const uniformLike = (b: GraphBuilder, x: Value, seed: number | undefined, name: string): Value =>
  b.op("kiln.Uniform", [b.op("Shape", [x]), seedOf(b, seed, name)]);

/** The element type wanted: by code, or that of the input. */
function wantedType(
  code: number | undefined,
  like: Value | null,
  { fail }: Pick<ImportedNode, "fail">,
): DType {
  const dtype = code === undefined ? like?.dtype : dtypeFromOnnx(code);
  return dtype ?? fail(`element type ${code} is not supported`, "E_UNSUPPORTED");
}

/** The same where it must be a float. */
function resultType(code: number | undefined, like: Value | null, view: Pick<ImportedNode, "fail">): DType {
  const dtype = wantedType(code, like, view);
  if (!floats.includes(dtype)) view.fail(`does not make ${dtype}`);
  return dtype;
}

/** Relative distance of neighbouring numbers of a float type, and the smallest positive one. */
const spacing: Partial<Record<DType, readonly [relative: number, smallest: number]>> = {
  float64: [2 ** -52, 2 ** -1074],
  float32: [2 ** -23, 2 ** -149],
  float16: [2 ** -10, 2 ** -24],
  bfloat16: [2 ** -7, 2 ** -133],
};

/** A number of a float type below the given one, with none or one between them. */
function below(value: number, dtype: DType): number {
  const [relative, smallest] = spacing[dtype]!;
  const next = value - Math.max(Math.abs(value) * relative, smallest);
  return decodeElement(dtype, encodeElement(dtype, next));
}

const seedAttribute = { seed: attribute.optional("float") } as const;
const uniformAttributes = { ...seedAttribute, low: attribute.float(0), high: attribute.float(1) } as const;
const normalAttributes = { ...seedAttribute, mean: attribute.float(0), scale: attribute.float(1) } as const;

type Distribution<S extends AttributeSchema> = (
  b: GraphBuilder,
  shape: Value,
  dtype: DType,
  attributes: AttributesOf<S>,
  name: string,
) => Value;

/** low + (high - low) u; rounding must not make `high` of what is below it. */
const uniform: Distribution<typeof uniformAttributes> = (b, shape, dtype, { seed, low, high }, name) => {
  const drawn = b.op("kiln.Uniform", [shape, seedOf(b, seed, name)]);
  const spread = b.cast(affine(b, drawn, high - low, low), dtype);
  return low < high ? b.op("Min", [spread, b.scalar(dtype, below(high, dtype))]) : spread;
};

const normal: Distribution<typeof normalAttributes> = (b, shape, dtype, { seed, mean, scale }, name) => {
  const drawn = b.op("kiln.Normal", [shape, seedOf(b, seed, name)]);
  return b.cast(affine(b, drawn, scale, mean), dtype);
};

function affine(b: GraphBuilder, x: Value, factor: number, summand: number): Value {
  const scaled = factor === 1 ? x : b.op("Mul", [x, b.scalar(x.dtype, factor)]);
  return summand === 0 ? scaled : b.op("Add", [scaled, b.scalar(x.dtype, summand)]);
}

/** An operator that fills a given shape, and one that fills the shape of its input. */
function distribution<const S extends AttributeSchema>(
  name: string,
  summary: string,
  attributes: S,
  draw: Distribution<S>,
): Operator[] {
  const versions = [1, 22].map((since) => ({ since }));
  const plain = { ...attributes, dtype: attribute.int(1), shape: attribute.required("ints") };
  const like = { ...attributes, dtype: attribute.optional("int") };
  return [
    defineExpansion({
      name,
      summary: `${summary}, in a given shape.`,
      inputs: [],
      attributes: plain,
      versions,
      expand: (b, _, view) => {
        const { shape, dtype } = view.attributes as AttributesOf<typeof plain>;
        const given = view.attributes as AttributesOf<S>;
        return [draw(b, b.ints(shape), resultType(dtype, null, view), given, view.name)];
      },
    }),
    defineExpansion({
      name: `${name}Like`,
      summary: `${summary}, in the shape of the input.`,
      inputs: ["input"],
      attributes: like,
      versions,
      expand: (b, [x], view) => {
        const { dtype } = view.attributes as AttributesOf<typeof like>;
        const given = view.attributes as AttributesOf<S>;
        return [draw(b, b.op("Shape", [x!]), resultType(dtype, x!, view), given, view.name)];
      },
    }),
  ];
}

const Bernoulli = defineExpansion({
  name: "Bernoulli",
  summary: "1 with the probability that the input gives, else 0.",
  inputs: ["input"],
  types: floats,
  attributes: { ...seedAttribute, dtype: attribute.optional("int") },
  versions: [15, 22].map((since) => ({ since })),
  expand: (b, [x], view) => {
    const { dtype: code, seed } = view.attributes;
    const drawn = uniformLike(b, x!, seed, view.name);
    return [b.cast(b.op("Less", [drawn, b.cast(x!, "float64")]), wantedType(code, x!, view))];
  },
});

/**
 * Of probabilities e^x, which need not add up to 1, running sums are made: a class is drawn by how many of them a random
 * number up to the last one reaches.
 */
const Multinomial = defineExpansion({
  name: "Multinomial",
  summary: "Classes drawn by the logarithms of their probabilities.",
  inputs: ["input"],
  types: floats,
  attributes: { ...seedAttribute, dtype: attribute.int(6), sample_size: attribute.int(1) },
  versions: [7, 22].map((since) => ({ since })),
  expand: (b, [x], view) => {
    const { dtype: code, sample_size: samples, seed } = view.attributes;
    const dtype = wantedType(code, null, view);
    if (dtype !== "int32" && dtype !== "int64") view.fail(`does not make ${dtype}`);
    if (x!.rank !== 2) view.fail(`takes 2 dims, not ${x!.rank}`, "E_SHAPE");
    if (samples < 1) view.fail(`sample_size is ${samples}`);
    const classes = b.ints([1]);
    const wide = b.cast(x!, "float64");
    const top = b.op("ReduceMax", [wide, classes], { keepdims: 1 });
    const sums = b.op("CumSum", [b.op("Exp", [b.op("Sub", [wide, top])]), b.scalar("int64", 1)]);
    const total = b.op("ReduceMax", [sums, classes], { keepdims: 1 });
    const shape = b.op("Concat", [b.op("Shape", [x!], { start: 0, end: 1 }), b.ints([samples])], { axis: 0 });
    const drawn = b.op("Mul", [b.op("kiln.Uniform", [shape, seedOf(b, seed, view.name)]), total]);
    const [columns, rows] = [b.op("Unsqueeze", [sums, classes]), b.op("Unsqueeze", [drawn, b.ints([2])])];
    const isReached = b.cast(b.op("LessOrEqual", [columns, rows]), "int64");
    const reached = b.op("ReduceSum", [isReached, b.ints([2])], { keepdims: 0 });
    // Rounding must not draw a class beyond the last one.
    const last = b.op("Sub", [b.op("Shape", [x!], { start: 1, end: 2 }), b.ints([1])]);
    return [b.cast(b.op("Min", [reached, last]), dtype)];
  },
});

export const randomOperators: readonly Operator[] = [
  ...distribution("RandomUniform", "Random numbers evenly spread over a range", uniformAttributes, uniform),
  ...distribution("RandomNormal", "Random numbers of a normal distribution", normalAttributes, normal),
  Bernoulli,
  Multinomial,
];
