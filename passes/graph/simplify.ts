/**
 * Algebraic identities that are exact, and views that undo or follow one another:
 *   x + 0                       -> x   for integers: -0 + 0 is 0
 *   x - 0                       -> x   where the zero is +0
 *   x * 1, x / 1, x ^ 1         -> x
 *   Transpose(Transpose(x))     -> one Transpose
 *   Reshape(Reshape(x))         -> one Reshape
 *   a view that changes nothing -> its input
 */

import { equalShapes, isStatic } from "../../compiler/ir/dim.js";
import { constantValue, type Graph, type Node, type Value } from "../../compiler/ir/graph.js";
import { tensorOf, toNumbers } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import type { GraphPass } from "./pass.js";
import { replaceValues } from "./replace.js";

export const simplify: GraphPass = {
  name: "simplify",
  summary: "algebraic identities and views that undo one another",
  run: (graph) => {
    for (let changed = true; changed; ) changed = simplifyOnce(graph);
  },
};

interface Rule {
  readonly operators: readonly string[];
  /** The value that replaces the node's result, a change made to the node itself (true), or null. */
  readonly apply: (node: Node) => Value | true | null;
}

function simplifyOnce(graph: Graph): boolean {
  const replacements = new Map<Value, Value>();
  let changed = false;
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map((input) => (input === null ? null : (replacements.get(input) ?? input)));
    for (const rule of rules) {
      if (!rule.operators.includes(node.operator)) continue;
      const result = rule.apply(node);
      if (result === null) continue;
      changed = true;
      if (result !== true) {
        replacements.set(node.outputs[0]!, result);
        break;
      }
    }
  }
  graph.nodes = graph.nodes.filter((node) => !node.outputs.some((output) => replacements.has(output)));
  replaceValues(graph, replacements);
  return changed;
}

/** The other operand where one is a constant that equals the number everywhere and does not widen the result. */
function withoutNeutral(node: Node, number: number, sides: readonly number[]): Value | null {
  for (const side of sides) {
    const neutral = node.inputs[side]?.constant;
    const other = node.inputs[1 - side];
    if (neutral === null || neutral === undefined || other === null || other === undefined) continue;
    const same = equalShapes(other.shape, node.outputs[0]!.shape) && other.dtype === node.outputs[0]!.dtype;
    if (same && Array.from(decodeElements(neutral)).every((x) => Object.is(x, number))) return other;
  }
  return null;
}

const isInteger = (node: Node): boolean => /^u?int/.test(node.outputs[0]!.dtype);

const rules: readonly Rule[] = [
  { operators: ["Mul"], apply: (node) => withoutNeutral(node, 1, [0, 1]) },
  { operators: ["Div", "Pow"], apply: (node) => withoutNeutral(node, 1, [1]) },
  { operators: ["Add"], apply: (node) => (isInteger(node) ? withoutNeutral(node, 0, [0, 1]) : null) },
  { operators: ["Sub"], apply: (node) => withoutNeutral(node, 0, [1]) },
  {
    operators: ["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Slice", "Cast"],
    apply: (node) => {
      const [input, output] = [node.inputs[0]!, node.outputs[0]!];
      return node.outputs.length === 1 &&
        !mayReverse(node) &&
        input.dtype === output.dtype &&
        equalShapes(input.shape, output.shape)
        ? input
        : null;
    },
  },
  {
    operators: ["Transpose"],
    apply: (node) => {
      const perm = permOf(node);
      return perm.every((axis, i) => axis === i) ? node.inputs[0]! : null;
    },
  },
  {
    operators: ["Transpose"],
    apply: (node) => {
      const before = node.inputs[0]!.producer;
      if (before?.operator !== "Transpose") return null;
      const [outer, inner] = [permOf(node), permOf(before)];
      node.inputs[0] = before.inputs[0]!;
      node.attributes = { perm: outer.map((axis) => inner[axis]!) };
      node.source = [...new Set([...before.source, ...node.source])];
      return true;
    },
  },
  {
    operators: ["Reshape", "Squeeze", "Unsqueeze", "Flatten"],
    apply: (node) => {
      const before = node.inputs[0]!.producer;
      const target = node.outputs[0]!.shape;
      if (before === null || !["Reshape", "Squeeze", "Unsqueeze", "Flatten"].includes(before.operator))
        return null;
      if (!target.every(isStatic) || target.includes(0)) return null;
      node.operator = "Reshape";
      node.attributes = {};
      node.inputs = [
        before.inputs[0]!,
        constantValue(`${node.outputs[0]!.name}.shape`, tensorOf("int64", [target.length], target)),
      ];
      node.source = [...new Set([...before.source, ...node.source])];
      return true;
    },
  },
];

/** A slice keeps every element and the shape also where it walks a dim backwards. */
function mayReverse({ operator, inputs }: Node): boolean {
  const steps = inputs[4];
  if (operator !== "Slice" || steps === null || steps === undefined) return false;
  return steps.constant === null || toNumbers(steps.constant).some((step) => step < 0);
}

function permOf(node: Node): readonly number[] {
  const { rank } = node.inputs[0]!;
  return (
    (node.attributes.perm as readonly number[] | undefined) ??
    Array.from({ length: rank }, (_, i) => rank - 1 - i)
  );
}
