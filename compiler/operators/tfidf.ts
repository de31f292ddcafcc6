/** TfIdfVectorizer: how often the n-grams of a pool are in rows of integers. */

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { countNgrams, type Weighting } from "../kernels/ngrams.js";
import type { LoweringContext } from "../lowering/context.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineExpansion, defineOperator, type ImportedNode, type Operator } from "./operator.js";

const countAttributes = {
  /** Length of the n-grams of each table. */
  lengths: attribute.ints([]),
  size: attribute.required("int"),
  maximal_skip: attribute.required("int"),
  weighting: attribute.required("string"),
} as const;

function lower(context: LoweringContext<typeof countAttributes>): void {
  const { lengths, size, maximal_skip, weighting } = context.attributes;
  const [rows, columns] = context.input(0).shape as [Dim, Dim];
  context.kernel({ name: `ngrams_${lengths.join("_")}_skip${maximal_skip}`, flops: 0 }, (s) => {
    const view = (name: string, i: number) => s.view(name, context.placement(i), "read");
    const tables = lengths.map((length, i) => ({
      length,
      count: context.input(3 * i + 1).shape[0] as number,
      grams: view("grams", 3 * i + 1),
      places: view("places", 3 * i + 2),
      weights: view("weights", 3 * i + 3),
    }));
    const parameters = {
      rows,
      columns,
      size,
      maximalSkip: maximal_skip,
      weighting: weighting as Weighting,
    };
    countNgrams(s, parameters, view("x", 0), s.view("y", context.output(), "readwrite"), tables);
  });
}

const Ngrams = defineOperator({
  name: "Ngrams",
  domain: "kiln",
  summary: "Counts of n-grams in rows, by tables of n-grams, their places and their weights.",
  inputs: ["X", "tables..."],
  attributes: countAttributes,
  versions: [{ since: 1 }],
  infer: (context) => [{ dtype: "float32", shape: [context.input(0).shape[0]!, context.attributes.size] }],
  layout: (context) => ({
    inputs: Array.from({ length: context.inputCount }, () => "row-major" as const),
    output: "row-major",
  }),
  lower,
  evaluate: evaluateByKernels(lower),
});

const attributes = {
  max_gram_length: attribute.required("int"),
  max_skip_count: attribute.required("int"),
  min_gram_length: attribute.required("int"),
  mode: attribute.required("string"),
  ngram_counts: attribute.required("ints"),
  ngram_indexes: attribute.required("ints"),
  pool_int64s: attribute.ints([]),
  pool_strings: attribute.strings([]),
  weights: attribute.optional("floats"),
} as const;

interface Gram {
  readonly elements: readonly number[];
  readonly place: number;
  readonly weight: number;
}

/** The n-grams of the pool by length, the shortest first. */
function gramsOf({ attributes: a, fail }: ImportedNode<typeof attributes>): Gram[][] {
  const { ngram_counts: starts, ngram_indexes: places, pool_int64s: pool, weights } = a;
  if (weights !== undefined && weights.length !== places.length) {
    fail(`has ${weights.length} weights for ${places.length} n-grams`);
  }
  let number = 0;
  const levels = starts.map((start, i) => {
    const [length, end] = [i + 1, starts[i + 1] ?? pool.length];
    const count = (end - start) / length;
    if (!(start >= 0 && Number.isInteger(count) && count >= 0 && end <= pool.length)) {
      fail(`ngram_counts [${starts}] do not part a pool of ${pool.length} elements`);
    }
    return Array.from({ length: count }, (_, k): Gram => {
      const elements = pool.slice(start + k * length, start + (k + 1) * length);
      const place = places[number] ?? fail("has fewer ngram_indexes than n-grams");
      const weight = weights?.[number] ?? 1;
      number += 1;
      return { elements, place, weight };
    });
  });
  if (number !== places.length) fail(`has ${places.length} ngram_indexes for ${number} n-grams`);
  return levels;
}

const compareGrams = (a: Gram, b: Gram): number => {
  const k = a.elements.findIndex((element, i) => element !== b.elements[i]);
  return k < 0 ? 0 : a.elements[k]! - b.elements[k]!;
};

/** The table of one length as inputs of `Ngrams`; what no element of the type can be is left out. */
function tableOf(
  b: GraphBuilder,
  grams: readonly Gram[],
  dtype: DType,
  view: Pick<ImportedNode, "fail">,
): Value[] {
  const fits = (element: number): boolean => dtype === "int64" || element === (element | 0);
  const sorted = grams.filter(({ elements }) => elements.every(fits)).sort(compareGrams);
  if (sorted.length === 0) return [];
  const twice = sorted.find((gram, i) => i > 0 && compareGrams(gram, sorted[i - 1]!) === 0);
  if (twice !== undefined) view.fail(`has the n-gram [${twice.elements}] twice`);
  const dims = [sorted.length, sorted[0]!.elements.length];
  const of = (type: DType, pick: (gram: Gram) => number) =>
    b.constant(encodeElements(type, [sorted.length], sorted.map(pick)));
  return [
    b.constant(
      encodeElements(
        dtype,
        dims,
        sorted.flatMap(({ elements }) => elements),
      ),
    ),
    of("int32", ({ place }) => place),
    of("float32", ({ weight }) => weight),
  ];
}

const TfIdfVectorizer = defineExpansion({
  name: "TfIdfVectorizer",
  summary: "How often n-grams of a pool of integers are in rows, and how much they weigh.",
  inputs: ["X"],
  types: ["int32", "int64"],
  attributes,
  versions: [{ since: 9 }],
  expand: (b, [x], view) => {
    const { attributes: a, fail } = view;
    if (a.pool_strings.length > 0) {
      fail("a pool of strings is not supported", "E_UNSUPPORTED", "give integers in place of the words");
    }
    if (x!.rank !== 1 && x!.rank !== 2) fail(`takes 1 or 2 dims, not ${x!.rank}`, "E_SHAPE");
    if (!["TF", "IDF", "TFIDF"].includes(a.mode)) fail(`mode ${a.mode} is not defined`);
    if (a.max_skip_count < 0) fail(`max_skip_count is ${a.max_skip_count}`);
    if (a.ngram_indexes.some((place) => place < 0)) fail("has a negative index of an n-gram");
    const wanted = gramsOf(view).filter((_, i) => i + 1 >= a.min_gram_length && i + 1 <= a.max_gram_length);
    const tables = wanted
      .map((grams) => tableOf(b, grams, x!.dtype, view))
      .filter(({ length }) => length > 0);
    const rows = x!.rank === 1 ? b.op("Unsqueeze", [x!, b.ints([0])]) : x!;
    const counts = b.op("kiln.Ngrams", [rows, ...tables.flat()], {
      lengths: tables.map(([grams]) => grams!.shape[1] as number),
      size: a.ngram_indexes.reduce((most, place) => Math.max(most, place + 1), 0),
      maximal_skip: a.max_skip_count,
      weighting: a.mode,
    });
    return [x!.rank === 1 ? b.op("Squeeze", [counts, b.ints([0])]) : counts];
  },
});

export const tfidfOperators: readonly Operator[] = [Ngrams, TfIdfVectorizer];
