/** Reductions over axes. */

import {
  addDims,
  type Dim,
  equalityOfDims,
  isStatic,
  maxDims,
  multiplyDims,
  selectSize,
  subtractDims,
} from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { type Reducer, reduce } from "../kernels/reduce.js";
import { add, i32Constant, mul } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { memoryOrder } from "../lowering/loops.js";
import type { KernelScope } from "../lowering/scope.js";
import { axesToInput, axisFlags, givenAxes } from "./axes.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { shapeElements } from "./reshape.js";

const attributes = { keepdims: attribute.int(1), noop_with_empty_axes: attribute.int(0) } as const;
type ReduceView = NodeView<typeof attributes>;

export interface ReductionDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly since: readonly number[];
  /** First version that takes axes as an input. */
  readonly axesInputSince: number;
  readonly types: readonly DType[];
  readonly reducer: (dtype: DType) => Reducer;
  /** Combines elements that are dims, where shape arithmetic has a word for it. */
  readonly combineDims?: (a: Dim, b: Dim) => Dim;
}

/** For each dim 1 where it is reduced; without axes that is all of them, or none where the attribute says so. */
function reducedDims(context: ReduceView): readonly Dim[] {
  const { rank } = context.input(0);
  const axes = givenAxes(context, 1);
  if (axes.length > 0) return axisFlags(axes, rank, context);
  return new Array<Dim>(rank).fill(context.attributes.noop_with_empty_axes !== 0 ? 0 : 1);
}

/**
 * For each dim of the result and each of the input 1 where they are the same. Which dims are left is the number of
 * kept ones before each.
 */
export function keptDims(reduced: readonly Dim[], rank: number): Dim[][] {
  let before: Dim = 0;
  const place = reduced.map((flag) => {
    const own = before;
    before = addDims(before, subtractDims(1, flag));
    return own;
  });
  return Array.from({ length: rank }, (_, result) =>
    reduced.map((flag, axis) => multiplyDims(subtractDims(1, flag), equalityOfDims(place[axis]!, result))),
  );
}

/**
 * The dims of the result; where they are not kept, as many are gone as there are axes. Of the products with flags one
 * is the dim and the others are 0.
 */
export function reducedShape(
  shape: readonly Dim[],
  reduced: readonly Dim[],
  keep: boolean,
  axisCount: number,
): Dim[] {
  if (keep) return shape.map((dim, axis) => selectSize(reduced[axis]!, 1, dim));
  return keptDims(reduced, shape.length - axisCount).map((same) =>
    same.map((flag, axis) => multiplyDims(flag, shape[axis]!)).reduce(maxDims, 0),
  );
}

/** Indices of the result from those of the kept dims. */
export function resultIndices(
  s: KernelScope,
  indices: readonly Expr[],
  reduced: readonly Dim[],
  keep: boolean,
  rank: number,
): Expr[] {
  if (keep) return [...indices];
  return keptDims(reduced, rank).map((same) =>
    same.reduce<Expr>((sum, flag, axis) => add(sum, mul(indices[axis]!, s.dim(flag))), i32Constant(0)),
  );
}

export function reduction(declaration: ReductionDeclaration): Operator {
  const { name, summary, since, axesInputSince, types, combineDims } = declaration;
  const oldAttributes = { axes: attribute.optional("ints"), keepdims: attribute.int(1) };
  const lower = (context: LoweringContext<typeof attributes>): void => lowerReduction(context, declaration);
  return defineOperator<typeof attributes>({
    name,
    summary,
    inputs: ["data", "axes?"],
    types,
    attributes,
    versions: since.map((version) =>
      version < axesInputSince
        ? { since: version, attributes: oldAttributes, upgrade: axesToInput(name, ["keepdims"]) }
        : { since: version },
    ),
    infer: (context) => {
      const { dtype, shape } = context.input(0);
      const reduced = reducedDims(context);
      const count = reduced.every(isStatic)
        ? reduced.filter((flag) => flag === 1).length
        : givenAxes(context, 1).length;
      if (count > shape.length) context.fail(`has ${count} axes for ${shape.length} dims`, "E_SHAPE");
      return [{ dtype, shape: reducedShape(shape, reduced, context.attributes.keepdims !== 0, count) }];
    },
    ...(combineDims !== undefined && { elements: (context) => combinedElements(context, combineDims) }),
    checks: (context) => {
      const { rank } = context.input(0);
      if (givenAxes(context, 1).every(isStatic)) return [];
      return [{ input: 1, what: "axis", ranges: [{ least: -rank, end: rank }] }];
    },
    layout: () => ({ inputs: ["any", "row-major"], output: "row-major" }),
    epilogue: true,
    prologue: true,
    lower,
    evaluate: evaluateByKernels(lower),
  });
}

function lowerReduction(
  context: LoweringContext<typeof attributes>,
  { name, reducer }: ReductionDeclaration,
): void {
  const { shape, dtype } = context.input(0);
  const reduced = reducedDims(context);
  const keep = context.attributes.keepdims !== 0;
  const { rank } = context.node.outputs[0]!;
  const words = shape.map((dim, axis) => `${["", "r"][Number(reduced[axis])] ?? "o"}${dim}`);
  context.kernel({ name: `${name.toLowerCase()}_${words.join("x")}`, flops: 0 }, (s) => {
    reduce(
      s,
      { shape, reduced, order: memoryOrder(context.walked(0)), reducer: reducer(dtype) },
      (indices) => s.operand(0, indices),
      (value, indices) => s.result(value, resultIndices(s, indices, reduced, keep, rank)),
    );
  });
}

/** The elements of a shape combined to one. */
function combinedElements(context: ReduceView, combine: (a: Dim, b: Dim) => Dim): readonly Dim[] | null {
  if (context.input(0).rank !== 1 || reducedDims(context)[0] !== 1) return null;
  const [first, ...others] = shapeElements(context) ?? [];
  return first === undefined ? null : [others.reduce(combine, first)];
}
