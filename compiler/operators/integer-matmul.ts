/** Matrix products of small integers. */

import { type Dim, isStatic, printDim } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import {
  type ByteMatrix,
  type ByteOperands,
  matmulBytes,
  packBytes,
  packColumns,
  pairSteps,
  pairsOf,
} from "../kernels/matmul-bytes.js";
import { integerMatmul } from "../kernels/matmul-integer.js";
import { i32Constant, minIndex, type Operand, op, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { KernelScope, Placement } from "../lowering/scope.js";
import { broadcastShapes } from "./broadcast.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { lowerRows } from "./joined-rows.js";
import {
  defineExpansion,
  defineOperator,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";
import { scalarOf } from "./quantize.js";

type Empty = Record<never, never>;

const isByte = ({ dtype }: Value): boolean => dtype === "int8" || dtype === "uint8";

/** Operands of a product of integers, and their zero points. */
export function checkBytes(context: NodeView, summand: string): void {
  for (const i of [0, 1]) {
    const [value, zero] = [context.input(i), context.optional(i + 2)];
    if (!isByte(value)) context.fail(`does not take ${value.dtype}`, "E_UNSUPPORTED");
    if (zero !== null && zero.dtype !== value.dtype)
      context.fail(`has ${summand} of ${value.dtype} and a zero point of ${zero.dtype}`);
  }
}

function batchOf(context: NodeView): Dim[] {
  const [a, b] = [context.input(0), context.input(1)];
  return broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)], context);
}

function infer(context: NodeView): TensorType[] {
  const [a, b] = [context.input(0), context.input(1)];
  checkBytes(context, "an operand");
  const [left, right] = [a, b].map(({ shape }) => `[${shape.map(printDim).join(", ")}]`);
  if (a.rank < 2 || b.rank < 2) context.fail(`multiplies ${left} and ${right}`, "E_SHAPE");
  context.requireEqual(a.shape.at(-1)!, b.shape.at(-2)!, `${left} x ${right}: inner dims differ`);
  [a, b].forEach((value, i) => {
    const zero = context.optional(i + 2);
    if (zero === null) return;
    const reason = `zero point of [${zero.shape.map(printDim)}] for [${value.shape.map(printDim)}]`;
    if (zero.rank > value.rank) context.fail(reason, "E_SHAPE");
    broadcastShapes([value.shape, zero.shape], context).forEach((dim, axis) => {
      context.requireEqual(dim, value.shape[axis]!, reason);
    });
  });
  return [{ dtype: "int32", shape: [...batchOf(context), a.shape.at(-2)!, b.shape.at(-1)!] }];
}

/** The i-th input's element at indices of a shape that it broadcasts to: an open dim may turn out to be 1. */
export function broadcastElement(
  s: KernelScope,
  context: LoweringContext,
  i: number,
  indices: readonly Operand[],
): Expr {
  const { shape } = context.input(i);
  const lead = indices.length - shape.length;
  const places = shape.map((dim, axis) => {
    const index = indices[axis + lead]!;
    if (isStatic(dim)) return dim === 1 ? i32Constant(0) : index;
    const isOfMatrix = i < 2 && axis >= shape.length - 2;
    return isOfMatrix ? index : minIndex(index, sub(s.dim(dim), 1));
  });
  return s.view("x", context.placement(i), "read").load(places);
}

/** An element of an operand, with its zero point taken off. */
export function centredElement(
  s: KernelScope,
  context: LoweringContext,
  i: number,
  indices: readonly Operand[],
  zeroIndices = indices,
): Expr {
  const element = broadcastElement(s, context, i, indices);
  if (context.optional(i + 2) === null) return element;
  return op("sub", element, broadcastElement(s, context, i + 2, zeroIndices));
}

function lower(context: LoweringContext<Empty>): void {
  const packed = packedOperands(context);
  if (packed === null) lowerLoose(context);
  else lowerPacked(context, packed);
}

export interface PackedOperands {
  readonly matrix: ByteMatrix;
  readonly words: Placement;
  readonly zeros: Placement | null;
}

/** What is known of the right operand, as the kernel reads it; null where it is not known, or not one matrix. */
function packedOperands(context: LoweringContext<Empty>): PackedOperands | null {
  const [right, zero] = [context.input(1), context.optional(3)];
  if (right.rank !== 2 || right.constant === null || (zero !== null && zero.constant === null)) return null;
  const [depth, columns] = right.constant.dims as [number, number];
  const given = zero === null ? [0] : Array.from(zero.constant!.data, Number);
  // One for all columns or for each; a number for each step of the depth would have to be taken off before.
  if (depth === 0 || columns === 0 || (given.length !== 1 && zero!.shape.at(-1) !== given.length))
    return null;
  const matrix = { runs: 1, depth, columns };
  const { data } = right.constant;
  return packedMatrix(context, matrix, right.constant, given, (_, k, column) => data[k * columns + column]!);
}

/** The right operand of a product of bytes, with one zero point or one for each column, as the kernel reads it. */
export function packedMatrix(
  context: Pick<LoweringContext, "packed">,
  matrix: ByteMatrix,
  source: TensorData,
  zeros: readonly number[],
  element: (run: number, step: number, column: number) => number | bigint | undefined,
): PackedOperands {
  // Stored without a sign, signed bytes are 128 greater.
  const middle = source.dtype === "int8" ? 128 : 0;
  const taken = zeros.map((one) => one + middle);
  const key = `bytes.${taken.join()}`;
  return {
    matrix,
    words: context.packed(source, `bytes.${matrix.runs}x${matrix.depth}`, () =>
      packBytes(matrix, (...place) => (Number(element(...place) ?? 0) & 0xff) ^ middle),
    ),
    zeros: taken.every((one) => one === 0)
      ? null
      : context.packed(source, key, () => packColumns(matrix, (i) => -(taken[i] ?? taken[0]!))),
  };
}

function lowerPacked(context: LoweringContext<Empty>, { matrix, words, zeros }: PackedOperands): void {
  const lead = context.input(0).shape.slice(0, -1);
  const room = (name: string, length: number): Placement =>
    context.scratch(name, { type: { dtype: "int32", shape: [...lead, length] } });
  const made = { pairs: room("pairs", pairsOf(matrix)), sums: room("sums", 1) };
  context.kernel({ name: `pair_steps_${matrix.depth}`, flops: 0 }, (s) => {
    const [pairs, sums] = [s.view("pairs", made.pairs, "write"), s.view("sums", made.sums, "write")];
    loopsInOrder(s, lead, (row) => {
      pairSteps(s, matrix.depth, {
        left: (k) => centredElement(s, context, 0, [...row, k]),
        pair: (index, value) => pairs.store([...row, index], value),
        sum: (value) => sums.store([...row, 0], value),
      });
    });
  });
  const kind = `matmul_${context.input(0).dtype}_${context.input(1).dtype}`;
  lowerRows(context, { kind, ...matrix, left: made.pairs }, ({ s, rows, rowOf, place, result }) => {
    const pairs = s.view("pairs", place(made.pairs, pairsOf(matrix)), "read");
    const sums = s.view("sums", place(made.sums, 1), "read");
    const operands: ByteOperands = {
      pairs: pairs.buffer,
      pairAt: (row, _, index) => pairs.index([...rowOf(row), index]),
      sum: (row) => sums.load([...rowOf(row), i32Constant(0)]),
      words: s.view("w", words, "read").buffer,
      zeros: zeros === null ? null : s.view("zeros", zeros, "read").buffer,
      result,
    };
    matmulBytes(s, rows, matrix, () => operands);
  });
}

function lowerLoose(context: LoweringContext<Empty>): void {
  const [a, b] = [context.input(0), context.input(1)];
  const batch = batchOf(context);
  const [rows, depth, columns] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const name = `matmul_${a.dtype}_${b.dtype}_${[rows, depth, columns].map(printDim).join("x")}`;
  context.kernel({ name, flops: flopsOf(context) }, (s) => {
    const nest = (lead: readonly Expr[]): void => {
      const extent = batch[lead.length];
      if (extent !== undefined) {
        s.for("batch", 0, s.dim(extent), (i) => nest([...lead, i]));
        return;
      }
      integerMatmul(s, {
        rows,
        depth,
        columns,
        left: (row, k) => centredElement(s, context, 0, [...lead, row, k]),
        right: (k, column) => centredElement(s, context, 1, [...lead, k, column]),
        result: (value, row, column) => s.result(value, [...lead, row, column]),
      });
    };
    nest([]);
  });
}

function flopsOf(context: NodeView): number {
  const dims = [...context.node.outputs[0]!.shape, context.input(0).shape.at(-1)!];
  return dims.every(isStatic) ? dims.reduce((product, dim) => product * (dim as number), 2) : 0;
}

const IntegerProduct = defineOperator<Empty>({
  name: "MatMulInteger",
  domain: "kiln",
  summary: "Matrix product of bytes from which their zero points are taken, which broadcast to them.",
  inputs: ["A", "B", "a_zero?", "b_zero?"],
  attributes: {},
  versions: [{ since: 1 }],
  infer,
  flops: flopsOf,
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

/**
 * The product of two operands with zero points as ONNX gives them, a number for each row of A and each column of B.
 * Vectors are matrices of one row or column that the result does not have.
 */
export function integerProduct(
  b: GraphBuilder,
  [left, right]: readonly [Value, Value],
  [leftZero, rightZero]: readonly (Value | null)[],
  view: Pick<ImportedNode, "fail">,
): Value {
  if (left.rank === 0 || right.rank === 0) view.fail("takes no scalars", "E_SHAPE");
  const [rowVector, columnVector] = [left.rank === 1, right.rank === 1];
  const operands = [
    rowVector ? b.op("Unsqueeze", [left, b.ints([0])]) : left,
    columnVector ? b.op("Unsqueeze", [right, b.ints([1])]) : right,
  ];
  const zeros = [perRow(b, leftZero ?? null), perColumn(b, rightZero ?? null)];
  const product = b.op("kiln.MatMulInteger", [...operands, ...zeros]);
  const axes = [...(rowVector ? [-2] : []), ...(columnVector ? [-1] : [])];
  return axes.length === 0 ? product : b.op("Squeeze", [product, b.ints(axes)]);
}

/** Numbers for the rows of a matrix, as a column; one for all rows is a scalar, and so is one for all columns. */
export const perRow = (b: GraphBuilder, parameter: Value | null): Value | null =>
  parameter?.rank === 1 && parameter.shape[0] !== 1
    ? b.op("Unsqueeze", [parameter, b.ints([1])])
    : perColumn(b, parameter);

export const perColumn = (b: GraphBuilder, parameter: Value | null): Value | null =>
  parameter?.rank === 1 && parameter.shape[0] === 1 ? scalarOf(b, parameter) : parameter;

/** The scales of two operands in shapes that broadcast to that of their product. */
export function operandScales(
  b: GraphBuilder,
  [left, right]: readonly [Value, Value],
  operands: readonly [Value, Value],
): [Value, Value] {
  const hasColumns = operands[1].rank > 1;
  return [(hasColumns ? perRow : perColumn)(b, left)!, perColumn(b, right)!];
}

const MatMulInteger = defineExpansion({
  name: "MatMulInteger",
  summary: "Matrix product of 8-bit integers, in int32.",
  inputs: ["A", "B", "a_zero_point?", "b_zero_point?"],
  types: ["int8", "uint8"],
  attributes: {},
  versions: [{ since: 10 }],
  expand: (b, [left, right, leftZero, rightZero], view) => [
    integerProduct(b, [left!, right!], [leftZero ?? null, rightZero ?? null], view),
  ],
});

export const integerMatmulOperators: readonly Operator[] = [IntegerProduct, MatMulInteger];
