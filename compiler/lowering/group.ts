/**
 * Composition of pointwise and injective operators: one expression for an element of a group's result, made by
 * walking the group's nodes from the result back to what the group reads.
 */

import { invariant } from "../diagnostics.js";
import { type Dim, equalDims } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import type { Node, Value } from "../ir/graph.js";
import { constant, i32Constant, splat } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { ElementContext, Operator } from "../operators/operator.js";
import { viewNode } from "../operators/operator.js";
import type { KernelScope, Lanes } from "./scope.js";

/** How a value that the group does not compute itself is read. */
export type ReadElement = (value: Value, indices: readonly Expr[], lanes: Lanes | undefined) => Expr | null;

export class GroupEvaluator {
  private readonly memo = new Map<
    Value,
    { indices: readonly Expr[]; lanes: Lanes | undefined; expr: Expr }[]
  >();

  constructor(
    private readonly scope: KernelScope,
    private readonly operatorOf: (node: Node) => Operator,
    private readonly readElement: ReadElement,
    /** Which constants of one element are written into the code; the others are read from memory. */
    private readonly isImmediate: (value: number | bigint) => boolean = () => true,
  ) {}

  /** The element of a value at these indices (a vector of them along an axis where lanes are given). */
  element(value: Value, indices: readonly Expr[], lanes?: Lanes): Expr {
    const known = this.memo
      .get(value)
      ?.find((entry) => sameIndices(entry.indices, indices) && sameLanes(entry.lanes, lanes));
    if (known !== undefined) return known.expr;
    const expr = this.compute(value, indices, lanes);
    const entries = this.memo.get(value) ?? [];
    entries.push({ indices, lanes, expr });
    this.memo.set(value, entries);
    return expr;
  }

  private compute(value: Value, indices: readonly Expr[], lanes: Lanes | undefined): Expr {
    const scalar = this.immediate(value);
    if (scalar !== null) return splat(scalar, lanes?.count ?? 1);
    const outside = this.readElement(value, indices, lanes);
    if (outside !== null) return outside;
    const node = value.producer;
    invariant(node !== null, `${value.name} is neither read nor computed by its group`);
    const operator = this.operatorOf(node);
    const view = viewNode(operator, node);
    if (operator.pointwise !== undefined) {
      const args = node.inputs.map((input) => this.broadcast(input!, value, indices, lanes));
      return operator.pointwise.emit(args, view);
    }
    invariant(
      operator.injective !== undefined && lanes === undefined,
      `${node.operator} cannot be part of a group`,
    );
    const context: ElementContext = {
      ...view,
      load: (i, at) => this.element(view.input(i), at),
      dim: (dim) => this.scope.dim(dim),
    };
    return operator.injective(context, indices);
  }

  /** A constant of one element as part of the code, or null. */
  private immediate(value: Value): Expr | null {
    const data = value.constant?.data;
    if (data === undefined || data.length !== 1 || dtypes[value.dtype].bytes === 2) return null;
    if (!this.isImmediate(data[0]!)) return null;
    return constant({ scalar: registerTypes[value.dtype], lanes: 1 }, data[0]!);
  }

  /** The operand's element that meets these indices of the result under ONNX's (NumPy's) broadcasting. */
  private broadcast(input: Value, result: Value, indices: readonly Expr[], lanes: Lanes | undefined): Expr {
    const lead = result.rank - input.rank;
    const mapped = input.shape.map((dim, axis) =>
      isBroadcast(dim, result.shape[axis + lead]!) ? i32Constant(0) : indices[axis + lead]!,
    );
    if (lanes === undefined) return this.element(input, mapped);
    const axis = lanes.axis - lead;
    const constantAlong = axis < 0 || isBroadcast(input.shape[axis]!, result.shape[lanes.axis]!);
    if (constantAlong) return splat(this.element(input, mapped), lanes.count);
    return this.element(input, mapped, { axis, count: lanes.count });
  }
}

const isBroadcast = (dim: Dim, result: Dim): boolean => dim === 1 && !equalDims(dim, result);

function sameIndices(a: readonly Expr[], b: readonly Expr[]): boolean {
  return a.every((index, i) => {
    const other = b[i]!;
    return (
      index === other ||
      (index.kind === "constant" && other.kind === "constant" && index.value === other.value)
    );
  });
}

const sameLanes = (a: Lanes | undefined, b: Lanes | undefined): boolean =>
  a?.axis === b?.axis && a?.count === b?.count;
