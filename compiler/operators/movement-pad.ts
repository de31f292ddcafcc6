/** Pad: elements around a tensor, made up or repeated; negative amounts cut instead. */

import { addDims, type Dim, isStatic } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { add, constant, maxIndex, minIndex, op, rem, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { injective } from "./injective.js";
import {
  type AttributesOf,
  attribute,
  type ElementContext,
  type NodeView,
  type Operator,
  oldVersion,
} from "./operator.js";

const padAttributes = { mode: attribute.string("constant") } as const;
type PadView = NodeView<typeof padAttributes>;

/** Elements put before (and after) those of each axis. */
function amounts(context: PadView): { before: number; after: number }[] {
  const { rank } = context.input(0);
  const pads = context.requireIntegers(1).map((amount) => {
    if (!isStatic(amount)) context.fail("pads by a number that is not known", "E_UNSUPPORTED");
    return amount as number;
  });
  const given = context.optional(3) === null ? null : context.requireIntegers(3).map(Number);
  const axes = given?.map((axis) => normaliseAxes([axis], rank, context)[0]!);
  const count = axes?.length ?? rank;
  if (pads.length !== 2 * count) context.fail(`has ${pads.length} pads for ${count} axes`, "E_SHAPE");
  return Array.from({ length: rank }, (_, axis) => {
    const i = axes === undefined ? axis : axes.indexOf(axis);
    return i < 0 ? { before: 0, after: 0 } : { before: pads[i]!, after: pads[i + count]! };
  });
}

/** Where an index before the start or behind the end of an axis is taken from. */
const sources: Readonly<Record<string, (index: Expr, dim: Expr, size: Dim, before: number) => Expr>> = {
  constant: (index, dim) => minIndex(maxIndex(index, 0), sub(dim, 1)),
  edge: (index, dim) => minIndex(maxIndex(index, 0), sub(dim, 1)),
  reflect: (index, dim, size, before) => {
    if (size === 1) return constant(index.type, 0);
    const period = sub(add(dim, dim), 2);
    const place = positiveRemainder(index, period, isStatic(size) ? 2 * size - 2 : null, before);
    return minIndex(place, sub(period, place));
  },
  wrap: (index, dim, size, before) => positiveRemainder(index, dim, isStatic(size) ? size : null, before),
};

/** The remainder of an index from -before on. */
function positiveRemainder(index: Expr, period: Expr, known: number | null, before: number): Expr {
  if (known === null) {
    // Whole periods do not matter: as many are added as there may be elements before.
    return rem(add(index, op("mul", period, Math.max(before, 0))), period);
  }
  return rem(add(index, Math.ceil(Math.max(before, 0) / known) * known), known);
}

function paddedElement(context: ElementContext<typeof padAttributes>, indices: readonly Expr[]): Expr {
  const { shape, dtype } = context.input(0);
  const { mode } = context.attributes;
  const scalar = registerTypes[dtype];
  const value = () =>
    context.optional(2) === null
      ? constant({ scalar, lanes: 1 }, 0)
      : context.load(
          2,
          context.input(2).shape.map(() => context.dim(0)),
        );
  const isEmpty = amounts(context).some(({ before, after }, axis) => {
    return addDims(shape[axis]!, Math.min(before, 0) + Math.min(after, 0)) === 0;
  });
  if (isEmpty) return value();
  const conditions: Expr[] = [];
  const places = amounts(context).map(({ before, after }, axis) => {
    // What is cut is gone before anything is repeated.
    const cut = Math.max(-before, 0);
    const size = addDims(shape[axis]!, -cut - Math.max(-after, 0));
    const index = sub(indices[axis]!, Math.max(before, 0));
    if (before <= 0 && after <= 0) return add(index, cut);
    if (mode === "constant") conditions.push(op("lt_u", index, context.dim(size)));
    return add(sources[mode]!(index, context.dim(size), size, before), cut);
  });
  const element = context.load(0, places);
  if (conditions.length === 0) return element;
  return select(
    conditions.reduce((all, one) => op("and", all, one)),
    element,
    value(),
  );
}

/** Pads and value were attributes before opset 11. */
const oldAttributes = { ...padAttributes, value: attribute.float(0) } as const;
const pads = attribute.required("ints");

function padOld(
  b: GraphBuilder,
  x: Value,
  amounts: readonly number[],
  { mode, value }: AttributesOf<typeof oldAttributes>,
): Value[] {
  return [b.op("Pad", [x, b.ints(amounts), fillValue(b, x, value)], { mode })];
}

const fillValue = (b: GraphBuilder, x: Value, value: number): Value | null =>
  value === 0 ? null : b.scalar(x.dtype, dtypes[x.dtype].kind === "float" ? value : Math.trunc(value));

const Pad = injective({
  name: "Pad",
  summary:
    "Puts elements around a tensor: a constant, those at the edge, or those inside reflected or repeated.",
  inputs: ["data", "pads", "constant_value?", "axes?"],
  attributes: padAttributes,
  versions: [
    oldVersion(
      1,
      { ...oldAttributes, paddings: pads },
      (b, [x], { attributes }) => padOld(b, x!, attributes.paddings, attributes),
      ["data"],
    ),
    oldVersion(
      2,
      { ...oldAttributes, pads },
      (b, [x], { attributes }) => padOld(b, x!, attributes.pads, attributes),
      ["data"],
    ),
    ...[11, 13, 18, 19, 21, 23, 24, 25],
  ],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const { mode } = context.attributes;
    if (!Object.hasOwn(sources, mode)) context.fail(`mode "${mode}" is not defined`);
    const value = context.optional(2);
    if (value !== null && value.dtype !== dtype) context.fail(`pads ${dtype} with ${value.dtype}`);
    const result = amounts(context).map(({ before, after }, axis) => {
      const dim = shape[axis]!;
      const left = addDims(dim, Math.min(before, 0) + Math.min(after, 0));
      if (isStatic(left) && left < 0) context.fail(`cuts more than axis ${axis} has`, "E_SHAPE");
      if (left === 0 && (before > 0 || after > 0) && mode !== "constant") {
        context.fail(`mode "${mode}" on axis ${axis} without elements`, "E_SHAPE");
      }
      return addDims(dim, before + after);
    });
    return [{ dtype, shape: result }];
  },
  injective: paddedElement,
});

export const padOperators: readonly Operator[] = [Pad];
