/**
 * Puts operators together that become one kernel, so that what passes between them stays in registers.
 *
 * Nodes are visited from the last to the first. A node joins the group of its users when all of them are in one
 * group and nobody else reads its result:
 *   - a pointwise operator whose result has the shape of the group's result;
 *   - an operator with kernels that apply an epilogue (convolution, matrix product, pool, reduction), as the group's
 *     only anchor, when its result has the shape of the group's result;
 *   - a pointwise operator before a reduction that reads its input through the group;
 *   - an injective operator that is not a view, in a group without an anchor.
 * Joining never makes a cycle, because every path from the node into the group leads through its result.
 *
 * Each group of two or more nodes becomes a `kiln.Fusion` node whose region holds them.
 */

import { equalShapes } from "../../compiler/ir/dim.js";
import { createNode, Graph, type Node, usersOf, Value } from "../../compiler/ir/graph.js";
import { findOperator } from "../../compiler/operators/index.js";
import type { Operator } from "../../compiler/operators/operator.js";
import type { GraphPass } from "./pass.js";

/** Nodes of a group: its expression is as deep as they are many, and passes walk it recursively. */
const maximumNodes = 64;

/** Tensors that a group may read from memory: each takes an address register in its loops. */
const maximumReads = 10;

export const fuse: GraphPass = {
  name: "fuse",
  summary: "pointwise chains, and epilogues into the kernels before them",
  run: (graph) => {
    const groups = formGroups(graph);
    const built = new Map<Node, Node>();
    for (const group of groups) {
      if (group.nodes.length > 1) built.set(group.root, makeFusion(group, graph));
    }
    const absorbed = new Set(groups.flatMap((group) => group.nodes.filter((node) => node !== group.root)));
    graph.nodes = graph.nodes.filter((node) => !absorbed.has(node)).map((node) => built.get(node) ?? node);
  },
};

interface Group {
  readonly root: Node;
  /** From the last to the first. */
  readonly nodes: Node[];
  anchor: Node | null;
  hasInjective: boolean;
}

const operatorOf = (node: Node): Operator => findOperator(node.operator)!;

const isPointwise = (operator: Operator): boolean => operator.pointwise !== undefined;

const isInjective = (operator: Operator): boolean =>
  operator.injective !== undefined && operator.view === undefined && operator.pointwise === undefined;

function formGroups(graph: Graph): Group[] {
  const users = usersOf(graph);
  const outputs = new Set(graph.outputs);
  const groupOf = new Map<Node, Group>();
  const groups: Group[] = [];
  for (const node of [...graph.nodes].reverse()) {
    const group = joinable(node, users, outputs, groupOf);
    if (group !== null) {
      group.nodes.push(node);
      if (operatorOf(node).lower !== undefined) group.anchor = node;
      if (isInjective(operatorOf(node))) group.hasInjective = true;
      groupOf.set(node, group);
      continue;
    }
    const operator = operatorOf(node);
    const alone: Group = {
      root: node,
      nodes: [node],
      anchor: operator.lower !== undefined ? node : null,
      hasInjective: isInjective(operator),
    };
    groups.push(alone);
    groupOf.set(node, alone);
  }
  return groups;
}

/** The group that the node may join, or null. */
function joinable(
  node: Node,
  users: ReadonlyMap<Value, Node[]>,
  outputs: ReadonlySet<Value>,
  groupOf: ReadonlyMap<Node, Group>,
): Group | null {
  const result = node.outputs[0];
  if (node.outputs.length !== 1 || result === undefined || outputs.has(result) || node.regions.length > 0)
    return null;
  const groups = new Set((users.get(result) ?? []).map((user) => groupOf.get(user)));
  const [group] = groups;
  if (group === undefined || groups.size !== 1) return null;
  if (group.nodes.length >= maximumNodes || !accepts(group, node, users)) return null;
  return readsOf([...group.nodes, node]).size > maximumReads ? null : group;
}

function accepts(group: Group, node: Node, users: ReadonlyMap<Value, Node[]>): boolean {
  const operator = operatorOf(node);
  const result = node.outputs[0]!;
  const root = group.root.outputs[0]!;
  const members = group.nodes.filter((member) => member !== group.anchor);
  const rootOperator = operatorOf(group.root);
  if (group.root !== group.anchor && !isPointwise(rootOperator) && !isInjective(rootOperator)) return false;
  const feedsAnchor = group.anchor !== null && feeds(result, group, users);
  if (feedsAnchor) {
    return (
      isPointwise(operator) &&
      operatorOf(group.anchor!).prologue === true &&
      equalShapes(result.shape, group.anchor!.inputs[0]!.shape)
    );
  }
  if (!equalShapes(result.shape, root.shape)) return false;
  if (isPointwise(operator)) return true;
  if (isInjective(operator)) return group.anchor === null;
  if (operator.lower === undefined || operator.epilogue !== true) return false;
  return (
    group.anchor === null && !group.hasInjective && members.every((member) => isPointwise(operatorOf(member)))
  );
}

/** True where the value reaches the group's anchor from above, directly or through other members. */
function feeds(value: Value, group: Group, users: ReadonlyMap<Value, Node[]>): boolean {
  const seen = new Set([value]);
  // Values are added while the set is walked.
  for (const reached of seen) {
    for (const user of users.get(reached) ?? []) {
      if (user === group.anchor) return true;
      if (group.nodes.includes(user)) seen.add(user.outputs[0]!);
    }
  }
  return false;
}

/** What the nodes read from memory: values of others that are not single numbers. */
function readsOf(nodes: readonly Node[]): Set<Value> {
  const own = new Set(nodes.flatMap((node) => node.outputs));
  const reads = new Set<Value>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (input === null || own.has(input) || input.constant?.data.length === 1) continue;
      reads.add(input);
    }
  }
  return reads;
}

function makeFusion(group: Group, graph: Graph): Node {
  const nodes = [...group.nodes].sort((a, b) => graph.nodes.indexOf(a) - graph.nodes.indexOf(b));
  const own = new Set(nodes.flatMap((node) => node.outputs));
  const region = new Graph(nodes.map((node) => node.operator.replace(/^.*\./, "")).join("_"));
  const parameters = new Map<Value, Value>();
  const root = group.root.outputs[0]!;
  const fusion = createNode({
    operator: "kiln.Fusion",
    inputs: [],
    types: [root.type],
    names: [root.name],
    regions: [region],
    source: [...new Set(nodes.flatMap((node) => node.source))],
  });
  for (const node of nodes) {
    node.inputs = node.inputs.map((input) => {
      if (input === null || own.has(input) || input.constant !== null) return input;
      const known = parameters.get(input);
      if (known !== undefined) return known;
      const parameter = new Value(input.name, input.type);
      parameter.elements = input.elements;
      parameters.set(input, parameter);
      region.inputs.push(parameter);
      fusion.inputs.push(input);
      return parameter;
    });
  }
  region.nodes = nodes;
  // The graph goes on using the root's value; the region gets one of its own under the same name.
  const inner = new Value(root.name, root.type);
  inner.elements = root.elements;
  inner.producer = group.root;
  group.root.outputs = [inner];
  region.outputs = [inner];
  fusion.outputs = [root];
  root.producer = fusion;
  return fusion;
}
