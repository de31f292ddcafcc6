/** Programs that several tests of the loop IR use. */

import { KernelBuilder, op } from "../../compiler/loop/builder.js";
import type { Kernel } from "../../compiler/loop/ir.js";
import type { Call, Program, ProgramBuffer } from "../../compiler/loop/program.js";

/** y[i] = x[i] * w[0], for four elements. */
function scaleKernel(): Kernel {
  const b = new KernelBuilder("scale");
  const x = b.buffer("x", "float32", "read", 4);
  const w = b.buffer("w", "float32", "read", 1);
  const y = b.buffer("y", "float32", "write", 4);
  b.for("i", 0, 4, (i) => b.store(y, i, op("mul", b.load(x, i), b.load(w, 0))));
  return b.finish();
}

/** A call of that kernel. */
const scale = (
  kernel: Kernel,
  from: ProgramBuffer,
  factor: ProgramBuffer,
  byteOffset: number,
  to: ProgramBuffer,
): Call => ({
  kind: "call",
  kernel,
  args: [
    { buffer: from, byteOffset: 0 },
    { buffer: factor, byteOffset },
    { buffer: to, byteOffset: 0 },
  ],
  sizes: [],
  source: [],
  flops: 4,
  inPlace: [],
});

/** y = x * w[0] * w[1], by two calls of one kernel. */
export function scaleProgram(): Program {
  const kernel = scaleKernel();
  const data = new Uint8Array(Float32Array.of(3, -0.5).buffer);
  const x: ProgramBuffer = { name: "x", dtype: "float32", byteLength: 16, kind: "input" };
  const w: ProgramBuffer = { name: "w", dtype: "float32", byteLength: 8, kind: "constant", data };
  const t: ProgramBuffer = { name: "t", dtype: "float32", byteLength: 16, kind: "temporary" };
  const y: ProgramBuffer = { name: "out/y:0", dtype: "float32", byteLength: 16, kind: "output" };
  const call = (from: ProgramBuffer, to: ProgramBuffer, byteOffset: number, source: string): Call => ({
    ...scale(kernel, from, w, byteOffset, to),
    source: [source],
    inPlace: [[2, 0]],
  });
  return {
    name: "scale_twice",
    buffers: [x, w, t, y],
    steps: [call(x, t, 0, "Mul_0"), call(t, y, 4, "Mul_1")],
    inputs: [x],
    outputs: [y],
    inputShapes: [[4]],
    outputShapes: [[4]],
    errors: [],
  };
}

/** v = c * w[0] in the first run, y = x * v[1] in every run. */
export function firstRunProgram(): Program {
  const kernel = scaleKernel();
  const constant = (name: string, ...values: number[]): ProgramBuffer => {
    const data = new Uint8Array(Float32Array.of(...values).buffer);
    return { name, dtype: "float32", byteLength: data.length, kind: "constant", data };
  };
  const [c, w] = [constant("c", 1, 2, 3, 4), constant("w", 3)];
  const v: ProgramBuffer = { name: "v", dtype: "float32", byteLength: 16, kind: "kept" };
  const done: ProgramBuffer = { name: "done", dtype: "int32", byteLength: 4, kind: "kept" };
  const x: ProgramBuffer = { name: "x", dtype: "float32", byteLength: 16, kind: "input" };
  const y: ProgramBuffer = { name: "y", dtype: "float32", byteLength: 16, kind: "output" };
  return {
    name: "first_run",
    buffers: [c, w, v, done, x, y],
    steps: [{ kind: "once", done, body: [scale(kernel, c, w, 0, v)], source: [] }, scale(kernel, x, v, 4, y)],
    inputs: [x],
    outputs: [y],
    inputShapes: [[4]],
    outputShapes: [[4]],
    errors: [],
  };
}
