/** Slice. */

import {
  addDims,
  type Dim,
  equalityOfDims,
  floorDivDims,
  groupDim,
  isStatic,
  maxDims,
  minDims,
  multiplyDims,
  negativityOfDim,
  selectDims,
  subtractDims,
} from "../ir/dim.js";
import { add, mul } from "../loop/builder.js";
import { fromStart, normaliseAxes } from "./axes.js";
import { gatherStrided, rowMajorStrides } from "./movement.js";
import { attribute, defineOperator, type NodeView, type Operator, oldVersion } from "./operator.js";
import { shapeElements } from "./reshape.js";

/** What is taken of one axis. */
interface Range {
  readonly start: Dim;
  readonly step: Dim;
  readonly count: Dim;
}

type SliceView = Pick<NodeView, "fail" | "requireIntegers" | "optional" | "input">;

/** The range of every axis, those that are not sliced included. */
function rangesOf(context: SliceView): Range[] {
  const { shape, rank } = context.input(0);
  const [starts, ends] = [context.requireIntegers(1), context.requireIntegers(2)];
  const given = (i: number) => (context.optional(i) === null ? null : context.requireIntegers(i));
  const axes = given(3) ?? starts.map((_, i) => i);
  const steps = given(4) ?? starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
    context.fail("starts, ends, axes and steps differ in length", "E_SHAPE");
  }
  normaliseAxes(axes.filter(isStatic), rank, context);
  return shape.map((dim, axis) => {
    let range: Range = { start: 0, step: 1, count: dim };
    axes.forEach((named, i) => {
      const isThis = equalityOfDims(fromStart(named, rank), axis);
      if (isThis === 0) return;
      if (steps[i] === 0) context.fail("a step is 0");
      range = choose(isThis, rangeOf(dim, starts[i]!, ends[i]!, steps[i]!), range);
    });
    return range;
  });
}

const choose = (flag: Dim, a: Range, b: Range): Range => ({
  start: selectDims(flag, a.start, b.start),
  step: selectDims(flag, a.step, b.step),
  count: groupDim(selectDims(flag, a.count, b.count)),
});

/** Negative bounds count from the end; what then lies outside is brought to the nearest place inside. */
function rangeOf(dim: Dim, start: Dim, end: Dim, step: Dim): Range {
  if (isStatic(step)) return boundedRange(dim, start, end, step, step < 0);
  const isBackward = negativityOfDim(step);
  return choose(
    isBackward,
    boundedRange(dim, start, end, step, true),
    boundedRange(dim, start, end, step, false),
  );
}

function boundedRange(dim: Dim, start: Dim, end: Dim, step: Dim, isBackward: boolean): Range {
  const last = isBackward ? subtractDims(dim, 1) : dim;
  const place = (bound: Dim, first: number): Dim => {
    if (isStatic(bound) && bound >= BEYOND) return last;
    if (isStatic(bound) && bound <= -BEYOND) return first;
    return minDims(maxDims(fromStart(bound, dim), first), last);
  };
  const [from, to] = [place(start, 0), place(end, isBackward ? -1 : 0)];
  // ceil((to - from) / step), whatever the sign of the step
  const count = multiplyDims(floorDivDims(subtractDims(from, to), step), -1);
  return { start: from, step, count: maxDims(0, count) };
}

/** Bounds of at least this size stand for the end itself, whatever the dim. */
const BEYOND = 2 ** 31 - 1;

const Slice = defineOperator({
  name: "Slice",
  summary: "Every step-th element between two bounds, on any of the axes.",
  inputs: ["data", "starts", "ends", "axes?", "steps?"],
  attributes: {},
  versions: [
    oldVersion(
      1,
      {
        axes: attribute.optional("ints"),
        ends: attribute.required("ints"),
        starts: attribute.required("ints"),
      },
      (b, [x], { attributes: { starts, ends, axes } }) => [
        b.op("Slice", [x!, b.ints(starts), b.ints(ends), axes === undefined ? null : b.ints(axes)]),
      ],
      ["data"],
    ),
    ...[10, 11, 13].map((since) => ({ since })),
  ],
  infer: (context) => {
    const { dtype } = context.input(0);
    return [{ dtype, shape: rangesOf(context).map(({ count }) => count) }];
  },
  elements: (context) => {
    const elements = context.input(0).rank === 1 ? shapeElements(context) : null;
    const [range] = rangesOf(context);
    if (elements === null || !isStatic(range!.start) || !isStatic(range!.count)) return null;
    if (!isStatic(range!.step)) return null;
    const { start, step, count } = range as { start: number; step: number; count: number };
    return Array.from({ length: count }, (_, i) => elements[start + i * step]!);
  },
  view: (context, input) => {
    const ranges = rangesOf(context);
    // Memory is walked upwards from where a buffer starts: what runs backwards is read element by element instead.
    if (!ranges.every(({ step }) => isStatic(step) && step > 0)) return null;
    const offsets = ranges.map(({ start }, axis) => multiplyDims(start, input.strides[axis]!));
    return {
      shape: ranges.map(({ count }) => count),
      offset: offsets.reduce(addDims, input.offset),
      strides: ranges.map(({ step }, axis) => multiplyDims(input.strides[axis]!, step)),
    };
  },
  injective: (context, indices) =>
    context.load(
      0,
      rangesOf(context).map(({ start, step }, axis) =>
        add(mul(indices[axis]!, context.dim(step)), context.dim(start)),
      ),
    ),
  evaluate: (context) => {
    const x = context.input(0);
    const strides = rowMajorStrides(x.dims);
    const ranges = rangesOf(context.view);
    const offset = ranges.reduce((sum, { start }, axis) => sum + Number(start) * strides[axis]!, 0);
    const steps = ranges.map(({ step }, axis) => Number(step) * strides[axis]!);
    return [gatherStrided(x, context.outputs[0]!.dims, steps, offset)];
  },
});

export const sliceOperators: readonly Operator[] = [Slice];
