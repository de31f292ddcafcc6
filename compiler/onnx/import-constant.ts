/** The tensor that a `Constant` node holds, in whichever of its attributes. */

import { KilnError } from "../diagnostics.js";
import { elementCount, type TensorData, tensor, tensorOf } from "../ir/tensor.js";
import type { OnnxNode, OnnxTensor } from "./model.js";

/** @throws KilnError E_MODEL where the node does not have exactly one value */
export function constantOf(node: OnnxNode): OnnxTensor {
  const [first, second] = node.attributes;
  if (first === undefined || second !== undefined)
    fail(node, "needs exactly one attribute that is its value");
  const [name, attribute] = first;
  switch (`${name}:${attribute.kind}`) {
    case "value:tensor":
    case "sparse_value:sparse_tensor":
      return attribute.value as OnnxTensor;
    case "value_float:float":
      return tensorOf("float32", [], [attribute.value as number]);
    case "value_floats:floats": {
      const values = attribute.value as readonly number[];
      return tensorOf("float32", [values.length], values);
    }
    case "value_int:int":
      return int64Tensor([], [attribute.value as bigint]);
    case "value_ints:ints": {
      const values = attribute.value as readonly bigint[];
      return int64Tensor([values.length], values);
    }
    case "value_string:string":
      return { dtype: "string", dims: [], strings: [attribute.value as string] };
    case "value_strings:strings": {
      const strings = attribute.value as readonly string[];
      return { dtype: "string", dims: [strings.length], strings };
    }
    default:
      return fail(node, `attribute ${name} of kind ${attribute.kind}`);
  }
}

function int64Tensor(dims: readonly number[], values: readonly bigint[]): TensorData {
  const data = new BigInt64Array(elementCount(dims));
  data.set(values);
  return tensor("int64", dims, data);
}

function fail(node: OnnxNode, reason: string): never {
  throw new KilnError("E_MODEL", reason, { node: node.name, operator: node.opType });
}
