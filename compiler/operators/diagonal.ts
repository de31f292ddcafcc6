/** Diagonals, which are views: a step along one goes a step along both dims. */

import { addDims, type Dim, equalDims, isStatic } from "../ir/dim.js";
import { injective } from "./injective.js";
import { attribute, type Operator } from "./operator.js";

/** Of the two axes, the first is the lesser one. */
const Diagonal = injective({
  name: "Diagonal",
  domain: "kiln",
  summary: "Elements at equal indices of two dims, which become one in the place of the first.",
  inputs: ["X"],
  attributes: { axes: attribute.ints([0, 1]) },
  versions: [1],
  infer: ({ input, attributes, fail }) => {
    const { dtype, shape } = input(0);
    const [first, second] = attributes.axes.map((axis) => shape[axis]!) as [Dim, Dim];
    if (isStatic(first) && isStatic(second) && !equalDims(first, second))
      fail(`a diagonal of dims ${first} and ${second}`, "E_SHAPE");
    return [{ dtype, shape: shape.filter((_, axis) => axis !== attributes.axes[1]) }];
  },
  view: ({ attributes: { axes } }, { shape, offset, strides }) => {
    const [first, second] = axes as [number, number];
    const both = strides.with(first, addDims(strides[first]!, strides[second]!));
    const kept = (dims: readonly Dim[]): Dim[] => dims.filter((_, axis) => axis !== second);
    return { shape: kept(shape), offset, strides: kept(both) };
  },
  injective: ({ load, attributes: { axes } }, indices) => {
    const [first, second] = axes as [number, number];
    return load(0, indices.toSpliced(second, 0, indices[first]!));
  },
});

export const diagonalOperators: readonly Operator[] = [Diagonal];
