/** Joining tensors along an axis. */

import { addDims, type Dim, equalDims, isStatic, printDim } from "../ir/dim.js";
import { dtypes, type TypedArray } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { loopsOver, memoryOrder } from "../lowering/loops.js";
import { partOf } from "../lowering/strided.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { here } from "./reach.js";

const attributes = { axis: attribute.required("int") } as const;

function axisOf(context: NodeView<typeof attributes>): number {
  const { axis } = context.attributes;
  const { rank } = context.input(0);
  if (axis < -rank || axis >= rank) context.fail(`axis ${axis} of tensors of ${rank} dims`);
  return axis < 0 ? axis + rank : axis;
}

const Concat = defineOperator({
  name: "Concat",
  summary: "Joins tensors along an axis.",
  inputs: ["inputs..."],
  attributes,
  moves: true,
  versions: [
    { since: 1, attributes: { axis: attribute.int(1) } },
    { since: 4 },
    { since: 11 },
    { since: 13 },
  ],
  infer: (context) => {
    const axis = axisOf(context);
    const first = context.input(0);
    const shape: Dim[] = [...first.shape];
    for (let i = 1; i < context.inputCount; i++) {
      const other = context.input(i);
      if (other.dtype !== first.dtype) context.fail(`joins ${first.dtype} and ${other.dtype}`);
      const fits =
        other.rank === first.rank && other.shape.every((dim, d) => d === axis || mayEqual(dim, shape[d]!));
      if (!fits) {
        const [a, b] = [shape, other.shape].map((dims) => `[${dims.map(printDim).join(", ")}]`);
        context.fail(`${a} and ${b} differ beside axis ${axis}`, "E_SHAPE");
      }
      shape[axis] = addDims(shape[axis]!, other.shape[axis]!);
    }
    return [{ dtype: first.dtype, shape }];
  },
  elements: (context) => {
    const parts = context.node.inputs.map((_, i) => context.elements(i));
    const known = context.input(0).rank === 1 && parts.every((part): part is readonly Dim[] => part !== null);
    return known ? (parts as Dim[][]).flat() : null;
  },
  layout: (context) => ({ inputs: context.node.inputs.map(() => "any" as const), output: "follow" }),
  reach: (context) => {
    const axis = axisOf(context);
    if (axis > 1) return null; // parts are taken along spatial dims, where each would be of some inputs only
    return {
      inputs: context.node.inputs.map((_, i) =>
        context.input(i).shape.map((_dim, d) => (d === axis ? null : here(d))),
      ),
    };
  },
  lower: (context) => {
    const axis = axisOf(context);
    const whole = context.output();
    let start: Dim = 0;
    context.node.inputs.forEach((_, i) => {
      const input = context.placement(i);
      const { shape } = context.input(i);
      const destination = { buffer: whole.buffer, strided: partOf(whole.strided, shape, axis, start) };
      start = addDims(start, shape[axis]!);
      const written =
        input.buffer === whole.buffer && String(input.strided.offset) === String(destination.strided.offset);
      if (written || shape.includes(0)) return; // its producer wrote it in place
      context.kernel({ name: "concat", flops: 0 }, (s) => {
        const [from, to] = [s.view("x", input, "read"), s.view("y", destination, "write")];
        loopsOver(s, shape, memoryOrder(destination), (indices) => {
          to.store(indices, from.load(indices));
        });
      });
    });
  },
  evaluate: (context) => {
    const { dtype, dims } = context.outputs[0]!;
    const rank = dims.length;
    const axis = context.attributes.axis < 0 ? context.attributes.axis + rank : context.attributes.axis;
    const data = new dtypes[dtype].array(elementCount(dims));
    const outer = elementCount(dims.slice(0, axis));
    let at = 0;
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < context.inputs.length; j++) {
        const part = context.input(j);
        const size = elementCount(part.dims.slice(axis));
        copy(data, at, part.data.subarray(i * size, (i + 1) * size));
        at += size;
      }
    }
    return [tensor(dtype, dims, data) satisfies TensorData];
  },
});

const mayEqual = (a: Dim, b: Dim): boolean => equalDims(a, b) || !isStatic(a) || !isStatic(b);

function copy(to: TypedArray, at: number, from: TypedArray): void {
  (to as Float32Array).set(from as Float32Array, at); // both arrays have the type of the same dtype
}

export const concatOperators: readonly Operator[] = [Concat];
