/** Operators that pick elements at places that a tensor of indices names. Negative indices count from the end. */

import { addDims, type Dim, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import { printType, type Value } from "../ir/graph.js";
import { minIndex, op, select, sub } from "../loop/builder.js";
import { normaliseAxes } from "./axes.js";
import { checkIndices, indexChecks, loadIndex } from "./indices.js";
import { injective } from "./injective.js";
import { decodeElements } from "./numbers.js";
import { attribute, type NodeView, type Operator } from "./operator.js";
import { shapeElements } from "./reshape.js";

const gatherAttributes = { axis: attribute.int(0) } as const;

const axisOf = (context: NodeView<typeof gatherAttributes>): number =>
  normaliseAxes([context.attributes.axis], context.input(0).rank, context)[0]!;

const Gather = injective({
  name: "Gather",
  summary: "Parts of a tensor along an axis, at the given indices.",
  inputs: ["data", "indices"],
  attributes: gatherAttributes,
  versions: [1, 11, 13],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const axis = axisOf(context);
    checkIndices(context, 1, [shape[axis]!]);
    return [{ dtype, shape: [...shape.slice(0, axis), ...context.input(1).shape, ...shape.slice(axis + 1)] }];
  },
  checks: (context) => indexChecks(context, 1, [context.input(0).shape[axisOf(context)]!]),
  elements: (context) => {
    const elements = context.input(0).rank === 1 ? shapeElements(context) : null;
    const indices = context.elements(1);
    if (elements === null || !indices?.every(isStatic) || context.input(1).rank > 1) return null;
    return indices.map((index) => elements.at(index)!);
  },
  view: (context, input) => {
    const axis = axisOf(context);
    const line = progression(context, input.shape[axis]!);
    if (line === null) return null;
    const stride = input.strides[axis]!;
    const own = context.input(1).rank === 0 ? [] : [multiplyDims(stride, line.step)];
    return {
      shape: context.node.outputs[0]!.shape,
      offset: addDims(input.offset, multiplyDims(stride, line.start)),
      strides: [...input.strides.slice(0, axis), ...own, ...input.strides.slice(axis + 1)],
    };
  },
  injective: (context, indices) => {
    const axis = axisOf(context);
    const { rank } = context.input(1);
    const index = loadIndex(context, 1, indices.slice(axis, axis + rank), context.input(0).shape[axis]!);
    return context.load(0, [...indices.slice(0, axis), index, ...indices.slice(axis + rank)]);
  },
});

/** Constant indices that rise by equal steps, as a slice has them. */
function progression(context: NodeView, dim: Dim): { start: number; step: number } | null {
  const { constant, rank } = context.input(1);
  if (constant === null || rank > 1 || !isStatic(dim) || constant.data.length === 0) return null;
  const indices = Array.from(decodeElements(constant), (index) => (index < 0 ? index + dim : index));
  const start = indices[0]!;
  const step = indices.length > 1 ? indices[1]! - start : 1;
  const isLine = step > 0 && indices.every((index, i) => index === start + i * step);
  return isLine ? { start, step } : null;
}

const GatherElements = injective({
  name: "GatherElements",
  summary: "For each index, the element at its place with the index put in for one axis.",
  inputs: ["data", "indices"],
  attributes: gatherAttributes,
  versions: [11, 13],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    const indices = context.input(1);
    if (indices.rank !== rank) context.fail(`has indices of ${indices.rank} dims for ${rank}`, "E_SHAPE");
    const axis = axisOf(context);
    checkIndices(context, 1, [shape[axis]!]);
    const isLarger = (dim: Dim, i: number) => isStatic(dim) && isStatic(shape[i]!) && dim > shape[i];
    const larger = indices.shape.findIndex((dim, i) => i !== axis && isLarger(dim, i));
    if (larger >= 0) context.fail(`has more indices than elements on axis ${larger}`, "E_SHAPE");
    return [{ dtype, shape: indices.shape }];
  },
  checks: (context) => indexChecks(context, 1, [context.input(0).shape[axisOf(context)]!]),
  injective: (context, indices) => {
    const axis = axisOf(context);
    const index = loadIndex(context, 1, indices, context.input(0).shape[axis]!);
    return context.load(0, indices.with(axis, index));
  },
});

const batchAttributes = { batch_dims: attribute.int(0) } as const;

/** How many dims of the data each index tuple addresses. */
function tupleSize(context: NodeView<typeof batchAttributes>): number {
  const { shape, rank } = context.input(1);
  const batch = context.attributes.batch_dims;
  const last = shape[rank - 1];
  if (last === undefined || !isStatic(last)) return context.fail("the last dim of its indices must be known");
  const open = context.input(0).rank - batch;
  if (batch < 0 || batch >= rank || last > open) {
    context.fail(`indices of ${last} numbers for ${open} dims behind ${batch} of the batch`, "E_SHAPE");
  }
  return last;
}

const GatherND = injective({
  name: "GatherND",
  summary: "Parts of a tensor at indices for its first dims, behind those of the batch.",
  inputs: ["data", "indices"],
  attributes: batchAttributes,
  versions: [{ since: 11, attributes: {} }, 12, 13],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const { batch_dims: batch } = context.attributes;
    const size = tupleSize(context);
    const ofIndices = context.input(1).shape;
    const differs = shape.slice(0, batch).findIndex((dim, axis) => {
      const other = ofIndices[axis]!;
      return isStatic(dim) && isStatic(other) && dim !== other;
    });
    if (differs >= 0) context.fail(`data and indices differ on axis ${differs} of the batch`, "E_SHAPE");
    checkIndices(context, 1, shape.slice(batch, batch + size));
    return [{ dtype, shape: [...context.input(1).shape.slice(0, -1), ...shape.slice(batch + size)] }];
  },
  checks: (context) => {
    const { batch_dims: batch } = context.attributes;
    return indexChecks(context, 1, context.input(0).shape.slice(batch, batch + tupleSize(context)));
  },
  injective: (context, indices) => {
    const { batch_dims: batch } = context.attributes;
    const size = tupleSize(context);
    const outer = context.input(1).rank - 1;
    const { shape } = context.input(0);
    const picked = Array.from({ length: size }, (_, i) => {
      const at = [...indices.slice(0, outer), context.dim(i)];
      return loadIndex(context, 1, at, shape[batch + i]!);
    });
    return context.load(0, [...indices.slice(0, batch), ...picked, ...indices.slice(outer)]);
  },
});

const reverseAttributes = { batch_axis: attribute.int(1), time_axis: attribute.int(0) } as const;

/** The axis along which sequences run, and the one that counts them. */
function sequenceAxes(context: NodeView<typeof reverseAttributes>): { time: number; batch: number } {
  const { batch_axis, time_axis } = context.attributes;
  const { rank } = context.input(0);
  const [time] = normaliseAxes([time_axis], rank, context) as [number];
  const [batch] = normaliseAxes([batch_axis], rank, context) as [number];
  if (time === batch) context.fail(`batch_axis and time_axis are both ${time}`);
  return { time, batch };
}

const knownElements = ({ constant }: Value): number[] =>
  constant === null ? [] : Array.from(decodeElements(constant));

const ReverseSequence = injective({
  name: "ReverseSequence",
  summary: "Turns the first elements of each sequence round, as many as its length says.",
  inputs: ["input", "sequence_lens"],
  attributes: reverseAttributes,
  versions: [10],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const lengths = context.input(1);
    const { batch } = sequenceAxes(context);
    if (lengths.dtype !== "int64" || lengths.rank !== 1) {
      context.fail(`sequence_lens is ${printType(lengths.type)}, not a list of int64`);
    }
    const [count, given] = [shape[batch]!, lengths.shape[0]!];
    if (isStatic(count) && isStatic(given) && count !== given) {
      context.fail(`has ${given} lengths for ${count} sequences`, "E_SHAPE");
    }
    const longest = shape[sequenceAxes(context).time]!;
    const wrong = knownElements(lengths).find(
      (length) => length < 0 || (isStatic(longest) && length > longest),
    );
    if (wrong !== undefined)
      context.fail(`a sequence of ${wrong} elements, of ${printDim(longest)}`, "E_SHAPE");
    return [{ dtype, shape }];
  },
  checks: (context) => {
    const dim = context.input(0).shape[sequenceAxes(context).time]!;
    return [{ input: 1, what: "sequence length", ranges: [{ least: 0, end: addDims(dim, 1) }] }];
  },
  injective: (context, indices) => {
    const { time, batch } = sequenceAxes(context);
    const length = op("i64_to_i32", context.load(1, [indices[batch]!]));
    const index = indices[time]!;
    const turned = sub(sub(minIndex(length, context.dim(context.input(0).shape[time]!)), 1), index);
    return context.load(0, indices.with(time, select(op("lt_s", index, length), turned, index)));
  },
});

export const indexingOperators: readonly Operator[] = [Gather, GatherElements, GatherND, ReverseSequence];
