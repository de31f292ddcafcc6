/**
 * Where results are written so that nothing needs to be copied afterwards: graph outputs go straight to their
 * buffers, and the operands of a concatenation straight to their part of its result.
 */

import { addDims, type Dim, isStatic } from "../ir/dim.js";
import { type Graph, isRowMajor, type Node, usersOf, type Value } from "../ir/graph.js";
import { fillsTiles } from "../kernels/tile.js";
import type { ProgramBuffer } from "../loop/program.js";
import { viewNode } from "../operators/operator.js";
import { isEmptyBorder, placeWithBorder, unionOfBorders } from "./border.js";
import { type Lowering, operatorOf } from "./lower.js";
import type { Border, Placement } from "./scope.js";
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
  const borders = bordersOf(graph, lowering);
  for (const node of [...graph.nodes].reverse()) {
    for (const value of node.outputs) {
      const border = borders.get(value);
      if (border === undefined || destinations.has(value) || !makesItsMemory(value)) continue;
      destinations.set(value, placeWithBorder(lowering, value.name, value.type, border));
    }
    if (node.operator === "Concat")
      placeOperands(node.inputs as Value[], node.outputs[0]!, lowering, destinations);
  }
  return destinations;
}

/** True where the value is written by a kernel, so that it can be written elsewhere as well. */
function makesItsMemory(value: Value): boolean {
  return value.producer !== null && operatorOf(value.producer).view === undefined;
}

/** The borders of zeros around values that are read past their edges, large enough for all who do. */
function bordersOf(graph: Graph, lowering: Lowering): Map<Value, Border> {
  const borders = new Map<Value, Border>();
  for (const node of graph.nodes) {
    const region = node.regions[0];
    for (const anchor of region?.nodes ?? [node]) {
      const operator = operatorOf(anchor);
      const read = anchor.inputs[0];
      if (operator.border === undefined || read === null || read === undefined) continue;
      const input = region === undefined ? read : node.inputs[region.inputs.indexOf(read)];
      if (input === null || input === undefined) continue;
      const border = operator.border(viewNode(operator, anchor), lowering.target);
      if (border === null || isEmptyBorder(border)) continue;
      widenBorder(borders, input, border);
    }
  }
  const users = usersOf(graph);
  for (const node of graph.nodes) {
    const result = node.outputs[0]!;
    if (node.operator !== "Concat" || !staysFastWithRoom(result, users.get(result) ?? [], lowering)) continue;
    const axis = concatenationAxis(node.inputs as Value[], result);
    for (const operand of node.inputs) {
      const border = borders.get(operand!);
      if (border !== undefined && border.before[axis] === 0 && border.after[axis] === 0)
        widenBorder(borders, result, border);
    }
  }
  return borders;
}

function widenBorder(borders: Map<Value, Border>, value: Value, border: Border): void {
  const other = borders.get(value);
  borders.set(value, other === undefined ? border : unionOfBorders(border, other));
}

/**
 * True where a concatenation may have room around it, so that an operand which is read with a border need not be copied
 * to where there is room. Its readers then see every row apart from the next: views would copy it, and the tiles of
 * matrix products end with the row.
 */
function staysFastWithRoom(result: Value, users: readonly Node[], { target }: Lowering): boolean {
  const width = result.shape.at(-1);
  if (width === undefined || !isStatic(width) || !fillsTiles(width, target)) return false;
  return users.every((user) => operatorOf(user).view === undefined);
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
    const part = partOfPlacement(whole, operand.shape, axis, start);
    start = addDims(start, operand.shape[axis]!);
    const once = operands.filter((other) => other === operand).length === 1;
    if (once && makesItsMemory(operand) && !destinations.has(operand) && sameOrder(operand, result)) {
      destinations.set(operand, part);
    }
  }
}

/** A part of a concatenation; it has the room around the whole where other parts do not lie between. */
function partOfPlacement(whole: Placement, shape: readonly Dim[], axis: number, start: Dim): Placement {
  const { buffer, room } = whole;
  const strided = partOf(whole.strided, shape, axis, start);
  const isBetween = room === undefined || room.border.before[axis] !== 0 || room.border.after[axis] !== 0;
  return isBetween ? { buffer, strided } : { buffer, strided, room };
}

function concatenationAxis(operands: readonly Value[], result: Value): number {
  const axis = Number(result.producer!.attributes.axis ?? 1);
  return axis < 0 ? axis + operands[0]!.rank : axis;
}

const order = (value: Value): string => (value.type.layout ?? value.shape.map((_, i) => i)).join();

const sameOrder = (a: Value, b: Value): boolean => order(a) === order(b);
