/** Operators that only move elements. */

import { addDims, type Dim, minDims, multiplyDims } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { type BroadcastWay, broadcastIndex, broadcastPlace, broadcastShapes } from "./broadcast.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { broadcastStrides } from "./pointwise.js";
import { shapeElements } from "./reshape.js";

const everySince = (...versions: number[]) => versions.map((since) => ({ since }));

/** A tensor whose element at some indices is that of `x` at the place that these strides give. */
export function gatherStrided(
  x: TensorData,
  dims: readonly number[],
  strides: readonly number[],
  offset = 0,
): TensorData {
  const data = new dtypes[x.dtype].array(elementCount(dims));
  let at = 0;
  const walk = (axis: number, place: number): void => {
    if (axis === dims.length) {
      data[at++] = x.data[place]!;
      return;
    }
    const stride = strides[axis]!;
    for (let i = 0; i < dims[axis]!; i++) walk(axis + 1, place + i * stride);
  };
  // A dim beside an empty one may be of any size.
  if (data.length > 0) walk(0, offset);
  return tensor(x.dtype, dims, data);
}

/** Row-major strides in elements. */
export const rowMajorStrides = (dims: readonly number[]): number[] =>
  dims.map((_, axis) => elementCount(dims.slice(axis + 1)));

function permutation(context: NodeView<{ perm: { kind: "ints"; optional: true } }>): readonly number[] {
  const { rank } = context.input(0);
  const perm = context.attributes.perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const valid = perm.length === rank && [...perm].sort((a, b) => a - b).every((axis, i) => axis === i);
  if (!valid) context.fail(`perm [${perm}] is not a permutation of the ${rank} dims`);
  return perm;
}

const Transpose = defineOperator({
  name: "Transpose",
  summary: "Permutes the dims.",
  inputs: ["data"],
  attributes: { perm: attribute.optional("ints") },
  versions: everySince(1, 13, 21, 23, 24, 25),
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: permutation(context).map((axis) => shape[axis]!) }];
  },
  elements: (context) => (context.input(0).rank <= 1 ? shapeElements(context) : null),
  view: (context, input) => {
    const perm = permutation(context);
    return {
      shape: perm.map((axis) => input.shape[axis]!),
      offset: input.offset,
      strides: perm.map((axis) => input.strides[axis]!),
    };
  },
  injective: (context, indices) => {
    const perm = permutation(context);
    return context.load(
      0,
      perm.map((_, axis) => indices[perm.indexOf(axis)]!),
    );
  },
  evaluate: ({ input, attributes, outputs }) => {
    const x = input(0);
    const perm = attributes.perm ?? x.dims.map((_, i) => x.dims.length - 1 - i);
    const strides = rowMajorStrides(x.dims);
    return [
      gatherStrided(
        x,
        outputs[0]!.dims,
        perm.map((axis) => strides[axis]!),
      ),
    ];
  },
});

/** The importer keeps an Identity only where a graph output needs a name of its own. */
const Identity = defineOperator({
  name: "Identity",
  summary: "The input itself.",
  inputs: ["input"],
  attributes: {},
  versions: [1, 13, 14, 16, 19, 21, 23, 24, 25].map((since) => ({ since, upgrade: (_, [x]) => [x!] })),
  infer: (context) => [{ dtype: context.input(0).dtype, shape: context.input(0).shape }],
  elements: shapeElements,
  view: (_, input) => input,
  injective: (context, indices) => context.load(0, indices),
  evaluate: ({ input }) => [input(0)],
});

/** How the dims of the input meet those of the result. */
function expandedWays(context: NodeView): BroadcastWay[] {
  const { shape: from } = context.input(0);
  const wanted = context.requireIntegers(1);
  const { shape } = context.node.outputs[0]!;
  return from.map((dim, axis) => {
    const fromEnd = from.length - axis;
    const other = wanted[wanted.length - fromEnd] ?? 1;
    return broadcastIndex(dim, [dim, other], shape[shape.length - fromEnd]!);
  });
}

const Expand = defineOperator({
  name: "Expand",
  summary: "Repeats dims of one element, so that the tensor takes the shape that it broadcasts to.",
  inputs: ["input", "shape"],
  attributes: {},
  versions: everySince(8, 13),
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: broadcastShapes([shape, context.requireIntegers(1)], context) }];
  },
  view: (context, input) => {
    const { shape } = context.node.outputs[0]!;
    const lead = shape.length - input.shape.length;
    const ways = expandedWays(context);
    const strides = shape.map((_, axis): Dim => {
      if (axis < lead || ways[axis - lead] === "zero") return 0;
      const [dim, stride] = [input.shape[axis - lead]!, input.strides[axis - lead]!];
      return ways[axis - lead] === "index" ? stride : multiplyDims(stride, minDims(addDims(dim, -1), 1));
    });
    return { shape, offset: input.offset, strides };
  },
  injective: (context, indices) => {
    const { shape, rank } = context.input(0);
    const lead = context.node.outputs[0]!.rank - rank;
    const own = expandedWays(context).map((way, axis) =>
      broadcastPlace(way, indices[axis + lead]!, () => context.dim(shape[axis]!)),
    );
    return context.load(0, own);
  },
  evaluate: ({ input, outputs }) => {
    const { dims } = outputs[0]!;
    return [gatherStrided(input(0), dims, broadcastStrides(input(0).dims, dims))];
  },
});

export const movementOperators: readonly Operator[] = [Transpose, Identity, Expand];
