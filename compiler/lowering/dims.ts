/** Where dims and tensors meet: elements that become symbols, shapes that become tensors, and what must hold of dims. */

import { isStatic, minDims, printDim } from "../ir/dim.js";
import { dimBounds } from "../ir/dim-bounds.js";
import type { Node, TensorType } from "../ir/graph.js";
import { i32Constant, op } from "../loop/builder.js";
import { registerTypes } from "../loop/ir.js";
import { type DimConstraint, elementsOf, type Operator, viewNode } from "../operators/operator.js";
import { lowerElementwise } from "./elementwise.js";
import type { Lowering } from "./lower.js";
import { KernelScope, type Placement } from "./scope.js";
import { dense } from "./strided.js";

/** What must hold of the dims of a node when it runs: what inference asks for, and that no size is negative. */
export function constraintsOf(operator: Operator, node: Node): DimConstraint[] {
  const isOpen = ({ shape }: TensorType) => !shape.every(isStatic);
  const values = [...node.inputs, ...node.outputs];
  if (!values.some((value) => value !== null && isOpen(value.type))) return [];
  const constraints: DimConstraint[] = [];
  const view = viewNode(operator, node, constraints);
  operator.infer(view);
  for (const { type, name } of node.outputs) {
    for (const dim of type.shape) {
      if (dimBounds(dim, new Map()).min >= 0) continue;
      const reason = `"${name}" would have a negative size, ${printDim(dim)}`;
      constraints.push({ a: minDims(dim, 0), b: 0, reason });
    }
  }
  return constraints;
}

/** True for operators that read no element: their result is made of dims. */
export const isShapeOnly = ({ elements, pointwise, injective, view, lower }: Operator): boolean =>
  elements !== undefined && [pointwise, injective, view, lower].every((facet) => facet === undefined);

/** Writes the elements of a result, which are dims, to memory. */
export function storeDims(lowering: Lowering, node: Node): void {
  const value = node.outputs[0]!;
  const elements = elementsOf(value) ?? [];
  const scope = new KernelScope("store_dims");
  const view = scope.view("y", lowering.place(value), "write");
  elements.forEach((element, i) => {
    const dim = scope.dim(element);
    const stored = registerTypes[value.dtype] === "i64" ? op("i32_to_i64_s", dim) : dim;
    view.store(value.rank === 0 ? [] : [i32Constant(i)], stored);
  });
  const call = scope.finishCall();
  lowering.steps.push({ kind: "call", ...call, source: node.source, flops: 0, inPlace: [] });
}

/** The value stays where it is; its symbols get their values from there. */
export function lowerElements(lowering: Lowering, node: Node): void {
  const [input, output] = [node.inputs[0]!, node.outputs[0]!];
  let placement = lowering.placementOf(input);
  if (!isPlain(placement)) {
    const source = placement;
    placement = {
      buffer: lowering.newBuffer(output.name, output.type, "temporary"),
      strided: dense(output.shape),
    };
    lowerElementwise(lowering, {
      name: "copy",
      root: input,
      destination: placement,
      external: new Map([[input, source]]),
      source: node.source,
    });
  }
  lowering.setPlacement(output, placement);
  const { buffer, strided } = placement;
  const names = node.attributes.symbols as readonly string[];
  const isNatural = node.attributes.natural === 1;
  const symbols = names.map((name, i) => ({
    name: isNatural ? name : `~${name}`,
    value: { buffer, index: Number(strided.offset) + i * Number(strided.strides[0] ?? 0) },
  }));
  lowering.steps.push({ kind: "define", symbols, source: node.source });
}

const isPlain = ({ strided }: Placement): boolean =>
  isStatic(strided.offset) && strided.strides.every(isStatic) && strided.offset >= 0;
