/** Borders of zeros around tensors, for kernels that read past the edges (convolutions with padding). */

import { addDims, type Dim, equalDims, multiplyDims } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { add, constant } from "../loop/builder.js";
import { registerTypes } from "../loop/ir.js";
import { lowerElementwise } from "./elementwise.js";
import { loopsOver, memoryOrder } from "./loops.js";
import type { Lowering } from "./lower.js";
import { type Border, KernelScope, type Placement } from "./scope.js";
import { dense, type Strided } from "./strided.js";

export const isEmptyBorder = ({ before, after }: Border): boolean =>
  [...before, ...after].every((n) => n === 0);

/** The smallest border that has room for both. */
export const unionOfBorders = (a: Border, b: Border): Border => ({
  before: a.before.map((n, axis) => Math.max(n, b.before[axis]!)),
  after: a.after.map((n, axis) => Math.max(n, b.after[axis]!)),
});

const hasRoomFor = (room: Border, border: Border): boolean =>
  room.before.every((n, axis) => n >= border.before[axis]!) &&
  room.after.every((n, axis) => n >= border.after[axis]!);

/** Room for a tensor with a border, in the tensor's own layout; the tensor lies in the middle. */
export function placeWithBorder(
  lowering: Lowering,
  name: string,
  type: TensorType,
  border: Border,
): Placement {
  const shape = borderedShape(type.shape, border);
  const buffer = lowering.newBuffer(name, { ...type, shape }, "temporary");
  const whole = dense(shape, type.layout);
  return { buffer, strided: insideOf(whole, type.shape, border), room: { border, whole } };
}

const borderedShape = (shape: readonly Dim[], border: Border): Dim[] =>
  shape.map((dim, axis) => addDims(dim, border.before[axis]! + border.after[axis]!));

function insideOf(whole: Strided, shape: readonly Dim[], border: Border): Strided {
  const offset = whole.strides.reduce<Dim>(
    (sum, stride, axis) => addDims(sum, multiplyDims(stride, border.before[axis]!)),
    whole.offset,
  );
  return { shape, offset, strides: whole.strides };
}

/** The tensor with its border: the inverse of `insideOf`. */
function around(placement: Placement, border: Border): Placement {
  const { strided, buffer } = placement;
  const offset = strided.strides.reduce<Dim>(
    (sum, stride, axis) => addDims(sum, multiplyDims(stride, -border.before[axis]!)),
    strided.offset,
  );
  return {
    buffer,
    strided: { shape: borderedShape(strided.shape, border), offset, strides: strided.strides },
  };
}

/** A value with zeros around it: in the room that its producer left, else copied to where there is room. */
export function withBorder(
  lowering: Lowering,
  value: Value,
  placement: Placement,
  border: Border,
  source: readonly string[],
): Placement {
  if (isEmptyBorder(border)) return placement;
  const { room: own, buffer } = placement;
  if (own !== undefined && hasRoomFor(own.border, border)) {
    if (lowering.firstBorder(buffer))
      fillBorder(lowering, { buffer, strided: own.whole }, own.border, source);
    return around(placement, border);
  }
  const room = placeWithBorder(lowering, `${value.name}.padded`, value.type, border);
  const destination = { buffer: room.buffer, strided: room.strided };
  lowerElementwise(lowering, {
    name: "copy",
    root: value,
    destination,
    external: new Map([[value, placement]]),
    source,
  });
  const whole = around(destination, border);
  fillBorder(lowering, whole, border, source);
  return whole;
}

/** Writes zeros around the middle, one pair of slabs for each dim that has a border. */
function fillBorder(lowering: Lowering, whole: Placement, border: Border, source: readonly string[]): void {
  const { shape, strides, offset } = whole.strided;
  const scope = new KernelScope("zero_border");
  const zero = constant({ scalar: registerTypes[whole.buffer.dtype], lanes: 1 }, 0);
  const view = scope.view("y", whole, "write");
  const slab = (from: readonly Dim[], extents: readonly Dim[]): void => {
    loopsOver(
      scope,
      extents,
      memoryOrder({ ...whole, strided: { shape: extents, strides, offset } }),
      (indices) => {
        view.store(
          indices.map((index, axis) => add(index, scope.dim(from[axis]!))),
          zero,
        );
      },
    );
  };
  const from: Dim[] = shape.map(() => 0);
  const extents: Dim[] = [...shape];
  shape.forEach((dim, axis) => {
    const [before, after] = [border.before[axis]!, border.after[axis]!];
    if (before > 0) slab(from, replaceAt(extents, axis, before));
    if (after > 0) slab(replaceAt(from, axis, addDims(dim, -after)), replaceAt(extents, axis, after));
    from[axis] = before;
    extents[axis] = addDims(dim, -before - after);
  });
  const { kernel, args, sizes } = scope.finishCall();
  lowering.steps.push({ kind: "call", kernel, args, sizes, source, flops: 0, inPlace: [] });
}

const replaceAt = (dims: readonly Dim[], axis: number, dim: Dim): Dim[] =>
  dims.map((d, i) => (i === axis ? dim : d));

/** True where dims can be walked as one with the stride of the last: their strides fit, or they hold one element. */
export function joins(strided: Strided, axes: readonly number[]): boolean {
  const walked = axes.filter((axis) => strided.shape[axis] !== 1);
  return walked.every((axis, i) => {
    const next = walked[i + 1];
    if (next === undefined) return true;
    return equalDims(strided.strides[axis]!, multiplyDims(strided.strides[next]!, strided.shape[next]!));
  });
}
