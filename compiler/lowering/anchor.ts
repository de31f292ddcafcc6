/** Lowering of operators that have kernels of their own, alone or with the pointwise operators fused around them. */

import { invariant } from "../diagnostics.js";
import { equalDims, equalShapes } from "../ir/dim.js";
import type { Node, Value } from "../ir/graph.js";
import { constant, i32Constant } from "../loop/builder.js";
import { type Buffer, type Expr, registerTypes } from "../loop/ir.js";
import { viewNode } from "../operators/operator.js";
import { joins, withBorder } from "./border.js";
import { type KernelInfo, type LoweringContext, type NodeScope, tileMemoryElements } from "./context.js";
import { inPlacePairs, readFrom, sameStrides } from "./elementwise.js";
import { GroupEvaluator, type ReadElement } from "./group.js";
import { type Lowering, operatorOf } from "./lower.js";
import {
  type Border,
  KernelScope,
  type Lanes,
  type Placement,
  type Target,
  type TensorView,
} from "./scope.js";
import { dense } from "./strided.js";

/** `node` is the anchor itself, or the fusion whose region holds it. */
export function lowerAnchor(lowering: Lowering, node: Node, anchor: Node): void {
  const operator = operatorOf(anchor);
  const job = new AnchorJob(lowering, node, anchor);
  const context: LoweringContext = {
    ...viewNode(operator, anchor),
    placement: (i) => job.placement(i),
    walked: (i) => job.walked(i),
    output: (i = 0) => job.outputs[i]!,
    packed: (source, key, make) => lowering.packed(source, key, make),
    derived: (source, key, make) => lowering.derived(source, key, make),
    withBorder: (i, border) => job.withBorder(i, border),
    joinsDims: (axes) => job.joinsDims(axes),
    scratch: (name, { type }) => ({
      buffer: lowering.newBuffer(name, type, "temporary"),
      strided: dense(type.shape, type.layout),
    }),
    target: lowering.target,
    kernel: (info, build) => job.kernel(info, build),
  };
  operator.lower!(context);
}

class AnchorJob {
  readonly outputs: readonly Placement[];
  readonly root: Value;
  /** Values of the region (or of the graph) that are read from memory. */
  readonly external = new Map<Value, Placement>();

  constructor(
    readonly lowering: Lowering,
    readonly node: Node,
    readonly anchor: Node,
  ) {
    const region = node === anchor ? undefined : node.regions[0];
    node.inputs.forEach((input, i) => {
      if (input === null) return;
      this.external.set(region === undefined ? input : region.inputs[i]!, lowering.placementOf(input));
    });
    this.outputs = node.outputs.map((output) => lowering.place(output));
    this.root = region === undefined ? anchor.outputs[0]! : region.outputs[0]!;
  }

  placement(i: number): Placement {
    const value = this.anchor.inputs[i];
    invariant(value !== null && value !== undefined, `${this.anchor.operator}: input ${i} is absent`);
    return this.external.get(value) ?? this.lowering.placementOf(value);
  }

  walked(i: number): Placement {
    const input = this.anchor.inputs[i]!;
    const read = this.external.get(input);
    if (read !== undefined || input.constant !== null) return this.placement(i);
    const alike = [...this.external].find(([value]) => equalShapes(value.shape, input.shape));
    return alike?.[1] ?? { buffer: this.outputs[0]!.buffer, strided: dense(input.shape) };
  }

  withBorder(i: number, border: Border): Placement {
    return withBorder(this.lowering, this.anchor.inputs[i]!, this.placement(i), border, this.node.source);
  }

  joinsDims(axes: readonly number[]): boolean {
    if (!joins(this.outputs[0]!.strided, axes)) return false;
    return [...this.external].every(([value, { strided }]) => {
      if (this.anchor.inputs.includes(value)) return true;
      const lead = this.root.rank - value.rank;
      const own = axes.map((axis) => axis - lead);
      if (own.every((axis) => axis < 0 || value.shape[axis] === 1)) return true;
      const whole = own.every(
        (axis, i) => axis >= 0 && equalDims(value.shape[axis]!, this.root.shape[axes[i]!]!),
      );
      return whole && joins(strided, own);
    });
  }

  kernel(info: KernelInfo, build: (scope: NodeScope) => void): void {
    const scope = new AnchorScope(info.name, this);
    build(scope);
    const { kernel, args, sizes } = scope.finishCall();
    const destination = this.outputs[0]!;
    const overwritable = (info.inPlace ?? []).map((i) => this.anchor.inputs[i]);
    const shareable = [...this.external].filter(
      ([value, placement]) =>
        (overwritable.includes(value) || !this.anchor.inputs.includes(value)) &&
        sameStrides(value, placement, this.root, destination),
    );
    this.lowering.steps.push({
      kind: "call",
      kernel,
      args,
      sizes,
      source: this.node.source,
      flops: info.flops,
      inPlace: inPlacePairs(
        args,
        destination,
        shareable.map(([, placement]) => placement),
      ),
    });
  }
}

class AnchorScope extends KernelScope implements NodeScope {
  private operations: number | undefined;
  private tile: TensorView | undefined;

  constructor(
    name: string,
    private readonly job: AnchorJob,
  ) {
    super(name);
  }

  get target(): Target {
    return this.job.lowering.target;
  }

  get source(): readonly string[] {
    return this.job.node.source;
  }

  result(value: Expr, indices: readonly Expr[], lanes?: Lanes): void {
    const finished = this.finished(value, indices, lanes);
    this.view("y", this.job.outputs[0]!, "write").store(indices, finished, lanes?.axis);
  }

  epilogueOperations(): number {
    this.operations ??= this.countOperations();
    return this.operations;
  }

  tileMemory(elements = tileMemoryElements): Buffer {
    const fits = this.tile?.buffer.elements === elements && !this.target.threads;
    if (!fits)
      this.tile = this.view("tile", this.job.lowering.tileMemory(this.job.root.name, elements), "scratch");
    return this.tile!.buffer;
  }

  /** Of one element, its value being given. */
  private countOperations(): number {
    const { job } = this;
    const [result] = job.anchor.outputs;
    const value = constant({ scalar: registerTypes[result!.dtype], lanes: 1 }, 0);
    const indices = result!.shape.map((_, axis) => i32Constant(axis));
    const counted = new Set<Expr>();
    const count = (expr: Expr): void => {
      if (counted.has(expr)) return;
      counted.add(expr);
      if (expr.kind === "op") expr.args.forEach(count);
    };
    count(this.finished(value, indices, undefined));
    return [...counted].filter(({ kind }) => kind === "op" || kind === "load").length;
  }

  private finished(value: Expr, indices: readonly Expr[], lanes: Lanes | undefined): Expr {
    const { job } = this;
    const readOperand = readFrom(this, job.external, job.lowering);
    const readValue: ReadElement = (read, at, along) =>
      read === job.anchor.outputs[0] ? value : readOperand(read, at, along);
    const evaluator = new GroupEvaluator(this, operatorOf, readValue, isCommonNumber);
    return evaluator.element(job.root, indices, lanes);
  }

  operand(i: number, indices: readonly Expr[], lanes?: Lanes): Expr {
    const { job } = this;
    const evaluator = new GroupEvaluator(this, operatorOf, readFrom(this, job.external, job.lowering));
    return evaluator.element(job.anchor.inputs[i]!, indices, lanes);
  }
}

/**
 * Whole numbers and their reciprocals belong to formulas (x * clip(x + 3, 0, 6) / 6) and are written into the code.
 * Others are weights: read from memory, so that layers that differ only in them share one kernel.
 */
function isCommonNumber(value: number | bigint): boolean {
  const number = Number(value);
  return (
    Number.isInteger(number) || Math.fround(1 / Math.round(1 / number)) === number || !Number.isFinite(number)
  );
}
