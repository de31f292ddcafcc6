/** Attributes of ONNX nodes -> attributes of graph nodes, checked against what the operator's version declares. */

import { KilnError } from "../diagnostics.js";
import type { Attributes, AttributeValue } from "../ir/graph.js";
import type { AttributeSchema, Operator, OperatorVersion } from "../operators/operator.js";
import { type OnnxAttribute, type OnnxNode, saturate } from "./model.js";
import { numeric } from "./tensor.js";

/** Left over from ONNX's first versions; they never meant anything to the result. */
const ignored: ReadonlySet<string> = new Set(["consumed_inputs"]);

/**
 * The attributes that the node gives, as numbers, strings and tensors; defaults are filled in later.
 * @throws KilnError E_MODEL where the version has no such attribute, or one of another kind
 */
export function convertAttributes(node: OnnxNode, operator: Operator, version: OperatorVersion): Attributes {
  const schema = version.attributes ?? operator.attributes;
  const converted: Record<string, AttributeValue> = {};
  for (const [name, attribute] of node.attributes) {
    if (operator.graphs?.includes(name)) continue;
    const spec = schema[name];
    if (spec === undefined) {
      if (ignored.has(name)) continue;
      fail(node, describeUnknown(name, node, operator));
    }
    if (attribute.kind !== spec.kind) {
      fail(node, `attribute ${name} is of kind ${attribute.kind}, not ${spec.kind}`);
    }
    converted[name] = convertAttribute(node, name, attribute);
  }
  return converted;
}

function convertAttribute(node: OnnxNode, name: string, attribute: OnnxAttribute): AttributeValue {
  switch (attribute.kind) {
    case "int":
      return saturate(attribute.value);
    case "ints":
      return attribute.value.map(saturate);
    case "float":
    case "floats":
    case "string":
    case "strings":
      return attribute.value;
    case "tensor":
      return numeric(attribute.value, `attribute ${name}`);
    default:
      return fail(node, `attribute ${name} of kind ${attribute.kind}`, "E_UNSUPPORTED");
  }
}

function describeUnknown(name: string, node: OnnxNode, operator: Operator): string {
  const knows = (schema: AttributeSchema | undefined) => schema?.[name] !== undefined;
  const others = operator.versions.filter((version) => knows(version.attributes ?? operator.attributes));
  if (others.length === 0) return `unknown attribute ${name}`;
  return `attribute ${name} is not one of opset ${node.opset}, only of versions ${others.map((v) => v.since).join(", ")}`;
}

function fail(node: OnnxNode, reason: string, code: "E_MODEL" | "E_UNSUPPORTED" = "E_MODEL"): never {
  throw new KilnError(code, reason, { node: node.name, operator: node.opType });
}
