/** What an operator's `lower` facet works with. */

import type { Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import type { Buffer, Expr } from "../loop/ir.js";
import type { AttributeSchema, NodeView } from "../operators/operator.js";
import type { Border, KernelScope, Lanes, Placement, Target, TensorView } from "./scope.js";

export interface KernelInfo {
  /** Readable name that spells the kernel's parameters: `conv2d_3x3s2_6x8`. */
  readonly name: string;
  readonly flops: number;
  /** Inputs whose memory the result may take over: no element is read after the same element is written. */
  readonly inPlace?: readonly number[];
}

/** How the first run computes one tensor from another. */
export interface Derivation {
  /** Of float32, or halves in its place. */
  readonly from: TensorData;
  /** Shape of the result, which is float32. */
  readonly dims: readonly number[];
  readonly name: string;
  readonly build: (scope: DerivationScope, from: TensorView, result: TensorView) => void;
}

export interface DerivationScope extends KernelScope {
  /** As that of a node's scope. */
  tileMemory(elements: number): Buffer;
}

export interface LoweringContext<S extends AttributeSchema = AttributeSchema> extends NodeView<S> {
  /** Where the i-th input lies. */
  placement(i: number): Placement;
  /**
   * The tensor whose memory is walked while the i-th input is read: the input itself, or the largest one that the
   * group's pointwise operators before the node compute it from.
   */
  walked(i: number): Placement;
  /** Where the i-th result goes. */
  output(i?: number): Placement;
  /**
   * A constant made for this kernel (packed weights). Made once for each key and source tensor, however many kernels
   * ask for it.
   */
  packed(source: TensorData, key: string, make: () => TensorData): Placement;
  /**
   * The same, but computed by the first run from a smaller constant, which is all that a module has of it. Only its own
   * kernel reads that.
   */
  derived(source: TensorData, key: string, make: () => Derivation): Placement;
  /**
   * The i-th input with a border of zeros around it: in place where its producer left room, else a copy. The shape
   * of the result includes the border.
   */
  withBorder(i: number, border: Border): Placement;
  /**
   * True where these dims of the node's result can be walked as one: in memory, and in all that the group's
   * pointwise operators read.
   */
  joinsDims(axes: readonly number[]): boolean;
  /** Memory that lives for this node only. */
  scratch(name: string, value: Pick<Value, "type">): Placement;
  readonly target: Target;
  /** Adds a kernel and its call. */
  kernel(info: KernelInfo, build: (scope: NodeScope) => void): void;
}

/** Elements of a kernel's own memory: as many as the largest register tile has. */
export const tileMemoryElements = 64;

/** The scope of a node's own kernel. */
export interface NodeScope extends KernelScope {
  readonly target: Target;
  /** Names of the model's nodes that the kernel computes. */
  readonly source: readonly string[];
  /**
   * Finishes an element of the node's result (a vector of them along an axis where lanes are given): applies the
   * group's pointwise operators and stores it. Indices are those of the node's own result.
   */
  result(value: Expr, indices: readonly Expr[], lanes?: Lanes): void;
  /**
   * The element of the i-th input through the group's pointwise operators that stand before the node.
   */
  operand(i: number, indices: readonly Expr[], lanes?: Lanes): Expr;
  /** Operations and loads that `result` adds to each element. */
  epilogueOperations(): number;
  /**
   * Memory of float32 elements for the kernel's own use, `tileMemoryElements` by default. Threads have copies of their
   * own, so each loop that stores something there has memory of its own with threads: what one leaves, another may not
   * find.
   */
  tileMemory(elements?: number): Buffer;
}
