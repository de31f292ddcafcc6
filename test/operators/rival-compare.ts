/** Nodes on random tensors, whose results must be those of onnxruntime-web in every way that they can be had. */

import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { runCompiled } from "../harness.js";
import {
  evaluate,
  expectTensor,
  interpret,
  modelBytes,
  type NodeCase,
  of,
  type Tolerance,
} from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

/** Makers of random tensors that are the same every time. */
export function randomTensors(seed: number) {
  const random = randomNumbers(seed);
  const elements = (dims: readonly number[], element: () => number): number[] =>
    Array.from({ length: dims.reduce((product, dim) => product * dim, 1) }, element);
  return {
    random,
    /** Numbers around 0. */
    normal: (dims: readonly number[], scale = 1, dtype: DType = "float32"): TensorData =>
      of(
        dtype,
        dims,
        elements(dims, () => (random() + random() + random() - 1.5) * scale),
      ),
    /** Numbers of a range. */
    uniform: (dims: readonly number[], low: number, high: number, dtype: DType = "float32"): TensorData =>
      of(
        dtype,
        dims,
        elements(dims, () => low + random() * (high - low)),
      ),
    /** Whole numbers of a range, both ends counted. */
    whole: (dtype: DType, dims: readonly number[], low: number, high: number): TensorData =>
      of(
        dtype,
        dims,
        elements(dims, () => low + Math.floor(random() * (high - low + 1))),
      ),
  };
}

/** Ways in which a node is lowered, besides that with fixed dims and all inputs from outside. */
export interface Ways {
  /** Inputs that are constants as well. */
  readonly constant?: readonly number[];
  /** Whether all dims are left open as well; the dims of some inputs only where they are listed. */
  readonly open?: boolean | readonly number[];
}

export async function expectRival(
  node: NodeCase,
  tolerance: Tolerance = { relative: 1e-5, absolute: 1e-5 },
  { constant, open = true }: Ways = {},
): Promise<void> {
  const expected = await rivalResults(node);
  const all = node.inputs.map((_, i) => i);
  const ways = [
    evaluate(node),
    interpret(node),
    compiled(node, constant ?? []),
    ...(constant === undefined ? [] : [interpret({ ...node, constant })]),
    ...(open === false ? [] : [interpret({ ...node, open: open === true ? all : open })]),
  ];
  for (const results of await Promise.all(ways)) {
    expected.forEach((one, i) => {
      expectTensor(results[i]!, one, tolerance);
    });
  }
}

/** What the module computes. */
async function compiled(node: NodeCase, constant: readonly number[]): Promise<TensorData[]> {
  const { bytes, feeds } = modelBytes(node, (i) => constant.includes(i));
  const results = await runCompiled(bytes, Object.fromEntries(feeds));
  return Array.from({ length: node.outputs ?? 1 }, (_, i) => results[`y${i}`]!);
}
