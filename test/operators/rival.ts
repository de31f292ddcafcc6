/** Results of onnxruntime-web for single operators. */

import ort from "onnxruntime-web";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { modelBytes, type NodeCase } from "./harness.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** What onnxruntime-web computes for a node of which all inputs are feeds. */
export async function rivalResults(node: NodeCase): Promise<TensorData[]> {
  const { bytes, feeds } = modelBytes(node, () => false);
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const given = Object.fromEntries(
    [...feeds].map(([name, { dtype, data, dims }]) => [
      name,
      new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor["data"] & Float32Array, dims),
    ]),
  );
  const results = await session.run(given);
  await session.release();
  return session.outputNames.map((name) => {
    const { type, dims, data } = results[name]!;
    const stored = new dtypes[type as DType].array(data.length);
    (stored as Float32Array).set(data as Float32Array);
    return tensor(type as DType, dims, stored);
  });
}

/** A generator of numbers from 0 to 1 that gives the same ones every time. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
