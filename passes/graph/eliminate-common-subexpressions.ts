/**
 * Keeps one of several nodes that compute the same: same operator, attributes and inputs. Constants with equal bytes
 * count as one value. Nodes with regions and random operators stay.
 */

import type { AttributeValue, Node, Value } from "../../compiler/ir/graph.js";
import { type TensorData, tensorBytes } from "../../compiler/ir/tensor.js";
import type { GraphPass } from "./pass.js";
import { replaceValues } from "./replace.js";

export const eliminateCommonSubexpressions: GraphPass = {
  name: "eliminate-common-subexpressions",
  summary: "compute equal things once",
  run: (graph) => {
    const numbers = new ValueNumbers();
    const seen = new Map<string, Node>();
    const replacements = new Map<Value, Value>();
    const kept: Node[] = [];
    for (const node of graph.nodes) {
      node.inputs = node.inputs.map((input) => (input === null ? null : (replacements.get(input) ?? input)));
      const key = node.regions.length > 0 || node.operator.startsWith("Random") ? null : keyOf(node, numbers);
      const first = key === null ? undefined : seen.get(key);
      if (first === undefined) {
        if (key !== null) seen.set(key, node);
        kept.push(node);
        continue;
      }
      node.outputs.forEach((output, i) => {
        replacements.set(output, first.outputs[i]!);
      });
      first.source = [...new Set([...first.source, ...node.source])];
    }
    graph.nodes = kept;
    replaceValues(graph, replacements);
  },
};

function keyOf(node: Node, numbers: ValueNumbers): string {
  const attributes = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${attributeKey(value)}`);
  const inputs = node.inputs.map((input) => (input === null ? "_" : numbers.of(input)));
  return [node.operator, node.outputs.length, ...inputs, ...attributes].join("|");
}

function attributeKey(value: AttributeValue): string {
  if (typeof value === "object" && "dtype" in value) return constantKey(value);
  return JSON.stringify(value, (_, part) => (typeof part === "number" ? numberKey(part) : part));
}

/** JSON alone knows neither -0 nor NaN and the infinities. */
const numberKey = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

const constantKey = (data: TensorData): string => `${data.dtype}[${data.dims}]${tensorBytes(data).join()}`;

/** Numbers for values: equal small constants get the same, every other value its own. */
class ValueNumbers {
  private readonly byValue = new Map<Value, number>();
  private readonly byContent = new Map<string, number>();

  of(value: Value): number {
    const known = this.byValue.get(value);
    if (known !== undefined) return known;
    const data = value.constant;
    const content = data !== null && data.data.byteLength <= 4096 ? constantKey(data) : null;
    const number = (content === null ? undefined : this.byContent.get(content)) ?? this.byValue.size;
    if (content !== null) this.byContent.set(content, number);
    this.byValue.set(value, number);
    return number;
  }
}
