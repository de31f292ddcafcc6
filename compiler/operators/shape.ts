/** Operators that give shapes as tensors. */

import { productOfDims } from "../ir/dim.js";
import { tensorOf } from "../ir/tensor.js";
import { type AttributesOf, attribute, defineOperator, type Operator } from "./operator.js";

const shapeAttributes = { start: attribute.int(0), end: attribute.optional("int") } as const;

/** The dims from `start` to `end`; both count from the end where negative, and are limited to the rank. */
function range<D>(dims: readonly D[], attributes: AttributesOf<typeof shapeAttributes>): readonly D[] {
  const rank = dims.length;
  const { start, end = rank } = attributes;
  const place = (axis: number) => Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank);
  return dims.slice(place(start), place(end));
}

const Shape = defineOperator({
  name: "Shape",
  summary: "The dims of a tensor.",
  inputs: ["data"],
  attributes: shapeAttributes,
  versions: [
    { since: 1, attributes: {} },
    { since: 13, attributes: {} },
    ...[15, 19, 21, 23, 24, 25].map((since) => ({ since })),
  ],
  infer: ({ input, attributes }) => [{ dtype: "int64", shape: [range(input(0).shape, attributes).length] }],
  elements: ({ input, attributes }) => range(input(0).shape, attributes),
  evaluate: ({ input, attributes }) => {
    const dims = range(input(0).dims, attributes);
    return [tensorOf("int64", [dims.length], dims)];
  },
});

const Size = defineOperator({
  name: "Size",
  summary: "The number of elements of a tensor.",
  inputs: ["data"],
  attributes: {},
  versions: [1, 13, 19, 21, 23, 24, 25].map((since) => ({ since })),
  infer: () => [{ dtype: "int64", shape: [] }],
  elements: ({ input }) => [productOfDims(input(0).shape)],
  evaluate: ({ input }) => [tensorOf("int64", [], [input(0).data.length])],
});

export const shapeOperators: readonly Operator[] = [Shape, Size];
