/** Products of matrices with more around them: a factor, transposed operands, a summand, an activation. */

import { isStatic, printDim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator, oldVersion } from "./operator.js";
import { floats } from "./pointwise.js";

const scaled = (b: GraphBuilder, value: Value, factor: number): Value =>
  factor === 1 ? value : b.op("Mul", [value, b.scalar(value.dtype, factor)]);

const gemmAttributes = {
  alpha: attribute.float(1),
  beta: attribute.float(1),
  transA: attribute.int(0),
  transB: attribute.int(0),
} as const;

type GemmView = ImportedNode<typeof gemmAttributes>;

/** alpha * A' * B' + beta * C, written out. */
function gemm(b: GraphBuilder, [x, y, summand]: readonly (Value | null)[], view: GemmView): Value {
  const { alpha, beta, transA, transB } = view.attributes;
  const operand = (value: Value, transposed: number): Value => {
    if (value.rank !== 2) view.fail(`takes matrices, not a tensor of ${value.rank} dims`, "E_SHAPE");
    return transposed !== 0 ? b.op("Transpose", [value], { perm: [1, 0] }) : value;
  };
  const product = scaled(b, b.op("MatMul", [operand(x!, transA), operand(y!, transB)]), alpha);
  if (summand == null) return product;
  checkSummand(summand, product, view);
  return b.op("Add", [product, scaled(b, summand, beta)]);
}

/** The summand broadcasts to the product, and never the other way. */
function checkSummand(summand: Value, product: Value, { fail }: Pick<GemmView, "fail">): void {
  const fits = summand.shape.every((dim, axis) => {
    const other = product.shape[axis + 2 - summand.rank];
    return dim === 1 || !isStatic(dim) || other === undefined || !isStatic(other) || dim === other;
  });
  if (fits && summand.rank <= 2) return;
  const [from, to] = [summand, product].map(({ shape }) => `[${shape.map(printDim).join(", ")}]`);
  fail(`C of ${from} does not broadcast to ${to}`, "E_SHAPE");
}

/** Before opset 7 the summand has the product's shape unless the node says that it broadcasts. */
function gemmWithFlag(since: number) {
  const attributes = { ...gemmAttributes, broadcast: attribute.int(0) };
  return oldVersion(since, attributes, (b, inputs, view) => {
    const [x, y, summand] = inputs;
    const exact = view.attributes.broadcast !== 0 || summand?.rank === 2;
    if (!exact) view.fail("C must have the shape of the product where broadcast is 0", "E_SHAPE");
    return [gemm(b, [x!, y!, summand!], view)];
  });
}

const Gemm = defineExpansion({
  name: "Gemm",
  summary: "alpha * A' * B' + beta * C with optional transposition.",
  inputs: ["A", "B", "C?"],
  attributes: gemmAttributes,
  versions: [gemmWithFlag(1), gemmWithFlag(6), ...[7, 9, 11, 13].map((since) => ({ since }))],
  expand: (b, inputs, view) => [gemm(b, inputs, view)],
});

/** The attributes that each activation takes its own from. */
const activations: Readonly<Record<string, readonly ("alpha" | "beta" | "gamma")[]>> = {
  Elu: ["alpha"],
  HardSigmoid: ["alpha", "beta"],
  LeakyRelu: ["alpha"],
  Relu: [],
  Selu: ["alpha", "gamma"],
  Sigmoid: [],
  Softplus: [],
  Softsign: [],
  Tanh: [],
  ThresholdedRelu: ["alpha"],
};

const FusedGemm = defineExpansion({
  name: "FusedGemm",
  domain: "com.microsoft",
  summary: "Gemm, and an activation of its result.",
  inputs: ["A", "B", "C?"],
  types: floats,
  attributes: {
    ...gemmAttributes,
    activation: attribute.string(""),
    activation_alpha: attribute.optional("float"),
    activation_beta: attribute.optional("float"),
    activation_gamma: attribute.optional("float"),
  },
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const { activation } = view.attributes;
    const result = gemm(b, inputs, view);
    if (activation === "") return [result];
    const names = Object.hasOwn(activations, activation) ? activations[activation] : undefined;
    if (names === undefined) return view.fail(`activation "${activation}" is not supported`, "E_UNSUPPORTED");
    const attributes = names.flatMap((name): [string, number][] => {
      const value = view.attributes[`activation_${name}`];
      return value === undefined ? [] : [[name, value]];
    });
    return [b.op(activation, [result], Object.fromEntries(attributes))];
  },
});

const fusedAttributes = {
  alpha: attribute.float(1),
  transA: attribute.int(0),
  transB: attribute.int(0),
} as const;

/** A matrix operand: with its first dim moved to the rows, and then rows and columns changed. Vectors stay. */
function turned(b: GraphBuilder, x: Value, transposed: boolean, batch: boolean): Value {
  if (x.rank < 2 || (!transposed && !batch)) return x;
  const axes = [...x.shape.keys()];
  const moved = batch ? [...axes.slice(1, -1), 0, x.rank - 1] : axes;
  const perm = transposed ? [...moved.slice(0, -2), moved.at(-1)!, moved.at(-2)!] : moved;
  return b.op("Transpose", [x], { perm });
}

const FusedMatMul = defineExpansion({
  name: "FusedMatMul",
  domain: "com.microsoft",
  summary: "Matrix product with a factor, of operands that may be transposed.",
  inputs: ["A", "B"],
  types: floats,
  attributes: { ...fusedAttributes, transBatchA: attribute.int(0), transBatchB: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, [x, y], { attributes: { alpha, transA, transB, transBatchA, transBatchB } }) => {
    const operands = [
      turned(b, x!, transA !== 0, transBatchA !== 0),
      turned(b, y!, transB !== 0, transBatchB !== 0),
    ];
    return [scaled(b, b.op("MatMul", operands), alpha)];
  },
});

const TransposeMatMul = defineExpansion({
  name: "TransposeMatMul",
  domain: "com.microsoft",
  summary: "FusedMatMul under its old name.",
  inputs: ["A", "B"],
  types: floats,
  attributes: fusedAttributes,
  versions: [{ since: 1 }],
  expand: (b, inputs, { attributes }) => [b.op("com.microsoft.FusedMatMul", inputs, { ...attributes })],
});

export const gemmOperators: readonly Operator[] = [Gemm, FusedGemm, FusedMatMul, TransposeMatMul];
