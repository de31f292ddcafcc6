/** Linear models (domain ai.onnx.ml). All compute in float32, as their coefficients are. */

import { isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import {
  applyTransform,
  domain,
  featureTypes,
  labelsAbove,
  labelsOf,
  opposites,
  rowsOf,
  topLabels,
  transformOf,
} from "./ml-scores.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";

/** Products of rows with each target's coefficients, and intercepts added. */
function scoresOf(
  b: GraphBuilder,
  rows: Value,
  coefficients: readonly number[],
  intercepts: readonly number[],
  targets: number,
  { fail }: Pick<ImportedNode, "fail">,
): Value {
  const [, features] = rows.shape;
  const each = coefficients.length / targets;
  if (!Number.isInteger(each) || (isStatic(features!) && each !== features)) {
    fail(`has ${coefficients.length} coefficients for ${features} features of ${targets} targets`, "E_SHAPE");
  }
  if (intercepts.length !== 0 && intercepts.length !== targets) {
    fail(`has ${intercepts.length} intercepts for ${targets} targets`);
  }
  const matrix = b.constant(encodeElements("float32", [targets, each], coefficients));
  const products = b.op("MatMul", [b.cast(rows, "float32"), b.op("Transpose", [matrix], { perm: [1, 0] })]);
  if (intercepts.length === 0) return products;
  return b.op("Add", [products, b.constant(encodeElements("float32", [targets], intercepts))]);
}

const LinearRegressor = defineExpansion({
  name: "LinearRegressor",
  domain,
  summary: "Sums of features times coefficients, one for each target.",
  inputs: ["X"],
  types: featureTypes,
  attributes: {
    coefficients: attribute.floats([]),
    intercepts: attribute.floats([]),
    post_transform: attribute.string("NONE"),
    targets: attribute.int(1),
  },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const { coefficients, intercepts, targets, post_transform } = view.attributes;
    if (targets < 1) view.fail(`has ${targets} targets`);
    const scores = scoresOf(b, rowsOf(b, x!, view), coefficients, intercepts, targets, view);
    return [applyTransform(b, scores, transformOf(post_transform, view))];
  },
});

const LinearClassifier = defineExpansion({
  name: "LinearClassifier",
  domain,
  summary: "Classes by sums of features times coefficients.",
  inputs: ["X"],
  types: featureTypes,
  attributes: {
    classlabels_ints: attribute.optional("ints"),
    classlabels_strings: attribute.optional("strings"),
    coefficients: attribute.required("floats"),
    intercepts: attribute.floats([]),
    multi_class: attribute.int(0),
    post_transform: attribute.string("NONE"),
  },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const { classlabels_ints, classlabels_strings, coefficients, intercepts } = view.attributes;
    const labels = labelsOf(classlabels_ints, classlabels_strings, view);
    const rows = rowsOf(b, x!, view);
    const [, features] = rows.shape;
    const lines = isStatic(features!) ? coefficients.length / features : intercepts.length;
    if (lines !== labels.length && lines !== 1) {
      view.fail(`has coefficients of ${lines} classes, and ${labels.length} labels`);
    }
    const scores = scoresOf(b, rows, coefficients, intercepts, lines, view);
    const transform = transformOf(view.attributes.post_transform, view);
    const results = (): Value[] => {
      if (lines > 1) return [topLabels(b, scores, labels), applyTransform(b, scores, transform)];
      // One line of coefficients tells the second of two classes from the first, or one class from others.
      const [first, second] = labels.length === 2 ? (labels as [number, number]) : [0, labels[0]!];
      const all = labels.length === 2 ? opposites(b, scores, transform === "PROBIT") : scores;
      return [labelsAbove(b, scores, 0, [first, second]), applyTransform(b, all, transform)];
    };
    return results().slice(0, Math.max(view.outputCount, 1));
  },
});

export const linearOperators: readonly Operator[] = [LinearRegressor, LinearClassifier];
