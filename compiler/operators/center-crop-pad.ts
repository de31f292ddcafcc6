/** CenterCropPad. */

import {
  addDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  multiplyDims,
  printDim,
  subtractDims,
} from "../ir/dim.js";
import { add, constant, maxIndex, minIndex, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { axesInOrder } from "./axes.js";
import { injective } from "./injective.js";
import { attribute, type NodeView, type Operator } from "./operator.js";

const attributes = { axes: attribute.optional("ints") } as const;
type View = NodeView<typeof attributes>;

interface Centred {
  readonly from: Dim;
  readonly to: Dim;
  /** Elements that are cut off before those that stay, or (below 0) zeros that are put there. */
  readonly start: Dim;
}

function centred(context: View): Centred[] {
  const { shape, rank } = context.input(0);
  const sizes = context.requireIntegers(1);
  const given = context.attributes.axes;
  const axes = axesInOrder(given, rank, context);
  if (sizes.length !== axes.length) context.fail(`${sizes.length} sizes for ${axes.length} axes`, "E_SHAPE");
  return shape.map((from, axis) => {
    const to = axes.includes(axis) ? sizes[axes.indexOf(axis)]! : from;
    if (isStatic(to) && to < 0) context.fail(`size ${printDim(to)} is negative`, "E_SHAPE");
    const half = (dim: Dim): Dim => floorDivDims(maxDims(dim, 0), 2);
    return { from, to, start: subtractDims(half(subtractDims(from, to)), half(subtractDims(to, from))) };
  });
}

/** True where no element of the result can lie outside of the input. */
const isCut = ({ from, to }: Centred): boolean => {
  const rest = subtractDims(from, to);
  return isStatic(rest) && rest >= 0;
};

const CenterCropPad = injective({
  name: "CenterCropPad",
  summary: "Cuts axes down to their middle, or puts zeros around it.",
  inputs: ["input_data", "shape"],
  attributes,
  versions: [18],
  infer: (context) => [{ dtype: context.input(0).dtype, shape: centred(context).map(({ to }) => to) }],
  view: (context, input) => {
    const axes = centred(context);
    if (!axes.every(isCut)) return null;
    const offset = axes.reduce<Dim>(
      (sum, { start }, axis) => addDims(sum, multiplyDims(input.strides[axis]!, start)),
      input.offset,
    );
    return { shape: axes.map(({ to }) => to), offset, strides: input.strides };
  },
  injective: (context, indices) => {
    const conditions: Expr[] = [];
    const axes = centred(context);
    const zero = constant({ scalar: registerTypes[context.input(0).dtype], lanes: 1 }, 0);
    if (axes.some(({ from }) => from === 0)) return zero;
    const places = axes.map((axis, i) => {
      const place = add(indices[i]!, context.dim(axis.start));
      if (isCut(axis)) return place;
      const extent = context.dim(axis.from);
      conditions.push(op("lt_u", place, extent));
      return maxIndex(minIndex(place, sub(extent, 1)), 0);
    });
    const element = context.load(0, places);
    if (conditions.length === 0) return element;
    return select(
      conditions.reduce((all, one) => op("and", all, one)),
      element,
      zero,
    );
  },
});

export const cropOperators: readonly Operator[] = [CenterCropPad];
