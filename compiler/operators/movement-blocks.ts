/** Operators that repeat a tensor, or move elements between channels and places. */

import { type Dim, floorDivDims, isStatic, modDims, multiplyDims, printDim } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import { add, div, mul, rem } from "../loop/builder.js";
import { normaliseAxes } from "./axes.js";
import { injective } from "./injective.js";
import { attribute, elementsOf, type NodeView, type Operator, oldVersion } from "./operator.js";

/** How often each axis is repeated. */
function repeatsOf(context: NodeView): readonly Dim[] {
  const repeats = context.requireIntegers(1);
  const { rank } = context.input(0);
  if (repeats.length !== rank) context.fail(`has ${repeats.length} repeats for ${rank} dims`, "E_SHAPE");
  const negative = repeats.find((count) => isStatic(count) && count < 0);
  if (negative !== undefined) context.fail(`repeats a tensor ${printDim(negative)} times`, "E_SHAPE");
  return repeats;
}

/** Once it took the number of repeats and the axis as two numbers. */
const tileAlongAxis = oldVersion(
  1,
  {},
  (b, [x, tiles, axis], view) => {
    const [which] = elementsOf(axis!) ?? [];
    if (which === undefined || !isStatic(which)) {
      return view.fail("the axis must be known at compile time", "E_UNSUPPORTED");
    }
    const [along] = normaliseAxes([which], x!.rank, view);
    const count = b.op("Reshape", [b.op("Cast", [tiles!], { to: dtypes.int64.onnx }), b.ints([1])]);
    const parts = x!.shape.map((_, i) => (i === along ? count : b.ints([1])));
    return [b.op("Tile", [x!, b.op("Concat", parts, { axis: 0 })])];
  },
  ["input", "tiles", "axis"],
);

const Tile = injective({
  name: "Tile",
  summary: "Repeats a tensor along its axes.",
  inputs: ["input", "repeats"],
  attributes: {},
  versions: [tileAlongAxis, 6, 13],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: repeatsOf(context).map((count, axis) => multiplyDims(shape[axis]!, count)) }];
  },
  view: (context, input) => {
    const repeats = repeatsOf(context);
    if (repeats.some((count, axis) => count !== 1 && input.shape[axis] !== 1)) return null;
    const strides = repeats.map((count, axis) => (count === 1 ? input.strides[axis]! : 0));
    return { shape: context.node.outputs[0]!.shape, offset: input.offset, strides };
  },
  injective: (context, indices) => {
    const { shape } = context.input(0);
    const places = repeatsOf(context).map((count, axis) =>
      count === 1 ? indices[axis]! : rem(indices[axis]!, context.dim(shape[axis]!)),
    );
    return context.load(0, places);
  },
});

function imageShape(context: NodeView): readonly Dim[] {
  const { shape, rank } = context.input(0);
  if (rank !== 4) context.fail(`takes 4 dims, not ${rank}`, "E_SHAPE");
  return shape;
}

/** dim / size, which must be whole. */
function divided(context: NodeView, dim: Dim, size: number, what: string): Dim {
  if (size < 1) context.fail(`blocksize ${size} is not positive`);
  if (modDims(dim, size) !== 0 && isStatic(dim))
    context.fail(`${what} ${dim} is no multiple of ${size}`, "E_SHAPE");
  return floorDivDims(dim, size);
}

const depthAttributes = { blocksize: attribute.required("int"), mode: attribute.string("DCR") } as const;

const DepthToSpace = injective({
  name: "DepthToSpace",
  summary: "Spreads channels over square blocks of places.",
  inputs: ["input"],
  attributes: depthAttributes,
  versions: [{ since: 1, attributes: { blocksize: depthAttributes.blocksize } }, 11, 13],
  infer: (context) => {
    const { blocksize: size, mode } = context.attributes;
    if (mode !== "DCR" && mode !== "CRD") context.fail(`mode "${mode}" is not defined`);
    const [n, c, h, w] = imageShape(context) as [Dim, Dim, Dim, Dim];
    const channels = divided(context, c, size * size, "the number of channels");
    const shape = [n, channels, multiplyDims(h, size), multiplyDims(w, size)];
    return [{ dtype: context.input(0).dtype, shape }];
  },
  injective: (context, [n, c, h, w]) => {
    const { blocksize: size, mode } = context.attributes;
    const block = add(mul(rem(h!, size), size), rem(w!, size));
    const channel =
      mode === "DCR"
        ? add(mul(block, context.dim(context.node.outputs[0]!.shape[1]!)), c!)
        : add(mul(c!, size * size), block);
    return context.load(0, [n!, channel, div(h!, size), div(w!, size)]);
  },
});

const SpaceToDepth = injective({
  name: "SpaceToDepth",
  summary: "Gathers square blocks of places into channels.",
  inputs: ["input"],
  attributes: { blocksize: attribute.required("int") },
  versions: [1, 13],
  infer: (context) => {
    const { blocksize: size } = context.attributes;
    const [n, c, h, w] = imageShape(context) as [Dim, Dim, Dim, Dim];
    const [rows, columns] = [divided(context, h, size, "the height"), divided(context, w, size, "the width")];
    return [{ dtype: context.input(0).dtype, shape: [n, multiplyDims(c, size * size), rows, columns] }];
  },
  injective: (context, [n, c, h, w]) => {
    const { blocksize: size } = context.attributes;
    const channels = context.dim(context.input(0).shape[1]!);
    const block = div(c!, channels);
    const row = add(mul(h!, size), div(block, size));
    const column = add(mul(w!, size), rem(block, size));
    return context.load(0, [n!, rem(c!, channels), row, column]);
  },
});

export const blockOperators: readonly Operator[] = [Tile, DepthToSpace, SpaceToDepth];
