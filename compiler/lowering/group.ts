/**
 * Composition of pointwise and injective operators: one expression for an element of a group's result, made by
 * walking the group's nodes from the result back to what the group reads.
 */

import { invariant } from "../diagnostics.js";
import { dtypes } from "../ir/dtype.js";
import type { Node, Value } from "../ir/graph.js";
import { add, constant, replace, splat } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { broadcastIndex, broadcastPlace } from "../operators/broadcast.js";
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
      const args = node.inputs.map((input) => this.broadcast(node, input!, value, indices, lanes));
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
  private broadcast(
    node: Node,
    input: Value,
    result: Value,
    indices: readonly Expr[],
    lanes: Lanes | undefined,
  ): Expr {
    const lead = result.rank - input.rank;
    const ways = input.shape.map((dim, axis) => {
      const dims = node.inputs.flatMap(
        (other) => other!.shape[axis + lead - result.rank + other!.rank] ?? [],
      );
      return broadcastIndex(dim, dims, result.shape[axis + lead]!);
    });
    const place = (axis: number, index: Expr): Expr =>
      broadcastPlace(ways[axis]!, index, () => this.scope.dim(input.shape[axis]!));
    const mapped = input.shape.map((_, axis) => place(axis, indices[axis + lead]!));
    if (lanes === undefined) return this.element(input, mapped);
    const axis = lanes.axis - lead;
    if (axis < 0 || ways[axis] === "zero") return splat(this.element(input, mapped), lanes.count);
    if (ways[axis] === "index") return this.element(input, mapped, { axis, count: lanes.count });
    let vector = splat(this.element(input, mapped), lanes.count);
    for (let lane = 1; lane < lanes.count; lane++) {
      const at = mapped.with(axis, place(axis, add(indices[lanes.axis]!, lane)));
      vector = replace(vector, lane, this.element(input, at));
    }
    return vector;
  }
}

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
