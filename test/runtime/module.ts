/** Hand-written modules for the runtime's tests: WAT text, assembled, with a section `kiln` appended. */

import wabt from "wabt";
import { encodeMetadata } from "../../compiler/wasm/metadata.js";
import {
  ABI_VERSION,
  type ModelMetadata,
  type TensorBinding,
  type TensorType,
} from "../../runtime/metadata.js";

const assembler = await wabt();

/** Bytes of the module written in WAT. */
export function assemble(wat: string): Uint8Array<ArrayBuffer> {
  const module = assembler.parseWat("test.wat", wat, {
    simd: true,
    relaxed_simd: true,
    bulk_memory: true,
    threads: true,
  });
  const { buffer } = module.toBinary({ write_debug_names: true });
  module.destroy();
  return new Uint8Array(buffer);
}

/** The module with a custom section after its other sections. */
export function withSection(wasm: Uint8Array, name: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const nameBytes = new TextEncoder().encode(name);
  const body = [...leb128(nameBytes.length), ...nameBytes, ...payload];
  return Uint8Array.from([...wasm, 0, ...leb128(body.length), ...body]);
}

function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >>> 7)];
}

const elementBytes: Record<TensorType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  float8e4m3fn: 1,
  float8e4m3fnuz: 1,
  float8e5m2: 1,
  float8e5m2fnuz: 1,
  float8e8m0: 1,
  float4e2m1: 1 / 2,
  int4: 1 / 2,
  uint4: 1 / 2,
  int2: 1 / 4,
  uint2: 1 / 4,
};

export function binding(name: string, type: TensorType, dims: number[], address: number): TensorBinding {
  return {
    name,
    type,
    dims,
    address,
    byteLength: Math.ceil(dims.reduce((a, b) => a * b, elementBytes[type])),
  };
}

export function metadataOf(fields: Partial<ModelMetadata>): ModelMetadata {
  return {
    abi: ABI_VERSION,
    producer: "onnx-kiln 0.1.0",
    name: "test",
    features: [],
    inputs: [],
    outputs: [],
    weights: { address: 0, byteLength: 0, embedded: true, sha256: "" },
    arena: { address: 0, byteLength: 0 },
    symbols: [],
    errors: [],
    states: [],
    ...fields,
  };
}

/** The WAT module with metadata in its section `kiln`. */
export function kilnModule(wat: string, fields: Partial<ModelMetadata>): Uint8Array<ArrayBuffer> {
  return withSection(assemble(wat), "kiln", encodeMetadata(metadataOf(fields)));
}

/** y[4] = 2 * x[4] in float32: the module most tests load. */
export const doubling = {
  wat: `(module
    (memory (export "memory") 1 1)
    (func $double (param $i i32)
      (f32.store offset=32 (local.get $i) (f32.mul (f32.const 2) (f32.load offset=16 (local.get $i)))))
    (func (export "run")
      (call $double (i32.const 0)) (call $double (i32.const 4))
      (call $double (i32.const 8)) (call $double (i32.const 12))))`,
  inputs: [binding("x", "float32", [2, 2], 16)],
  outputs: [binding("y", "float32", [2, 2], 32)],
};

/** Bytes of the doubling module. */
export const doublingModule = (fields: Partial<ModelMetadata> = {}): Uint8Array<ArrayBuffer> =>
  kilnModule(doubling.wat, { inputs: doubling.inputs, outputs: doubling.outputs, ...fields });
