/** What an operator's `lower` facet works with. */

import type { Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import type { Expr } from "../loop/ir.js";
import type { AttributeSchema, NodeView } from "../operators/operator.js";
import type { KernelScope, Lanes, Placement } from "./scope.js";

export interface KernelInfo {
  /** Readable name that spells the kernel's parameters: `conv2d_3x3s2_6x8`. */
  readonly name: string;
  readonly flops: number;
}

export interface LoweringContext<S extends AttributeSchema = AttributeSchema> extends NodeView<S> {
  /** Where the i-th input lies. */
  placement(i: number): Placement;
  /** Where the i-th result goes. */
  output(i?: number): Placement;
  /**
   * A constant made for this kernel (packed weights). Made once for each key and source tensor, however many kernels
   * ask for it.
   */
  packed(source: TensorData, key: string, make: () => TensorData): Placement;
  /** Memory that lives for this node only. */
  scratch(name: string, value: Pick<Value, "type">): Placement;
  /** Adds a kernel and its call. */
  kernel(info: KernelInfo, build: (scope: NodeScope) => void): void;
}

/** The scope of a node's own kernel. */
export interface NodeScope extends KernelScope {
  /**
   * Finishes an element of the node's result (a vector of them along an axis where lanes are given): applies the
   * group's pointwise operators and stores it. Indices are those of the node's own result.
   */
  result(value: Expr, indices: readonly Expr[], lanes?: Lanes): void;
  /**
   * The element of the i-th input through the group's pointwise operators that stand before the node.
   */
  operand(i: number, indices: readonly Expr[], lanes?: Lanes): Expr;
}
