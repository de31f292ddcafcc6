/** The enumerations of the ONNX schema, checked by type against onnx-proto, which has most of the names. */

import type { onnx } from "onnx-proto";

/** AttributeProto.AttributeType */
export const attributeTypes = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSOR: 11,
  SPARSE_TENSORS: 12,
  TYPE_PROTO: 13,
  TYPE_PROTOS: 14,
} as const satisfies Record<keyof typeof onnx.AttributeProto.AttributeType, number>;

/** TensorProto.DataType; the last ten are newer than onnx-proto. */
export const dataTypes = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
} as const satisfies Record<keyof typeof onnx.TensorProto.DataType, number> & Record<string, number>;

const dataTypeNames = new Map<number, string>(Object.entries(dataTypes).map(([name, code]) => [code, name]));

/** Name of a TensorProto.DataType code as ONNX spells it, in lower case; its number where ONNX has none. */
export function dataTypeName(code: number): string {
  return dataTypeNames.get(code)?.toLowerCase() ?? `type ${code}`;
}

/** TensorProto.DataLocation.EXTERNAL */
export const EXTERNAL = 1;
