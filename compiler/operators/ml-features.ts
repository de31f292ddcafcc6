/** Operators of ai.onnx.ml that prepare features, element by element or by rows. */

import { isStatic, staticDim } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { domain, featureTypes } from "./ml-scores.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";

type Fail = Pick<ImportedNode, "fail">;

/** The input as a float: integers as float32. */
const asFloat = (b: GraphBuilder, x: Value): Value =>
  dtypes[x.dtype].kind === "float" ? x : b.cast(x, "float32");

/** A list with a number for each feature, or one for all of them, as a constant that broadcasts. */
function perFeature(
  b: GraphBuilder,
  x: Value,
  values: readonly number[],
  what: string,
  { fail }: Fail,
): Value {
  const features = x.shape.at(-1) ?? 1;
  if (values.length !== 1 && isStatic(features) && values.length !== features) {
    fail(`has ${values.length} numbers of ${what} for ${features} features`, "E_SHAPE");
  }
  return b.constant(encodeElements(x.dtype, values.length === 1 ? [] : [values.length], values));
}

const Scaler = defineExpansion({
  name: "Scaler",
  domain,
  summary: "(x - offset) scale, for each feature.",
  inputs: ["X"],
  types: featureTypes,
  attributes: { offset: attribute.floats([]), scale: attribute.floats([]) },
  versions: [{ since: 1 }],
  expand: (b, [given], view) => {
    const { offset, scale } = view.attributes;
    const x = asFloat(b, given!);
    const shifted = offset.length === 0 ? x : b.op("Sub", [x, perFeature(b, x, offset, "offset", view)]);
    const scaled =
      scale.length === 0 ? shifted : b.op("Mul", [shifted, perFeature(b, x, scale, "scale", view)]);
    return [b.cast(scaled, "float32")];
  },
});

const Normalizer = defineExpansion({
  name: "Normalizer",
  domain,
  summary: "Rows divided by their largest element, by the sum of their magnitudes or by their length.",
  inputs: ["X"],
  types: featureTypes,
  attributes: { norm: attribute.string("MAX") },
  versions: [{ since: 1 }],
  expand: (b, [given], view) => {
    const { rank } = given!;
    if (rank !== 1 && rank !== 2) view.fail(`takes rows of features in 1 or 2 dims, not ${rank}`, "E_SHAPE");
    // In float64 no sum of squares overflows.
    const x = b.cast(given!, "float64");
    const reducers = new Map([
      ["MAX", "ReduceMax"],
      ["L1", "ReduceL1"],
      ["L2", "ReduceL2"],
    ]);
    const reducer =
      reducers.get(view.attributes.norm) ?? view.fail(`norm ${view.attributes.norm} is not defined`);
    const norm = b.op(reducer, [x, b.ints([rank - 1])], { keepdims: 1 });
    const isZero = b.op("Equal", [norm, b.scalar("float64", 0)]);
    const divisor = b.op("Where", [isZero, b.scalar("float64", 1), norm]);
    return [b.cast(b.op("Div", [x, divisor]), "float32")];
  },
});

const Binarizer = defineExpansion({
  name: "Binarizer",
  domain,
  summary: "1 where x is above a threshold, else 0.",
  inputs: ["X"],
  types: featureTypes,
  attributes: { threshold: attribute.float(0) },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const wide = b.cast(x!, dtypes[x!.dtype].kind === "float" ? x!.dtype : "float64");
    const isAbove = b.op("Greater", [wide, b.scalar(wide.dtype, view.attributes.threshold)]);
    return [b.cast(isAbove, x!.dtype)];
  },
});

const Imputer = defineExpansion({
  name: "Imputer",
  domain,
  summary: "Elements that equal one value replaced by another, for each feature.",
  inputs: ["X"],
  types: featureTypes,
  attributes: {
    imputed_value_floats: attribute.floats([]),
    imputed_value_int64s: attribute.ints([]),
    replaced_value_float: attribute.float(0),
    replaced_value_int64: attribute.int(0),
  },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const { attributes: a, fail } = view;
    const isFloat = dtypes[x!.dtype].kind === "float";
    const values = isFloat ? a.imputed_value_floats : a.imputed_value_int64s;
    const others = isFloat ? a.imputed_value_int64s : a.imputed_value_floats;
    if (values.length === 0 || others.length > 0) {
      fail(`needs imputed values of ${isFloat ? "floats" : "integers"}, and of these only`);
    }
    const replaced = isFloat ? a.replaced_value_float : a.replaced_value_int64;
    const isMissing = Number.isNaN(replaced)
      ? b.op("IsNaN", [x!])
      : b.op("Equal", [x!, b.scalar(x!.dtype, replaced)]);
    return [b.op("Where", [isMissing, perFeature(b, x!, values, "imputed values", view), x!])];
  },
});

/** A matrix with this many columns: cut off, or zeros put behind. */
function withColumns(b: GraphBuilder, x: Value, wanted: number): Value {
  const columns = staticDim(x.shape[1]!, "the number of features of FeatureVectorizer");
  if (columns > wanted) return b.op("Slice", [x, b.ints([0]), b.ints([wanted]), b.ints([1])]);
  return columns < wanted ? b.op("Pad", [x, b.ints([0, 0, 0, wanted - columns])]) : x;
}

const FeatureVectorizer = defineExpansion({
  name: "FeatureVectorizer",
  domain,
  summary: "Rows of several tensors side by side, as float32.",
  inputs: ["X..."],
  types: featureTypes,
  attributes: { inputdimensions: attribute.ints([]) },
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const { inputdimensions: widths } = view.attributes;
    if (widths.length > 0 && widths.length !== inputs.length) {
      view.fail(`has ${widths.length} inputdimensions for ${inputs.length} inputs`);
    }
    const parts = inputs.map((x, i) => {
      if (x!.rank !== 1 && x!.rank !== 2) view.fail(`takes 1 or 2 dims, not ${x!.rank}`, "E_SHAPE");
      const rows = x!.rank === 1 ? b.op("Unsqueeze", [x!, b.ints([0])]) : x!;
      const matrix = b.cast(rows, "float32");
      return widths.length === 0 ? matrix : withColumns(b, matrix, widths[i]!);
    });
    return [parts.length === 1 ? parts[0]! : b.op("Concat", parts, { axis: 1 })];
  },
});

const ArrayFeatureExtractor = defineExpansion({
  name: "ArrayFeatureExtractor",
  domain,
  summary: "Elements along the last axis at given indices.",
  inputs: ["X", "Y"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, [x, indices], view) => {
    if (x!.rank === 0) view.fail("takes 1 dim or more, not 0", "E_SHAPE");
    const rows = x!.rank === 1 ? b.op("Unsqueeze", [x!, b.ints([0])]) : x!;
    const flat = indices!.rank === 1 ? indices! : b.op("Reshape", [indices!, b.ints([-1])]);
    return [b.op("Gather", [rows, flat], { axis: -1 })];
  },
});

const OneHotEncoder = defineExpansion({
  name: "OneHotEncoder",
  domain,
  summary: "For each element, 1 at the place of its category and 0 elsewhere.",
  inputs: ["X"],
  types: featureTypes,
  attributes: {
    cats_int64s: attribute.ints([]),
    cats_strings: attribute.strings([]),
    zeros: attribute.int(1),
  },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const { attributes, fail } = view;
    const { cats_int64s: categories, cats_strings: strings, zeros } = attributes;
    if (strings.length > 0) fail("categories of strings are not supported", "E_UNSUPPORTED");
    if (zeros === 0) {
      const hint = "set zeros to 1: elements of no category then give zeros";
      fail("cannot fail at an element of no category (zeros is 0)", "E_UNSUPPORTED", hint);
    }
    if (categories.length === 0) fail("has no categories");
    if (new Set(categories).size !== categories.length) fail("has a category twice");
    const elements = b.op("Unsqueeze", [b.cast(x!, "int64"), b.ints([x!.rank])]);
    return [b.cast(b.op("Equal", [elements, b.ints(categories)]), "float32")];
  },
});

export const featureOperators: readonly Operator[] = [
  Scaler,
  Normalizer,
  Binarizer,
  Imputer,
  FeatureVectorizer,
  ArrayFeatureExtractor,
  OneHotEncoder,
];
