/**
 * Where results are written so that nothing needs to be copied afterwards: graph outputs go straight to their
 * buffers, and the operands of a concatenation straight to their part of its result.
 */

import { addDims, type Dim } from "../ir/dim.js";
import { type Graph, isRowMajor, type Node, type Value } from "../ir/graph.js";
import type { ProgramBuffer } from "../loop/program.js";
import { viewNode } from "../operators/operator.js";
import { isEmptyBorder, placeWithBorder } from "./border.js";
import { type Lowering, operatorOf } from "./lower.js";
import type { Placement } from "./scope.js";
import { dense, partOf } from "./strided.js";

/** @param outputs buffers of the graph's outputs, none for a region */
export function planDestinations(
  graph: Graph,
  lowering: Lowering,
  outputs: readonly ProgramBuffer[],
): Map<Value, Placement> {
  const destinations = new Map<Value, Placement>();
  graph.outputs.forEach((value, i) => {
    if (outputs[i] === undefined) return;
    if (makesItsMemory(value) && !destinations.has(value) && isRowMajor(value.type)) {
      destinations.set(value, { buffer: outputs[i]!, strided: dense(value.shape) });
    }
  });
  for (const node of [...graph.nodes].reverse()) {
    if (node.operator === "Concat")
      placeOperands(node.inputs as Value[], node.outputs[0]!, lowering, destinations);
    else leaveRoom(node, lowering, destinations);
  }
  return destinations;
}

/** True where the value is written by a kernel, so that it can be written elsewhere as well. */
function makesItsMemory(value: Value): boolean {
  return value.producer !== null && operatorOf(value.producer).view === undefined;
}

/** Room for zeros around an input that the node's kernels read past its edges. */
function leaveRoom(node: Node, lowering: Lowering, destinations: Map<Value, Placement>): void {
  const region = node.regions[0];
  for (const anchor of region?.nodes ?? [node]) {
    const operator = operatorOf(anchor);
    const read = anchor.inputs[0];
    if (operator.border === undefined || read === null || read === undefined) continue;
    const input = region === undefined ? read : node.inputs[region.inputs.indexOf(read)];
    if (input === null || input === undefined || destinations.has(input) || !makesItsMemory(input)) continue;
    const border = operator.border(viewNode(operator, anchor), lowering.target);
    if (border === null || isEmptyBorder(border)) continue;
    destinations.set(input, placeWithBorder(lowering, input.name, input.type, border));
  }
}

function placeOperands(
  operands: readonly Value[],
  result: Value,
  lowering: Lowering,
  destinations: Map<Value, Placement>,
): void {
  const axis = concatenationAxis(operands, result);
  let whole = destinations.get(result);
  if (whole === undefined) {
    const buffer = lowering.newBuffer(result.name, result.type, "temporary");
    whole = { buffer, strided: dense(result.shape, result.type.layout) };
    destinations.set(result, whole);
  }
  let start: Dim = 0;
  for (const operand of operands) {
    const part = partOf(whole.strided, operand.shape, axis, start);
    start = addDims(start, operand.shape[axis]!);
    const once = operands.filter((other) => other === operand).length === 1;
    if (once && makesItsMemory(operand) && !destinations.has(operand) && sameOrder(operand, result)) {
      destinations.set(operand, { buffer: whole.buffer, strided: part });
    }
  }
}

function concatenationAxis(operands: readonly Value[], result: Value): number {
  const axis = Number(result.producer!.attributes.axis ?? 1);
  return axis < 0 ? axis + operands[0]!.rank : axis;
}

const order = (value: Value): string => (value.type.layout ?? value.shape.map((_, i) => i)).join();

const sameOrder = (a: Value, b: Value): boolean => order(a) === order(b);
