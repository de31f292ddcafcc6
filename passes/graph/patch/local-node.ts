/**
 * A node each part of whose result is made of parts of its inputs: one operator, or a fusion. It says what of them a
 * part needs, and makes the node that computes the part: the same operators, on smaller tensors and with the padding
 * that is left at the edges of the part.
 */

import { createNode, Graph, type Node, type TensorType, Value } from "../../../compiler/ir/graph.js";
import { elementCount } from "../../../compiler/ir/tensor.js";
import { findOperator } from "../../../compiler/operators/index.js";
import { viewNode } from "../../../compiler/operators/operator.js";
import { here, type InputReach, pointwiseReach, type Reach } from "../../../compiler/operators/reach.js";
import { composeReach, hasFixedShape, type Region, seenOf, shapeOf, textOf } from "./region.js";

/** An input as the node reads it; one that is read in two ways is there twice. */
export interface Use {
  readonly input: Value;
  readonly reach: InputReach;
  /** Its padding is a border of zeros in memory. */
  readonly bordered: boolean;
}

/** Gives a part of a value. */
export type TakePart = (value: Value, region: Region) => Value;

/** Operations for an element: those of first layers with three channels take fewer. */
const DENSE = 512;

export class LocalNode {
  readonly uses: readonly Use[];
  readonly result: Value;
  /** Of the whole result; of operators that count none, a half for each element. */
  readonly work: number;

  private constructor(
    readonly node: Node,
    /** Operators in order, with what they say of their inputs. */
    private readonly members: readonly { readonly node: Node; readonly reach: Reach }[],
    /** What the values inside are to the result. */
    private readonly inside: ReadonlyMap<Value, InputReach>,
  ) {
    this.result = node.outputs[0]!;
    this.uses = this.findUses();
    this.work = members.reduce((sum, member) => sum + workOf(member.node), 0);
  }

  /** Null where parts of the result need more than parts of the inputs, or nobody knows. */
  static of(node: Node): LocalNode | null {
    const fusion = node.operator === "kiln.Fusion" ? node.regions[0]! : null;
    if (node.outputs.length !== 1 || (fusion === null && node.regions.length > 0)) return null;
    const members: { node: Node; reach: Reach }[] = [];
    for (const member of fusion?.nodes ?? [node]) {
      const reach = reachOf(member);
      if (reach === null || !hasOnlySmallConstants(member, reach)) return null;
      members.push({ node: member, reach });
    }
    const inside = insideOf(members, fusion?.outputs[0] ?? node.outputs[0]!);
    return inside === null ? null : new LocalNode(node, members, inside);
  }

  /**
   * True where much is summed under a window, as in 3x3 convolutions that are not depthwise: those that Winograd's
   * filtering and large tiles make fast are slower in strips.
   */
  get isDense(): boolean {
    const isWindow = this.uses.some(({ reach }) => reach.some((along) => along !== null && along.extent > 1));
    return isWindow && this.work >= DENSE * elementCount(this.result.shape as number[]);
  }

  /** The node for a part of the result. */
  part(region: Region, name: string, take: TakePart): Node {
    const parameters = new Map<string, Value>();
    const given: Value[] = [];
    const made = new Map<Value, Value>();
    const isFusion = this.node.regions.length > 0;
    const read = (input: Value, part: Region): Value => {
      if (input.constant !== null) return input;
      const inner = made.get(input);
      if (inner !== undefined) return inner;
      const outer = this.outer(input);
      const key = `${this.node.inputs.indexOf(outer)}:${textOf(part)}`;
      const known = parameters.get(key);
      if (known !== undefined) return known;
      const taken = take(outer, part);
      const parameter = isFusion ? new Value(taken.name, taken.type) : taken;
      given.push(taken);
      parameters.set(key, parameter);
      return parameter;
    };
    const nodes = this.members.map((member) => {
      const own = member.node.outputs[0]!;
      const clone = this.memberPart(member, this.regionOf(own, region), read, isFusion ? own.name : name);
      made.set(own, clone.outputs[0]!);
      return clone;
    });
    const root = nodes.at(-1)!;
    return isFusion ? fusionOf(this.node, name, root, nodes, given, [...parameters.values()]) : root;
  }

  private memberPart(
    { node, reach }: (typeof this.members)[number],
    region: Region,
    read: (input: Value, part: Region) => Value,
    name: string,
  ): Node {
    const seen = node.inputs.map((input, i) =>
      input === null ? null : seenOf(input, reach.inputs[i] ?? [], region),
    );
    const first = seen[0];
    const attributes =
      reach.attributes === undefined || first == null
        ? node.attributes
        : reach.attributes(first.before, first.after);
    return createNode({
      operator: node.operator,
      inputs: node.inputs.map((input, i) => (input === null ? null : read(input, seen[i]!.region))),
      types: [partType(node.outputs[0]!, region)],
      names: [name],
      attributes,
      source: [...node.source],
    });
  }

  /** The node's input that a parameter of the fusion stands for. */
  private outer(input: Value): Value {
    const region = this.node.regions[0];
    return region === undefined ? input : this.node.inputs[region.inputs.indexOf(input)]!;
  }

  private regionOf(inner: Value, region: Region): Region {
    return seenOf(inner, this.inside.get(inner)!, region).region;
  }

  private findUses(): Use[] {
    const uses = new Map<string, Use>();
    for (const { node, reach } of this.members) {
      const outer = this.inside.get(node.outputs[0]!)!;
      node.inputs.forEach((input, i) => {
        if (input === null || input.constant !== null || this.inside.has(input)) return;
        const own = reach.inputs[i] ?? [];
        const composed = composeReach(outer, own);
        const bordered = i === 0 && findOperator(node.operator)!.border !== undefined;
        const use = { input: this.outer(input), reach: composed, bordered };
        uses.set(`${this.node.inputs.indexOf(use.input)} ${JSON.stringify(composed)} ${bordered}`, use);
      });
    }
    return [...uses.values()];
  }
}

/** The part of a value's type; the order of dims in memory stays. */
export const partType = ({ type }: Value, region: Region): TensorType => ({
  ...type,
  shape: shapeOf(region),
});

function reachOf(node: Node): Reach | null {
  const operator = findOperator(node.operator)!;
  const values = [...node.inputs, ...node.outputs];
  if (!values.every((value) => value === null || hasFixedShape(value))) return null;
  if (operator.pointwise !== undefined) return pointwiseReach(node);
  return operator.reach?.(viewNode(operator, node)) ?? null;
}

/** Constants are not taken apart: they may not differ from place to place. */
function hasOnlySmallConstants({ inputs }: Node, reach: Reach): boolean {
  return inputs.every((input, i) => {
    if (input === null || input.constant === null) return true;
    return (reach.inputs[i] ?? []).every(
      (along, axis) => along === null || along.axis < 2 || input.shape[axis] === 1,
    );
  });
}

/** What each value is to the root; null where one is seen in two ways, so that its parts would differ. */
function insideOf(
  members: readonly { readonly node: Node; readonly reach: Reach }[],
  root: Value,
): Map<Value, InputReach> | null {
  const inside = new Map<Value, InputReach>([[root, root.shape.map((_, axis) => here(axis))]]);
  const own = new Set(members.map(({ node }) => node.outputs[0]!));
  for (const { node, reach } of [...members].reverse()) {
    const outer = inside.get(node.outputs[0]!);
    if (outer === undefined) return null;
    for (const [i, input] of node.inputs.entries()) {
      if (input === null || !own.has(input)) continue;
      const composed = composeReach(outer, reach.inputs[i] ?? []);
      const known = inside.get(input);
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(composed)) return null;
      inside.set(input, composed);
    }
  }
  return inside;
}

function workOf(node: Node): number {
  const operator = findOperator(node.operator)!;
  const elements = elementCount(node.outputs[0]!.shape as number[]);
  return operator.flops?.(viewNode(operator, node)) ?? elements / 2;
}

function fusionOf(
  whole: Node,
  name: string,
  root: Node,
  nodes: Node[],
  given: Value[],
  parameters: Value[],
): Node {
  const region = new Graph(whole.regions[0]!.name);
  region.inputs = parameters;
  region.nodes = nodes;
  region.outputs = [root.outputs[0]!];
  return createNode({
    operator: whole.operator,
    inputs: given,
    types: [root.outputs[0]!.type],
    names: [name],
    regions: [region],
    source: [...whole.source],
  });
}
