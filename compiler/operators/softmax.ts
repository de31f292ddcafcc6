/** Softmax and its logarithm. */

import { printDim, productOfDims } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { softmax } from "../kernels/softmax.js";
import { memoryOrder } from "../lowering/loops.js";
import type { GraphBuilder } from "./builder.js";
import { decodeElements, encodeElements } from "./numbers.js";
import { attribute, defineOperator, type ImportedNode, type NodeView, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { joinDims, reshapeTo, shapePart } from "./shape-arithmetic.js";

const attributes = { axis: attribute.int(-1) } as const;

function axisOf(context: Pick<NodeView<typeof attributes>, "attributes" | "input" | "fail">): number {
  const { axis } = context.attributes;
  const { rank } = context.input(0);
  if (axis < -rank || axis >= rank) context.fail(`axis ${axis} of a tensor of ${rank} dims`);
  return axis < 0 ? axis + rank : axis;
}

/** Before opset 13 the input was seen as a matrix, the axis being where its rows begin. */
const flattened =
  (name: string) =>
  (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode): Value[] => {
    const x = inputs[0];
    if (x === null || x === undefined) return view.fail("needs an input");
    const given = Number(view.attributes.axis ?? 1);
    const axis = given < 0 ? given + x.rank : given;
    if (axis < 0 || axis > x.rank) return view.fail(`axis ${given} of a tensor of ${x.rank} dims`);
    if (productOfDims(x.shape.slice(axis + 1)) === 1 && axis < x.rank) return [b.op(name, [x], { axis })];
    const rows = b.op(name, [joinDims(b, x, [axis, x.rank - axis])], { axis: 1 });
    return [reshapeTo(b, rows, [shapePart(b, x, 0, x.rank)])];
  };

function softmaxOperator(name: string, log: boolean, summary: string): Operator {
  const old = { axis: attribute.int(1) };
  return defineOperator({
    name,
    summary,
    inputs: ["input"],
    types: floats,
    attributes,
    versions: [
      { since: 1, attributes: old, upgrade: flattened(name) },
      { since: 11, attributes: old, upgrade: flattened(name) },
      { since: 13 },
    ],
    infer: (context) => {
      const { dtype, shape } = context.input(0);
      axisOf(context);
      return [{ dtype, shape }];
    },
    layout: () => ({ inputs: ["any"], output: "follow" }),
    lower: (context) => {
      const { shape, dtype } = context.input(0);
      const axis = axisOf(context);
      const kind = dtype === "float32" ? name.toLowerCase() : `${name.toLowerCase()}_${dtype}`;
      context.kernel(
        { name: `${kind}_${shape.map(printDim).join("x")}_axis${axis}`, flops: 0, inPlace: [0] },
        (s) => {
          const order = memoryOrder(context.output());
          const x = s.view("x", context.placement(0), "read");
          softmax(s, { shape, axis, order, log }, x, s.view("y", context.output(), "readwrite"));
        },
      );
    },
    evaluate: (context) => {
      const x = context.input(0);
      const axis =
        context.attributes.axis < 0 ? context.attributes.axis + x.dims.length : context.attributes.axis;
      return [evaluateSoftmax(x, axis, log)];
    },
  });
}

function evaluateSoftmax(x: TensorData, axis: number, log: boolean): TensorData {
  const from = decodeElements(x);
  const to = new Float64Array(from.length);
  const extent = x.dims[axis]!;
  const inner = elementCount(x.dims.slice(axis + 1));
  const starts = Array.from({ length: from.length }, (_, i) => i).filter(
    (i) => Math.floor(i / inner) % extent === 0,
  );
  for (const start of starts) {
    const row = Array.from({ length: extent }, (_, i) => from[start + i * inner]!);
    const largest = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
    row.forEach((value, i) => {
      const shifted = value - largest;
      to[start + i * inner] = log ? shifted - Math.log(sum) : Math.exp(shifted) / sum;
    });
  }
  return encodeElements(x.dtype, x.dims, to);
}

export const softmaxOperators: readonly Operator[] = [
  softmaxOperator("Softmax", false, "Exponentials along an axis, divided by their sum."),
  softmaxOperator("LogSoftmax", true, "Logarithm of the softmax along an axis."),
];
