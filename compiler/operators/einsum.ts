/**
 * Einsum as the operators that it is made of. Of each operand, diagonals are taken and dims that nobody else has are
 * summed up; then operands are multiplied one after the other. Where that sums over dims it is a matrix product: dims of
 * both operands that are still wanted are its batch, those of one only are its rows or columns.
 */

import { isStatic, printDim } from "../ir/dim.js";
import { type DType, dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { type Equation, parseEquation } from "./einsum-equation.js";
import { isUnsigned } from "./integer.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { numeric } from "./pointwise.js";
import { joinDims, reshapeTo, shapePart } from "./shape-arithmetic.js";

/** A tensor whose dims have names; no name is there twice once diagonals are taken. */
interface Term {
  readonly value: Value;
  readonly labels: readonly string[];
}

const sizeOf = ({ value, labels }: Term, label: string) => value.shape[labels.indexOf(label)]!;

function takeDiagonals(b: GraphBuilder, term: Term): Term {
  const second = term.labels.findIndex((label, axis) => term.labels.indexOf(label) !== axis);
  if (second < 0) return term;
  const axes = [term.labels.indexOf(term.labels[second]!), second];
  const value = b.op("kiln.Diagonal", [term.value], { axes });
  return takeDiagonals(b, { value, labels: term.labels.toSpliced(second, 1) });
}

/** The term without dims of one element that stand beside longer ones: they are the same for each of those. */
function dropBroadcast(b: GraphBuilder, term: Term, others: readonly Term[]): Term {
  const isRepeated = (label: string): boolean =>
    sizeOf(term, label) === 1 &&
    others.some((other) => other.labels.includes(label) && sizeOf(other, label) !== 1);
  return withoutDims(b, term, isRepeated, "Squeeze");
}

/** The term without some dims: summed up, or of one element each. */
function withoutDims(
  b: GraphBuilder,
  { value, labels }: Term,
  isDropped: (label: string) => boolean,
  operator: "Squeeze" | "ReduceSum",
): Term {
  const axes = labels.flatMap((label, axis) => (isDropped(label) ? [axis] : []));
  if (axes.length === 0) return { value, labels };
  const attributes = operator === "ReduceSum" ? { keepdims: 0 } : {};
  return {
    value: b.op(operator, [value, b.ints(axes)], attributes),
    labels: labels.filter((label) => !isDropped(label)),
  };
}

/** The tensor with its dims in this order, and dims of one element for labels that it does not have. */
function arranged(b: GraphBuilder, { value, labels }: Term, order: readonly string[]): Value {
  const own = order.filter((label) => labels.includes(label));
  const perm = own.map((label) => labels.indexOf(label));
  const turned = perm.every((axis, i) => axis === i) ? value : b.op("Transpose", [value], { perm });
  const missing = order.flatMap((label, axis) => (labels.includes(label) ? [] : [axis]));
  return missing.length === 0 ? turned : b.op("Unsqueeze", [turned, b.ints(missing)]);
}

function multiply(b: GraphBuilder, left: Term, right: Term, isWanted: (label: string) => boolean): Term {
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter(isWanted);
  const summed = shared.filter((label) => !isWanted(label));
  const rows = left.labels.filter((label) => !shared.includes(label));
  const columns = right.labels.filter((label) => !shared.includes(label));
  const labels = [...batch, ...rows, ...columns];
  if (summed.length > 0 && rows.length + columns.length > 0) {
    return { value: matrixProduct(b, left, right, { batch, rows, columns, summed }), labels };
  }
  const order = [...labels, ...summed];
  const product = b.op("Mul", [arranged(b, left, order), arranged(b, right, order)]);
  return withoutDims(b, { value: product, labels: order }, (label) => summed.includes(label), "ReduceSum");
}

type Groups = Readonly<Record<"batch" | "rows" | "columns" | "summed", readonly string[]>>;

/** Dims of each group are joined to one, except those that the matrix product takes as they are. */
function matrixProduct(b: GraphBuilder, left: Term, right: Term, groups: Groups): Value {
  const { batch, rows, columns, summed } = groups;
  const single = (labels: readonly string[]) => labels.map(() => 1);
  const a = arranged(b, left, [...batch, ...rows, ...summed]);
  const c = arranged(b, right, [...batch, ...summed, ...columns]);
  const ownRows = batch.length === 0 && rows.length > 0;
  const product = b.op("MatMul", [
    joinDims(b, a, [...single(batch), ...(ownRows ? single(rows) : [rows.length]), summed.length]),
    joinDims(b, c, [...single(batch), summed.length, columns.length]),
  ]);
  if ((ownRows || rows.length === 1) && columns.length === 1) return product;
  return reshapeTo(b, product, [
    shapePart(b, a, 0, batch.length + rows.length),
    shapePart(b, c, batch.length + summed.length, c.rank),
  ]);
}

/** Sums of narrow integers wrap, so they can be had from those of wider ones. */
function computedType(dtype: DType): DType {
  if (dtypes[dtype].kind === "float" || dtypes[dtype].bytes >= 4) return dtype;
  return isUnsigned(dtype) ? "uint32" : "int32";
}

function parse(text: string, operands: readonly Value[], view: Pick<ImportedNode, "fail">): Equation {
  try {
    return parseEquation(
      text,
      operands.map(({ rank }) => rank),
    );
  } catch (error) {
    return view.fail(`equation "${text}": ${(error as Error).message}`);
  }
}

/** Dims of the same name have one size, or one element. */
function checkSizes(terms: readonly Term[], { fail }: Pick<ImportedNode, "fail">): void {
  const sizes = new Map<string, number>();
  for (const { value, labels } of terms) {
    labels.forEach((label, axis) => {
      const size = value.shape[axis]!;
      const known = sizes.get(label);
      if (!isStatic(size) || size === 1) return;
      if (known !== undefined && known !== size)
        fail(`"${label}" is ${printDim(known)} and ${size}`, "E_SHAPE");
      sizes.set(label, size);
    });
  }
}

const Einsum = defineExpansion({
  name: "Einsum",
  summary: "Sum of products over dims that an equation names.",
  inputs: ["Inputs..."],
  types: numeric,
  attributes: { equation: attribute.required("string") },
  versions: [{ since: 12 }],
  expand: (b, inputs, view) => {
    const given = inputs as Value[];
    const { dtype } = given[0]!;
    if (given.some((input) => input.dtype !== dtype)) view.fail("combines inputs of different types");
    const { operands, result } = parse(view.attributes.equation, given, view);
    const named = given.map((value, i): Term => {
      return { value: b.cast(value, computedType(dtype)), labels: operands[i]! };
    });
    checkSizes(named, view);
    const whole = named.map((term) => takeDiagonals(b, term));
    const terms = whole.map((term) => dropBroadcast(b, term, whole));
    const total = terms.reduce((product, term, i) => {
      const later = terms.slice(i + 1);
      const isWanted = (label: string): boolean =>
        result.includes(label) || later.some(({ labels }) => labels.includes(label));
      const summed = (one: Term, other: Term): Term =>
        withoutDims(b, one, (label) => !isWanted(label) && !other.labels.includes(label), "ReduceSum");
      return multiply(b, summed(product, term), summed(term, product), isWanted);
    });
    const rest = withoutDims(b, total, (label) => !result.includes(label), "ReduceSum");
    return [b.cast(arranged(b, rest, result), dtype)];
  },
});

export const einsumOperators: readonly Operator[] = [Einsum];
