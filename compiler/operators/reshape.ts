/** Operators that keep all elements in order and give them another shape. */

import {
  addDims,
  type Dim,
  equalDims,
  equalityOfDims,
  floorDivDims,
  groupDim,
  isStatic,
  multiplyDims,
  printDim,
  productOfDims,
  selectDims,
  subtractDims,
} from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { tensor } from "../ir/tensor.js";
import { add, div, i32Constant, mul, rem } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { reshapeStrided } from "../lowering/strided.js";
import { axisFlags, pickDims } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import {
  type AttributeSchema,
  attribute,
  defineOperator,
  elementsOf,
  type ImportedNode,
  type NodeView,
  type Operator,
  type OperatorFacets,
  type OperatorVersion,
  oldVersion,
} from "./operator.js";

interface ReshapeDeclaration<S extends AttributeSchema>
  extends Pick<OperatorFacets<S>, "name" | "summary" | "inputs" | "attributes"> {
  readonly versions: readonly (number | OperatorVersion)[];
  readonly shape: (context: NodeView<S>) => Dim[];
}

/** An operator that does nothing but change the shape of its first input. */
function reshaping<const S extends AttributeSchema>(declaration: ReshapeDeclaration<S>): Operator {
  const { versions, shape, ...rest } = declaration;
  return defineOperator<S>({
    ...rest,
    versions: versions.map((version) => (typeof version === "number" ? { since: version } : version)),
    infer: (context) => [{ dtype: context.input(0).dtype, shape: shape(context) }],
    elements: (context) => (context.node.outputs[0]!.rank <= 1 ? shapeElements(context) : null),
    view: (context, input) => reshapeStrided(input, context.node.outputs[0]!.shape),
    injective: (context, indices) => {
      const { shape: from } = context.input(0);
      const to = context.node.outputs[0]!.shape;
      return context.load(
        0,
        reshapeIndices(from, to, indices, (dim) => context.dim(dim)),
      );
    },
    evaluate: (context) => {
      const { dtype, dims } = context.outputs[0]!;
      return [tensor(dtype, dims, context.input(0).data)];
    },
  });
}

/** Elements of the first input as dims, if it is one of those that shape arithmetic follows. */
export function shapeElements(context: NodeView): readonly Dim[] | null {
  const { dtype, constant } = context.input(0);
  if (constant !== null || (dtype !== "int32" && dtype !== "int64")) return null;
  return context.elements(0);
}

/**
 * Indices of the element of a tensor of shape `from` that lies, row-major, where `indices` point in shape `to`. Dims
 * that both shapes share keep their index, so that only what is split or merged needs arithmetic.
 */
export function reshapeIndices(
  from: readonly Dim[],
  to: readonly Dim[],
  indices: readonly Expr[],
  dim: (dim: Dim) => Expr,
): Expr[] {
  const result: Expr[] = from.map(() => i32Constant(0));
  for (const { source, target } of matchedRuns(from, to)) {
    let place: Expr = i32Constant(0);
    for (const axis of target) place = add(mul(place, dim(to[axis]!)), indices[axis]!);
    for (const axis of [...source].reverse()) {
      const isOutermost = axis === source[0];
      result[axis] = isOutermost ? place : rem(place, dim(from[axis]!));
      if (!isOutermost) place = div(place, dim(from[axis]!));
    }
  }
  return result;
}

/** Shortest runs of dims, from the last to the first, that have equally many elements in both shapes. */
function matchedRuns(from: readonly Dim[], to: readonly Dim[]): { source: number[]; target: number[] }[] {
  const runs: { source: number[]; target: number[] }[] = [];
  const sourceAxes = from.flatMap((dim, axis) => (dim === 1 ? [] : [axis]));
  const targetAxes = to.flatMap((dim, axis) => (dim === 1 ? [] : [axis]));
  while (sourceAxes.length > 0 || targetAxes.length > 0) {
    const run = { source: [] as number[], target: [] as number[] };
    let [inSource, inTarget]: [Dim, Dim] = [1, 1];
    do {
      const fewer = isStatic(inSource) && isStatic(inTarget) && inSource < inTarget;
      const fromSource = run.source.length === 0 || fewer ? sourceAxes : targetAxes;
      const axes = fromSource.length > 0 ? fromSource : fromSource === sourceAxes ? targetAxes : sourceAxes;
      const axis = axes.pop();
      if (axis === undefined) break;
      if (axes === sourceAxes) {
        run.source.unshift(axis);
        inSource = multiplyDims(inSource, from[axis]!);
      } else {
        run.target.unshift(axis);
        inTarget = multiplyDims(inTarget, to[axis]!);
      }
    } while (!equalDims(inSource, inTarget));
    runs.push(run);
  }
  return runs;
}

const reshapeAttributes = { allowzero: attribute.int(0) } as const;

/** The wanted shape: 0 keeps the input's dim (unless `allowzero`), and one -1 takes what is left. */
function reshapedShape(context: NodeView<typeof reshapeAttributes>): Dim[] {
  const { shape } = context.input(0);
  const wanted = context.requireIntegers(1);
  if (context.input(1).rank !== 1)
    context.fail(`shape has ${context.input(1).rank} dims, not one`, "E_SHAPE");
  const text = `[${wanted.map(printDim).join(", ")}]`;
  const kept = wanted.map((dim, axis) => {
    if (dim !== 0 || context.attributes.allowzero !== 0) return dim;
    return shape[axis] ?? context.fail(`shape ${text} keeps dim ${axis} of ${shape.length}`, "E_SHAPE");
  });
  if (kept.some((dim) => isStatic(dim) && dim < -1) || kept.filter((dim) => dim === -1).length > 1) {
    context.fail(`shape ${text} is not one`, "E_SHAPE");
  }
  const total = productOfDims(shape);
  const known = productOfDims(kept.filter((dim) => dim !== -1));
  const open = kept.indexOf(-1);
  if (open >= 0) {
    if (known === 0) context.fail(`-1 in shape ${text} is not defined where another dim is 0`, "E_SHAPE");
    kept[open] = floorDivDims(total, known);
  }
  const reason = `[${shape.map(printDim).join(", ")}] does not reshape to ${text}`;
  context.requireEqual(total, productOfDims(kept), reason);
  return kept;
}

/** A shape that is known only at run time: what 0 and -1 stand for is computed there. */
function resolveShape(
  b: GraphBuilder,
  inputs: (Value | null)[],
  { attributes: { allowzero } }: ImportedNode,
): Value[] {
  const [x, shape] = inputs as [Value, Value];
  const attributes = { allowzero: allowzero as number };
  const count = shape?.shape[0];
  const isIndex = shape.dtype === "int64" || shape.dtype === "int32";
  if (elementsOf(shape) !== null || !isIndex || shape.rank !== 1 || count === undefined || !isStatic(count)) {
    return [b.op("Reshape", [x, shape], attributes)];
  }
  const zero = b.ints([0]);
  const one = b.ints([1]);
  let wanted = shape.dtype === "int64" ? shape : b.op("Cast", [shape], { to: 7 });
  if (attributes.allowzero === 0) {
    const dims = b.op("Shape", [x]);
    const kept = Array.from({ length: count }, (_, i) =>
      i < x.rank ? b.op("Slice", [dims, b.ints([i]), b.ints([i + 1])]) : zero,
    );
    const source = count === 0 ? wanted : b.op("Concat", kept, { axis: 0 });
    wanted = b.op("Where", [b.op("Equal", [wanted, zero]), source, wanted]);
  }
  const isOpen = b.op("Equal", [wanted, b.ints([-1])]);
  const known = b.op("ReduceProd", [b.op("Where", [isOpen, one, wanted])], { keepdims: 1 });
  const divisor = b.op("Max", [known, one]);
  const rest = b.op("Div", [b.op("Reshape", [b.op("Size", [x]), one]), divisor]);
  const resolved = b.op("Where", [isOpen, rest, wanted]);
  return [b.op("Reshape", [x, b.symbols(resolved)], { allowzero: 1 })];
}

const Reshape = reshaping({
  name: "Reshape",
  summary: "The elements, in order, under another shape.",
  inputs: ["data", "shape"],
  attributes: reshapeAttributes,
  versions: [
    oldVersion(
      1,
      { shape: attribute.required("ints") },
      (b, [x], { attributes }) => [b.op("Reshape", [x!, b.ints(attributes.shape)])],
      ["data"],
    ),
    ...[5, 13, 14, 19, 21, 23, 24, 25].map((since) => ({ since, upgrade: resolveShape })),
  ],
  shape: reshapedShape,
});

const Flatten = reshaping({
  name: "Flatten",
  summary: "Merges the dims before an axis, and those from it on.",
  inputs: ["input"],
  attributes: { axis: attribute.int(1) },
  versions: [1, 9, 11, 13, 21, 23, 24, 25],
  shape: (context) => {
    const { shape, rank } = context.input(0);
    const { axis } = context.attributes;
    if (axis < -rank || axis > rank) context.fail(`axis ${axis} of a tensor of ${rank} dims`);
    const start = axis < 0 ? axis + rank : axis;
    return [productOfDims(shape.slice(0, start)), productOfDims(shape.slice(start))];
  },
});

/** Axes as an attribute, as before opset 13. */
const axesAttribute = (name: string, since: number): OperatorVersion =>
  oldVersion(
    since,
    { axes: attribute.optional("ints") },
    (b: GraphBuilder, [x], { attributes: { axes } }) => [
      b.op(name, [x!, axes === undefined ? null : b.ints(axes)]),
    ],
    ["data"],
  );

const Squeeze = reshaping({
  name: "Squeeze",
  summary: "Removes dims of one element: those named, or all.",
  inputs: ["data", "axes?"],
  attributes: {},
  versions: [axesAttribute("Squeeze", 1), axesAttribute("Squeeze", 11), 13, 21, 23, 24, 25],
  shape: (context) => {
    const { shape, rank } = context.input(0);
    if (context.optional(1) === null) {
      for (const dim of shape) {
        const reason = `${printDim(dim)} is 1 at run time: which dims go must be known, so name the axes`;
        if (!isStatic(dim)) context.requireEqual(equalityOfDims(dim, 1), 0, reason);
      }
      return shape.filter((dim) => dim !== 1);
    }
    const axes = context.requireIntegers(1);
    if (axes.length > rank) context.fail(`has ${axes.length} axes for ${rank} dims`, "E_SHAPE");
    const flags = axisFlags(axes, rank, context);
    flags.forEach((flag, axis) => {
      const dim = shape[axis]!;
      context.requireEqual(selectDims(flag, dim, 1), 1, `dim ${axis} is ${printDim(dim)}, not 1`);
    });
    const kept = flags.map((flag) => subtractDims(1, flag));
    return pickDims(shape, kept, rank - axes.length);
  },
});

const Unsqueeze = reshaping({
  name: "Unsqueeze",
  summary: "Inserts dims of one element; axes count the dims of the result.",
  inputs: ["data", "axes"],
  attributes: {},
  versions: [axesAttribute("Unsqueeze", 1), axesAttribute("Unsqueeze", 11), 13, 21, 23, 24, 25],
  shape: (context) => {
    const { shape } = context.input(0);
    const axes = context.requireIntegers(1);
    const rank = shape.length + axes.length;
    let before: Dim = 0; // dims of the input that lie before
    return axisFlags(axes, rank, context).map((isNew) => {
      const dim = shape.reduce<Dim>(
        (sum, one, i) => addDims(sum, multiplyDims(equalityOfDims(before, i), one)),
        0,
      );
      before = addDims(before, subtractDims(1, isNew));
      return groupDim(selectDims(isNew, 1, dim));
    });
  },
});

export const reshapeOperators: readonly Operator[] = [Reshape, Flatten, Squeeze, Unsqueeze];
