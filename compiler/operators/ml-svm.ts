/** Support vector machines (domain ai.onnx.ml). All compute in float32, as their coefficients are. */

import { type Dim, isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { couplePairs } from "../kernels/coupling.js";
import { op } from "../loop/builder.js";
import type { LoweringContext } from "../lowering/context.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import {
  applyTransform,
  domain,
  featureTypes,
  labelsOf,
  opposites,
  rowsOf,
  topLabels,
  transformOf,
} from "./ml-scores.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineExpansion, defineOperator, type ImportedNode, type Operator } from "./operator.js";

const sharedAttributes = {
  coefficients: attribute.required("floats"),
  kernel_params: attribute.floats([]),
  kernel_type: attribute.string("LINEAR"),
  post_transform: attribute.string("NONE"),
  rho: attribute.required("floats"),
  support_vectors: attribute.floats([]),
} as const;
type SvmNode = ImportedNode<typeof sharedAttributes>;

const matrix = (b: GraphBuilder, dims: readonly number[], values: readonly number[]): Value =>
  b.constant(encodeElements("float32", dims, values));

/** What the kernel function makes of every row with every vector: [N, vectors]. */
function kernelOf(
  b: GraphBuilder,
  x: Value,
  vectors: readonly number[],
  count: number,
  view: SvmNode,
): Value {
  const { kernel_type, kernel_params } = view.attributes;
  const [gamma = 0, coef0 = 0, degree = 0] = kernel_params;
  const features = vectors.length / count;
  const [, given] = x.shape;
  if (!Number.isInteger(features) || (isStatic(given!) && given !== features)) {
    view.fail(`has ${vectors.length} numbers in ${count} vectors for ${given} features`, "E_SHAPE");
  }
  const all = matrix(b, [count, features], vectors);
  const number = (value: number): Value => b.scalar("float32", value);
  if (kernel_type === "RBF") {
    const [rows, columns] = [b.op("Unsqueeze", [x, b.ints([1])]), b.op("Unsqueeze", [all, b.ints([0])])];
    const distances = b.op("ReduceSumSquare", [b.op("Sub", [rows, columns]), b.ints([2])], { keepdims: 0 });
    return b.op("Exp", [b.op("Mul", [distances, number(-gamma)])]);
  }
  const products = b.op("MatMul", [x, b.op("Transpose", [all], { perm: [1, 0] })]);
  if (kernel_type === "LINEAR") return products;
  const affine = b.op("Add", [b.op("Mul", [products, number(gamma)]), number(coef0)]);
  if (kernel_type === "SIGMOID") return b.op("Tanh", [affine]);
  if (kernel_type === "POLY") return b.op("Pow", [affine, number(degree)]);
  return view.fail(`kernel_type ${kernel_type} is not defined`);
}

const linear = (view: SvmNode): SvmNode => ({
  ...view,
  attributes: { ...view.attributes, kernel_type: "LINEAR" },
});

const SVMRegressor = defineExpansion({
  name: "SVMRegressor",
  domain,
  summary: "Values by a support vector machine, or 1 and -1 for what belongs to one class and what does not.",
  inputs: ["X"],
  types: featureTypes,
  attributes: { ...sharedAttributes, n_supports: attribute.int(0), one_class: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, [given], view) => {
    const { coefficients, rho, n_supports: count, one_class, support_vectors } = view.attributes;
    const x = b.cast(rowsOf(b, given!, view), "float32");
    if (rho.length === 0) view.fail("has no rho");
    if (count > 0 && coefficients.length !== count) {
      view.fail(`has ${coefficients.length} coefficients for ${count} vectors`);
    }
    const products =
      count > 0
        ? b.op("MatMul", [kernelOf(b, x, support_vectors, count, view), matrix(b, [count, 1], coefficients)])
        : kernelOf(b, x, coefficients, 1, linear(view));
    const scores = b.op("Add", [products, b.scalar("float32", rho[0]!)]);
    if (one_class !== 0) {
      const isInside = b.op("Greater", [scores, b.scalar("float32", 0)]);
      return [b.op("Where", [isInside, b.scalar("float32", 1), b.scalar("float32", -1)])];
    }
    return [applyTransform(b, scores, transformOf(view.attributes.post_transform, view))];
  },
});

const classifierAttributes = {
  ...sharedAttributes,
  classlabels_ints: attribute.optional("ints"),
  classlabels_strings: attribute.optional("strings"),
  prob_a: attribute.floats([]),
  prob_b: attribute.floats([]),
  vectors_per_class: attribute.ints([]),
} as const;
type ClassifierNode = ImportedNode<typeof classifierAttributes>;

/** Pairs of classes, (0, 1), (0, 2), ..., (1, 2), ... */
const pairsOf = (classes: number): [number, number][] =>
  Array.from({ length: classes }, (_, i) => i).flatMap((i) =>
    Array.from({ length: classes - i - 1 }, (_, k): [number, number] => [i, i + 1 + k]),
  );

/**
 * Scores of pairs of classes: positive where a row is rather of the first. The coefficients of a pair are those of
 * both classes' vectors against the other class.
 */
function pairScores(b: GraphBuilder, x: Value, classes: number, view: ClassifierNode): Value {
  const { coefficients, rho, support_vectors, vectors_per_class: counts } = view.attributes;
  const pairs = pairsOf(classes);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (counts.length !== classes) view.fail(`has vectors of ${counts.length} classes, and ${classes} labels`);
  if (coefficients.length !== (classes - 1) * total) {
    view.fail(`has ${coefficients.length} coefficients for ${total} vectors of ${classes} classes`);
  }
  if (rho.length < pairs.length)
    view.fail(`has ${rho.length} numbers of rho for ${pairs.length} pairs of classes`);
  const owners = counts.flatMap((count, owner) => new Array<number>(count).fill(owner));
  const weights = owners.flatMap((owner, vector) =>
    pairs.map(([i, j]) => {
      if (owner === i) return coefficients[(j - 1) * total + vector]!;
      return owner === j ? coefficients[i * total + vector]! : 0;
    }),
  );
  const kernel = kernelOf(b, x, support_vectors, total, view);
  const sums = b.op("MatMul", [kernel, matrix(b, [total, pairs.length], weights)]);
  return b.op("Add", [sums, matrix(b, [pairs.length], rho.slice(0, pairs.length))]);
}

/** How many pairs each class wins: a positive score is a vote for the first of the two, any other for the second. */
function votesOf(b: GraphBuilder, scores: Value, classes: number): Value {
  const pairs = pairsOf(classes);
  const each = Array.from({ length: classes }, (_, c) => c);
  const isFirst = b.cast(b.op("Greater", [scores, b.scalar("float32", 0)]), "float32");
  const moved = pairs.flatMap(([i, j]) => each.map((c) => (c === i ? 1 : c === j ? -1 : 0)));
  const seconds = each.map((c) => pairs.filter(([, j]) => j === c).length);
  const won = b.op("MatMul", [isFirst, matrix(b, [pairs.length, classes], moved)]);
  return b.op("Add", [won, matrix(b, [classes], seconds)]);
}

/** Probabilities of classes from scores of pairs: a sigmoid for each pair, and all of them coupled. */
function probabilities(b: GraphBuilder, scores: Value, classes: number, view: ClassifierNode): Value {
  const { prob_a, prob_b } = view.attributes;
  const { length } = pairsOf(classes);
  if (prob_a.length < length || prob_b.length < length)
    view.fail(`needs prob_a and prob_b of ${length} pairs`);
  const scaled = b.op("Mul", [scores, matrix(b, [length], prob_a.slice(0, length))]);
  const value = b.op("Add", [scaled, matrix(b, [length], prob_b.slice(0, length))]);
  const limits = [1e-7, 1 - 1e-7].map((limit) => b.scalar("float32", limit));
  const limited = b.op("Clip", [b.op("Sigmoid", [b.op("Neg", [value])]), ...limits]);
  return b.op("kiln.Coupling", [limited], { classes });
}

function classify(b: GraphBuilder, given: Value, view: ClassifierNode): Value[] {
  const { attributes: a } = view;
  const labels = labelsOf(a.classlabels_ints, a.classlabels_strings, view);
  const classes = labels.length;
  const transform = transformOf(a.post_transform, view);
  const x = b.cast(rowsOf(b, given, view), "float32");
  if (a.rho.length === 0) view.fail("has no rho");
  if (a.vectors_per_class.length === 0) {
    const products = kernelOf(b, x, a.coefficients, classes, linear(view));
    const scores = b.op("Add", [products, b.scalar("float32", a.rho[0]!)]);
    return [topLabels(b, scores, labels), applyTransform(b, scores, transform)];
  }
  if (classes < 2) return view.fail("has fewer than two class labels");
  const scores = pairScores(b, x, classes, view);
  const label = topLabels(b, votesOf(b, scores, classes), labels);
  if (a.prob_a.length > 0)
    return [label, applyTransform(b, probabilities(b, scores, classes, view), transform)];
  const all = classes === 2 ? opposites(b, scores, transform === "PROBIT") : scores;
  return [label, applyTransform(b, all, transform)];
}

const SVMClassifier = defineExpansion({
  name: "SVMClassifier",
  domain,
  summary: "Classes by support vector machines that tell two of them from each other.",
  inputs: ["X"],
  types: featureTypes,
  attributes: classifierAttributes,
  versions: [{ since: 1 }],
  expand: (b, [x], view) => classify(b, x!, view).slice(0, Math.max(view.outputCount, 1)),
});

const couplingAttributes = { classes: attribute.required("int") } as const;

function lowerCoupling(context: LoweringContext<typeof couplingAttributes>): void {
  const { classes } = context.attributes;
  const [rows] = context.input(0).shape as [Dim];
  const memory = (name: string, shape: readonly number[]) =>
    context.scratch(name, { type: { dtype: "float64", shape } });
  const square = [classes, classes];
  const scratch = {
    r: memory("r", square),
    q: memory("q", square),
    qp: memory("qp", [classes]),
    p: memory("p", [classes]),
  };
  context.kernel({ name: `coupling_${classes}`, flops: 0 }, (s) => {
    const view = (name: keyof typeof scratch) => s.view(name, scratch[name], "readwrite");
    const views = { r: view("r"), q: view("q"), qp: view("qp"), p: view("p") };
    const pairs = s.view("pairs", context.placement(0), "read");
    couplePairs(s, { rows, classes }, { pairs, ...views }, (value, indices) => {
      s.result(op("f64_to_f32", value), indices);
    });
  });
}

const Coupling = defineOperator({
  name: "Coupling",
  domain: "kiln",
  summary: "Probabilities of classes from those of pairs of classes.",
  inputs: ["pairs"],
  attributes: couplingAttributes,
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: [shape[0]!, context.attributes.classes] }];
  },
  layout: () => ({ inputs: ["row-major"], output: "row-major" }),
  epilogue: true,
  lower: lowerCoupling,
  evaluate: evaluateByKernels(lowerCoupling),
});

export const svmOperators: readonly Operator[] = [SVMRegressor, SVMClassifier, Coupling];
