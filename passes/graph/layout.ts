/**
 * Chooses the order of dims in memory for every value. Convolutions and pools want channels side by side
 * (channels-last), because then vectors run along channels and a 1x1 convolution is a plain matrix product.
 *
 * One walk in topological order: an operator's `layout` facet says what its kernels want of each input and make of
 * the result; pointwise and injective operators follow their largest input; views keep the memory order they see. A
 * copy (`kiln.Relayout`) is put in only where an operator needs another order than the one there is, once for each
 * value and order. Graph inputs and outputs are row-major. Shapes and meanings never change.
 */

import { type Dim, equalShapes, isStatic, productOfDims } from "../../compiler/ir/dim.js";
import { createNode, type Graph, type Node, usersOf, type Value } from "../../compiler/ir/graph.js";
import { dense, type Strided } from "../../compiler/lowering/strided.js";
import { findOperator } from "../../compiler/operators/index.js";
import { type LayoutChoice, type Operator, viewNode } from "../../compiler/operators/operator.js";
import type { GraphPass } from "./pass.js";

export const assignLayouts: GraphPass = {
  name: "assign-layouts",
  summary: "channels-last where it pays, with the fewest copies",
  run: (graph) => {
    new LayoutAssignment(graph).run();
  },
};

type Order = readonly number[];

const rowMajor = (rank: number): Order => Array.from({ length: rank }, (_, axis) => axis);

const channelsLast = (rank: number): Order =>
  rank < 3 ? rowMajor(rank) : [0, ...rowMajor(rank).slice(2), 1];

const orderOf = (value: Value): Order => value.type.layout ?? rowMajor(value.rank);

/** Equal in memory: dims of one element may stand anywhere. */
function sameInMemory(shape: readonly Dim[], a: Order, b: Order): boolean {
  const visible = (order: Order) => order.filter((axis) => shape[axis] !== 1).join();
  return visible(a) === visible(b);
}

class LayoutAssignment {
  private readonly copies = new Map<Value, Map<string, Value>>();
  private readonly nodes: Node[] = [];
  /** As they were before copies took some places. */
  private readonly users: ReadonlyMap<Value, readonly Node[]>;

  constructor(private readonly graph: Graph) {
    this.users = usersOf(graph);
  }

  run(): void {
    for (const node of this.graph.nodes) {
      this.visit(node);
      this.nodes.push(node);
    }
    this.graph.outputs = this.graph.outputs.map((value) => this.asOutput(value));
    this.graph.nodes = this.nodes;
  }

  /** Results are row-major; a copy takes over the name, by which callers know the result. */
  private asOutput(value: Value): Value {
    const result = this.inOrder(value, rowMajor(value.rank));
    if (result === value) return value;
    result.name = value.name;
    value.name = `${value.name}.channelslast`;
    return result;
  }

  private visit(node: Node): void {
    const operator = findOperator(node.operator)!;
    const view = viewNode(operator, node);
    const wish = operator.layout?.(view);
    if (wish !== undefined) {
      node.inputs = node.inputs.map((input, i) =>
        input === null ? null : this.asWished(input, wish.inputs[i] ?? "any"),
      );
    }
    for (let i = 0; i < node.outputs.length; i++) {
      const output = node.outputs[i]!;
      if (wish?.output === "channels-last") setOrder(output, channelsLast(output.rank));
      else if (wish?.output === "row-major") setOrder(output, rowMajor(output.rank));
      else if (wish?.output === "follow") setOrder(output, orderOf(node.inputs[0]!));
      else
        setOrder(
          output,
          orderSeen(operator, node, i) ?? this.copied(operator, output) ?? followed(node, output),
        );
    }
  }

  /** A view that has to copy may as well write in the order in which it is read: that of a channel shuffle. */
  private copied(operator: Operator, output: Value): Order | null {
    if (operator.view === undefined) return null;
    const wanted = (this.users.get(output) ?? []).some((user) => {
      const reader = findOperator(user.operator)!;
      const wish = reader.layout?.(viewNode(reader, user));
      return user.inputs.some((input, i) => input === output && wish?.inputs[i] === "channels-last");
    });
    return wanted ? channelsLast(output.rank) : null;
  }

  private asWished(value: Value, choice: LayoutChoice): Value {
    if (choice === "any" || value.constant !== null) return value;
    return this.inOrder(value, choice === "row-major" ? rowMajor(value.rank) : channelsLast(value.rank));
  }

  /** The value in this order: itself, or a copy. */
  private inOrder(value: Value, order: Order): Value {
    if (value.constant !== null || sameInMemory(value.shape, orderOf(value), order)) return value;
    const made = this.copies.get(value) ?? new Map<string, Value>();
    this.copies.set(value, made);
    const known = made.get(order.join());
    if (known !== undefined) return known;
    const node = createNode({
      operator: "kiln.Relayout",
      inputs: [value],
      types: [{ ...value.type, layout: order }],
      names: [`${value.name}.${order.every((axis, i) => axis === i) ? "rowmajor" : "channelslast"}`],
      attributes: { layout: order },
      source: value.producer?.source ?? [],
    });
    this.nodes.push(node);
    const copy = node.outputs[0]!;
    made.set(order.join(), copy);
    return copy;
  }
}

function setOrder(value: Value, order: Order): void {
  const { dtype, shape } = value.type;
  const plain = order.every((axis, i) => axis === i);
  value.type = plain ? { dtype, shape } : { dtype, shape, layout: order };
}

/** Order of a view's dims in the memory of its input; null where the operator is none, or copies. */
function orderSeen(operator: Operator, node: Node, output: number): Order | null {
  const input = node.inputs[0];
  if (operator.view === undefined || input === null || input === undefined) return null;
  const view = operator.view(viewNode(operator, node), dense(input.shape, input.type.layout), output);
  return view === null ? null : orderByStride(view);
}

/**
 * Dims by stride, the largest first; dims that are not there in memory (of one element, or broadcast) keep their place
 * beside the one that follows them.
 */
function orderByStride({ shape, strides }: Strided): Order | null {
  if (![...strides, ...shape].every(isStatic)) return null;
  const isThere = (axis: number): boolean => shape[axis] !== 1 && strides[axis] !== 0;
  const visible = [...shape.keys()].filter(isThere);
  visible.sort((a, b) => (strides[b] as number) - (strides[a] as number) || a - b);
  const order: number[] = [...visible];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (isThere(axis)) continue;
    const next = order.indexOf(axis + 1);
    order.splice(next < 0 ? order.length : next, 0, axis);
  }
  return order;
}

/** Order of the input of the same shape, or of the same rank with most elements: what a pointwise result follows. */
function followed(node: Node, output: Value): Order {
  const candidates = node.inputs.filter(
    (input): input is Value => input !== null && input.constant === null && input.rank === output.rank,
  );
  const alike = candidates.filter((input) => equalShapes(input.shape, output.shape));
  const pool = alike.length > 0 ? alike : candidates;
  const best = pool.reduce<Value | null>((a, b) => (a === null || weight(b) > weight(a) ? b : a), null);
  return best === null ? rowMajor(output.rank) : orderOf(best);
}

/** Elements, and a preference for orders that are not row-major: those come from kernels that wanted them. */
function weight(value: Value): number {
  const count = productOfDims(value.shape);
  return (isStatic(count) ? count : 1) * 2 + (value.type.layout === undefined ? 0 : 1);
}
