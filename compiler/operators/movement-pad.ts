/** Pad: elements around a tensor, made up or repeated; negative amounts cut instead. */

import {
  addDims,
  type Dim,
  equalityOfDims,
  groupDim,
  isStatic,
  maxDims,
  minDims,
  multiplyDims,
  subtractDims,
} from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { add, constant, maxIndex, minIndex, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { fromStart, normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { injective } from "./injective.js";
import { flooredRemainder } from "./integer.js";
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

/** What happens to an axis: negative amounts cut elements off before others are put there. */
interface Padding {
  /** Elements put before and after. */
  readonly before: Dim;
  readonly after: Dim;
  /** Elements cut off before, and those that are left of the axis. */
  readonly cut: Dim;
  readonly left: Dim;
}

const negative = (amount: Dim): Dim => maxDims(subtractDims(0, amount), 0);

function paddings(context: PadView): Padding[] {
  const { shape, rank } = context.input(0);
  const pads = context.requireIntegers(1);
  const axes = context.optional(3) === null ? undefined : context.requireIntegers(3);
  const count = axes?.length ?? rank;
  if (pads.length !== 2 * count) context.fail(`has ${pads.length} pads for ${count} axes`, "E_SHAPE");
  if (axes !== undefined) normaliseAxes(axes.filter(isStatic), rank, context);
  return shape.map((dim, axis) => {
    const amount = (side: readonly Dim[]): Dim =>
      axes === undefined ? side[axis]! : amountOf(axes, side, axis, rank);
    const [before, after] = [amount(pads.slice(0, count)), amount(pads.slice(count))];
    return {
      before: maxDims(before, 0),
      after: maxDims(after, 0),
      cut: negative(before),
      left: subtractDims(dim, addDims(negative(before), negative(after))),
    };
  });
}

/** The amount that is given for an axis, 0 where none is. */
const amountOf = (axes: readonly Dim[], amounts: readonly Dim[], axis: number, rank: number): Dim =>
  axes
    .map((given, i) => multiplyDims(equalityOfDims(fromStart(given, rank), axis), amounts[i]!))
    .reduce(addDims, 0);

/** Where an index before the start or behind the end of what is left of an axis is taken from. */
const sources: Readonly<Record<string, (index: Expr, size: Dim, context: ElementContext) => Expr>> = {
  constant: (index, size, context) => nearest(index, context.dim(size)),
  edge: (index, size, context) => nearest(index, context.dim(size)),
  reflect: (index, size, context) => {
    // Of one element nothing is reflected but itself.
    const period = context.dim(maxDims(addDims(addDims(size, size), -2), 1));
    const place = flooredRemainder(index, period, "int32");
    return minIndex(place, sub(period, place));
  },
  wrap: (index, size, context) => flooredRemainder(index, context.dim(size), "int32"),
};

const nearest = (index: Expr, size: Expr): Expr => maxIndex(minIndex(index, sub(size, 1)), 0);

function paddedElement(context: ElementContext<typeof padAttributes>, indices: readonly Expr[]): Expr {
  const { dtype } = context.input(0);
  const { mode } = context.attributes;
  const value = (): Expr => {
    const given = context.optional(2);
    if (given === null) return constant({ scalar: registerTypes[dtype], lanes: 1 }, 0);
    return context.load(
      2,
      given.shape.map(() => context.dim(0)),
    );
  };
  const axes = paddings(context);
  if (axes.some(({ left }) => left === 0)) return value();
  const conditions: Expr[] = [];
  const places = axes.map(({ before, after, cut, left }, axis) => {
    if (before === 0 && after === 0) return add(indices[axis]!, context.dim(cut));
    const index = sub(indices[axis]!, context.dim(before));
    if (mode === "constant") conditions.push(op("lt_u", index, context.dim(left)));
    const place = add(sources[mode]!(index, left, context), context.dim(cut));
    // Where nothing is left the element is loaded, but not taken: from inside the tensor, or, where that is empty, from
    // the start of the arena, where empty blocks are placed, and behind which the result is at least as long.
    return isStatic(left) ? place : nearest(place, context.dim(context.input(0).shape[axis]!));
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
    const { dtype } = context.input(0);
    const { mode } = context.attributes;
    if (!Object.hasOwn(sources, mode)) context.fail(`mode "${mode}" is not defined`);
    const value = context.optional(2);
    if (value !== null && value.dtype !== dtype) context.fail(`pads ${dtype} with ${value.dtype}`);
    const result = paddings(context).map(({ before, after, left }, axis) => {
      context.requireEqual(minDims(left, 0), 0, `cuts more than axis ${axis} has`);
      const made = addDims(before, after);
      if (mode !== "constant") {
        const fromNothing = multiplyDims(equalityOfDims(left, 0), made);
        context.requireEqual(fromNothing, 0, `mode "${mode}" on axis ${axis} without elements`);
      }
      return groupDim(addDims(left, made)); // nothing is negative here, as left is not
    });
    return [{ dtype, shape: result }];
  },
  injective: paddedElement,
});

export const padOperators: readonly Operator[] = [Pad];
