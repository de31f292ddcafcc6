/**
 * The generic kernel of pointwise and injective groups: a loop for each dim in the order of the result's memory, and
 * one formula for the element. Loop passes merge the loops and make them vector code.
 */

import { invariant } from "../diagnostics.js";
import { equalDims } from "../ir/dim.js";
import type { Node, Value } from "../ir/graph.js";
import type { CallArgument } from "../loop/program.js";
import { GroupEvaluator, type ReadElement } from "./group.js";
import { loopsOver, memoryOrder } from "./loops.js";
import { type Lowering, operatorOf } from "./lower.js";
import { KernelScope, type Placement } from "./scope.js";

interface ElementwiseJob {
  readonly name: string;
  readonly root: Value;
  readonly destination: Placement;
  /** Values that the group reads. */
  readonly external: ReadonlyMap<Value, Placement>;
  readonly source: readonly string[];
}

/** Lowers a node of pointwise and injective operators: a fusion of them, or a single one. */
export function lowerGroup(lowering: Lowering, node: Node): void {
  const region = node.regions[0];
  const external = new Map<Value, Placement>();
  node.inputs.forEach((input, i) => {
    if (input === null) return;
    external.set(region === undefined ? input : region.inputs[i]!, lowering.placementOf(input));
  });
  invariant(node.outputs.length === 1, `${node.operator} has one result as a group`);
  lowerElementwise(lowering, {
    name: groupName(node),
    root: region === undefined ? node.outputs[0]! : region.outputs[0]!,
    destination: lowering.place(node.outputs[0]!),
    external,
    source: node.source,
  });
}

/** `add_relu`: the operators of the group in order, shortened where there are many. */
export function groupName(node: Node): string {
  const region = node.regions[0];
  const names = (region?.nodes ?? [node]).map((inner) => inner.operator.replace(/^.*\./, "").toLowerCase());
  return names.length > 4 ? `${names.slice(0, 3).join("_")}_${names.length - 3}more` : names.join("_");
}

export function lowerElementwise(lowering: Lowering, job: ElementwiseJob): void {
  const scope = new KernelScope(job.name);
  const { root, destination, external } = job;
  const result = scope.view("y", destination, "write");
  const evaluator = new GroupEvaluator(scope, operatorOf, readFrom(scope, external, lowering));
  loopsOver(scope, root.shape, memoryOrder(destination), (indices) => {
    result.store(indices, evaluator.element(root, indices));
  });
  const { kernel, args, sizes } = scope.finishCall();
  const inPlace = [...external].filter(([value, placement]) => canShare(value, placement, root, job));
  lowering.steps.push({
    kind: "call",
    kernel,
    args,
    sizes,
    source: job.source,
    flops: 0,
    inPlace: inPlacePairs(
      args,
      destination,
      inPlace.map(([, placement]) => placement),
    ),
  });
}

/** Reads values that the group does not compute, and constants, from where they lie. */
export function readFrom(
  scope: KernelScope,
  external: ReadonlyMap<Value, Placement>,
  lowering: Lowering,
): ReadElement {
  return (value, indices, lanes) => {
    const placement =
      external.get(value) ?? (value.constant !== null ? lowering.placementOf(value) : undefined);
    return placement === undefined ? null : scope.view("x", placement, "read").load(indices, lanes);
  };
}

/** True where the result may overwrite this operand: same places, same element size, read once at its own index. */
function canShare(value: Value, placement: Placement, root: Value, job: ElementwiseJob): boolean {
  return onlyPointwise(root, job.external) && sameStrides(value, placement, root, job.destination);
}

export function sameStrides(
  value: Value,
  placement: Placement,
  root: Value,
  destination: Placement,
): boolean {
  if (value.rank !== root.rank || value.dtype !== root.dtype) return false;
  return value.shape.every(
    (dim, axis) =>
      equalDims(dim, root.shape[axis]!) &&
      (dim === 1 || equalDims(placement.strided.strides[axis]!, destination.strided.strides[axis]!)),
  );
}

/** @param seen values looked at already: each may be used many times */
function onlyPointwise(
  root: Value,
  external: ReadonlyMap<Value, Placement>,
  seen = new Set<Value>(),
): boolean {
  if (external.has(root) || seen.has(root)) return true;
  seen.add(root);
  const node = root.producer;
  if (node === null) return true;
  if (operatorOf(node).pointwise === undefined) return false;
  return node.inputs.every((input) => input === null || onlyPointwise(input, external, seen));
}

/** Argument numbers of (destination, operand) for operands that are read through one argument only. */
export function inPlacePairs(
  args: readonly CallArgument[],
  destination: Placement,
  operands: readonly Placement[],
): [number, number][] {
  const written = args.findIndex((arg) => arg.buffer === destination.buffer);
  return operands.flatMap((operand): [number, number][] => {
    const readers = args.flatMap((arg, i) => (arg.buffer === operand.buffer ? [i] : []));
    return written >= 0 && readers.length === 1 && operand.buffer !== destination.buffer
      ? [[written, readers[0]!]]
      : [];
  });
}
