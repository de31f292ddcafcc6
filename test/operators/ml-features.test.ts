/** Operators of ai.onnx.ml on features: tables by hand, and what they refuse. */

import { describe, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { graphOf, ints, type NodeCase, of } from "./harness.js";
import { matrix, rows, vector } from "./rows.js";

const domain = "ai.onnx.ml";
const node = (
  op: string,
  inputs: NodeCase["inputs"],
  attributes: Record<string, AttributeSpec> = {},
  opset = 1,
): NodeCase => ({
  op,
  domain,
  inputs,
  attributes,
  opset,
});
const floats = (...values: number[]): AttributeSpec => ({ floats: values });
const two = (values: number[], dtype = "float32" as const) => of(dtype, [2, values.length / 2], values);

rows("features", [
  [
    "Scaler for each feature",
    node("Scaler", [matrix], { offset: floats(1, 2, 3), scale: floats(2, 0.5, -1) }),
    [two([0, 0, 0, 6, 1.5, -3])],
  ],
  [
    "Scaler for all features",
    node("Scaler", [vector("int64", 3, 5)], { offset: floats(1), scale: floats(0.5) }),
    [[1, 2]],
  ],
  [
    "Scaler of doubles",
    node("Scaler", [vector("float64", 1e300)], { offset: floats(0), scale: floats(0) }),
    [[0]],
  ],
  [
    "Normalizer by the largest",
    node("Normalizer", [of("float32", [3, 2], [1, 2, -4, 3, 0, 0])]),
    [of("float32", [3, 2], [0.5, 1, -4 / 3, 1, 0, 0])],
  ],
  [
    "Normalizer by magnitudes",
    node("Normalizer", [of("int32", [2, 2], [1, -3, 0, 0])], { norm: "L1" }),
    [two([0.25, -0.75, 0, 0])],
  ],
  [
    "Normalizer by length",
    node("Normalizer", [two([3 * 2 ** 90, -(2 ** 92), 0, 0])], { norm: "L2" }),
    [two([0.6, -0.8, 0, 0])],
  ],
  ["Normalizer of one row", node("Normalizer", [[1, 3]], { norm: "L1" }), [[0.25, 0.75]]],
  ["Binarizer", node("Binarizer", [[0.5, 0.25, Number.NaN, 2]], { threshold: 0.25 }), [[1, 0, 0, 1]]],
  ["Binarizer of integers", node("Binarizer", [vector("int64", -1, 0, 1)]), [vector("int64", 0, 0, 1)]],
  [
    "Imputer of NaN",
    node("Imputer", [two([1, Number.NaN, Number.NaN, 4])], {
      imputed_value_floats: floats(7, 8),
      replaced_value_float: { float: Number.NaN },
    }),
    [two([1, 8, 7, 4])],
  ],
  [
    "Imputer of integers",
    node("Imputer", [of("int64", [2, 2], [0, 1, -9, 0])], {
      imputed_value_int64s: [5],
      replaced_value_int64: -9,
    }),
    [of("int64", [2, 2], [0, 1, 5, 0])],
  ],
  [
    "FeatureVectorizer",
    node("FeatureVectorizer", [of("int64", [2, 1], [1, 2]), of("int64", [2, 2], [3, 4, 5, 6])], {
      inputdimensions: [1, 2],
    }),
    [two([1, 3, 4, 2, 5, 6])],
  ],
  [
    "FeatureVectorizer cuts and fills",
    node("FeatureVectorizer", [[1, 2, 3], [4]], { inputdimensions: [2, 3] }),
    [of("float32", [1, 5], [1, 2, 4, 0, 0])],
  ],
  [
    "ArrayFeatureExtractor",
    node("ArrayFeatureExtractor", [matrix, of("int64", [1, 2], [2, 0])]),
    [two([3, 1, 6, 4])],
  ],
  [
    "ArrayFeatureExtractor of one row",
    node("ArrayFeatureExtractor", [[5, 6, 7], ints(1)]),
    [of("float32", [1, 1], [6])],
  ],
  [
    "OneHotEncoder",
    node("OneHotEncoder", [vector("float32", 3.7, -1, 9)], { cats_int64s: [9, 3] }),
    [of("float32", [3, 2], [0, 1, 0, 0, 1, 0])],
  ],
  [
    "OneHotEncoder of nothing",
    node("OneHotEncoder", [of("int64", [0, 2], [])], { cats_int64s: [1] }),
    [of("float32", [0, 2, 1], [])],
  ],
]);

const lookup = (x: NodeCase["inputs"][number], attributes: Record<string, AttributeSpec>, opset = 4) =>
  node("LabelEncoder", [x], attributes, opset);

rows("LabelEncoder", [
  [
    "integers to floats",
    lookup(vector("int64", 7, -2, 5, 4), { keys_int64s: [5, 7, -2], values_floats: floats(0.5, 0.75, 2) }, 2),
    [[0.75, 2, 0.5, -0]],
  ],
  [
    "floats to integers",
    lookup(
      [0.5, -0, 3, Number.NaN],
      { keys_floats: floats(0, 0.5), values_int64s: [10, 20], default_int64: 99 },
      2,
    ),
    [ints(20, 10, 99, 99)],
  ],
  [
    "NaN is a key",
    lookup([Number.NaN, 1, 2], {
      keys_floats: floats(1, Number.NaN),
      values_floats: floats(5, 6),
      default_float: { float: 7 },
    }),
    [[6, 5, 7]],
  ],
  [
    "the last of like keys counts",
    lookup(ints(1, 2), { keys_int64s: [1, 2, 1], values_int64s: [10, 20, 30] }),
    [ints(30, 20)],
  ],
  ["one key", lookup(ints(1, 2, 0), { keys_int64s: [1], values_int64s: [4] }), [ints(4, -1, -1)]],
  [
    "tensors",
    lookup(of("int16", [2, 2], [3, 1, 2, -9]), {
      keys_tensor: vector("int16", 1, 2, 3),
      values_tensor: vector("int32", 100, 200, 300),
      default_tensor: vector("int32", -5),
    }),
    [of("int32", [2, 2], [300, 100, 200, -5])],
  ],
  [
    "many keys",
    lookup(vector("float64", ...Array.from({ length: 50 }, (_, i) => i / 2)), {
      keys_tensor: vector("float64", ...Array.from({ length: 21 }, (_, i) => 20 - i)),
      values_tensor: vector("float64", ...Array.from({ length: 21 }, (_, i) => (20 - i) ** 2)),
      default_tensor: vector("float64", -1),
    }),
    [
      vector(
        "float64",
        ...Array.from({ length: 50 }, (_, i) => (i % 2 === 0 && i <= 40 ? (i / 2) ** 2 : -1)),
      ),
    ],
  ],
]);

describe("refusals", () => {
  test.each<readonly [string, NodeCase, ErrorCode, RegExp]>([
    [
      "offsets for other features",
      node("Scaler", [matrix], { offset: floats(1, 2) }),
      "E_SHAPE",
      /2 numbers of offset for 3/,
    ],
    ["unknown norms", node("Normalizer", [matrix], { norm: "L3" }), "E_MODEL", /norm L3/],
    ["types", node("Binarizer", [vector("uint8", 1)]), "E_UNSUPPORTED", /does not take uint8/],
    [
      "imputed values of the other kind",
      node("Imputer", [matrix], { imputed_value_int64s: [1] }),
      "E_MODEL",
      /needs imputed values of floats/,
    ],
    [
      "categories that are strings",
      node("OneHotEncoder", [matrix], { cats_strings: { strings: ["a"] } }),
      "E_UNSUPPORTED",
      /strings/,
    ],
    [
      "failing at unknown categories",
      node("OneHotEncoder", [matrix], { cats_int64s: [1], zeros: 0 }),
      "E_UNSUPPORTED",
      /zeros/,
    ],
    [
      "keys that are strings",
      lookup(matrix, { keys_strings: { strings: ["a"] }, values_int64s: [1] }),
      "E_UNSUPPORTED",
      /strings/,
    ],
    [
      "tables of strings",
      node("LabelEncoder", [matrix], { classes_strings: { strings: ["a"] } }),
      "E_UNSUPPORTED",
      /strings/,
    ],
    [
      "two lists of keys",
      lookup(matrix, { keys_floats: floats(1), keys_int64s: [1], values_int64s: [1] }),
      "E_MODEL",
      /2 lists of keys/,
    ],
    [
      "keys of another type",
      lookup(matrix, { keys_int64s: [1], values_int64s: [1] }),
      "E_MODEL",
      /float32 up among keys of int64/,
    ],
    [
      "more keys than values",
      lookup(matrix, { keys_floats: floats(1, 2), values_int64s: [1] }),
      "E_MODEL",
      /2 keys for 1 values/,
    ],
  ])("%s", async (_, given, code, message) => {
    await expectError(() => graphOf(given, () => false), code, message);
  });
});
