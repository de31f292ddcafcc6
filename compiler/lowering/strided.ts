/** Tensors seen in memory: a start and a stride for each dim, in elements. */

import { addDims, type Dim, equalDims, isStatic, multiplyDims } from "../ir/dim.js";

export interface Strided {
  readonly shape: readonly Dim[];
  /** Elements between the start of the buffer and the element at index zero. */
  readonly offset: Dim;
  readonly strides: readonly Dim[];
}

/** Dense strides for a shape whose dims lie in memory in the given order, outermost first. */
export function denseStrides(shape: readonly Dim[], layout?: readonly number[]): Dim[] {
  const order = layout ?? shape.map((_, i) => i);
  const strides: Dim[] = new Array(shape.length).fill(1);
  let stride: Dim = 1;
  for (const dim of [...order].reverse()) {
    strides[dim] = stride;
    stride = multiplyDims(stride, shape[dim]!);
  }
  return strides;
}

export const dense = (shape: readonly Dim[], layout?: readonly number[]): Strided => ({
  shape,
  offset: 0,
  strides: denseStrides(shape, layout),
});

/**
 * The same elements in row-major order under another shape, or null where strides cannot express it (as for merging
 * dims that are not adjacent in memory). Both shapes must have the same number of elements.
 */
export function reshapeStrided(input: Strided, shape: readonly Dim[]): Strided | null {
  const from = input.shape
    .map((dim, i) => ({ dim, stride: input.strides[i]! }))
    .filter(({ dim }) => dim !== 1);
  const runs = mergeRuns(from);
  const strides: Dim[] = new Array(shape.length).fill(0);
  let run = runs.length - 1;
  let inner: Dim = 1; // elements of the current run that lie inside the dims placed so far
  for (let i = shape.length - 1; i >= 0; i--) {
    const dim = shape[i]!;
    if (dim === 1) continue;
    const current = runs[run];
    if (current === undefined) return null;
    strides[i] = multiplyDims(current.stride, inner);
    inner = multiplyDims(inner, dim);
    if (equalDims(inner, current.dim)) {
      run -= 1;
      inner = 1;
    } else if (!isStatic(inner) || !isStatic(current.dim) || current.dim % inner !== 0) {
      return null;
    }
  }
  if (run >= 0 || inner !== 1) return null;
  fillUnitStrides(shape, strides);
  return { shape, offset: input.offset, strides };
}

/** Adjacent dims that behave as one: the outer stride is the inner stride times the inner extent. */
function mergeRuns(dims: readonly { dim: Dim; stride: Dim }[]): { dim: Dim; stride: Dim }[] {
  const runs: { dim: Dim; stride: Dim }[] = [];
  for (const { dim, stride } of dims) {
    const outer = runs.at(-1);
    if (outer !== undefined && equalDims(outer.stride, multiplyDims(dim, stride))) {
      runs[runs.length - 1] = { dim: multiplyDims(outer.dim, dim), stride };
    } else {
      runs.push({ dim, stride });
    }
  }
  return runs;
}

/** Dims of one element get the stride they would have in a dense tensor, so that printing and merging stay simple. */
function fillUnitStrides(shape: readonly Dim[], strides: Dim[]): void {
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1) continue;
    const next = i + 1 < shape.length ? multiplyDims(strides[i + 1]!, shape[i + 1]!) : 1;
    strides[i] = next;
  }
}

/** The part of a concatenation that starts at `start` on the axis. */
export function partOf(whole: Strided, shape: readonly Dim[], axis: number, start: Dim): Strided {
  return {
    shape,
    offset: addDims(whole.offset, multiplyDims(start, whole.strides[axis]!)),
    strides: whole.strides,
  };
}
