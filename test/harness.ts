/**
 * Runs one model at every level of the compiler and compares what comes out:
 *
 *     evaluate   the operators' own `evaluate`, node by node, on the graph as it was imported
 *     loops-O0   Loop IR as lowering makes it, interpreted
 *     loops-O3   Loop IR after all graph and loop passes, interpreted; the IR is verified after each
 *     wasm       the compiled module in the runtime
 *
 * The reference is onnxruntime-web, or what the test gives, or (for models that onnxruntime-web does not take) the
 * first level.
 */

import ort from "onnxruntime-web";
import { expect } from "vitest";
import { runtimeElements, runtimeTensor } from "../compiler/cli/elements.js";
import { compile } from "../compiler/index.js";
import { dimSymbols } from "../compiler/ir/dim.js";
import type { TypedArray } from "../compiler/ir/dtype.js";
import type { Graph } from "../compiler/ir/graph.js";
import {
  elementCount,
  elementsOfBytes,
  type TensorData,
  tensor,
  tensorBytes,
} from "../compiler/ir/tensor.js";
import { runProgram } from "../compiler/loop/interpret.js";
import { evaluateNode } from "../compiler/operators/evaluate.js";
import { findOperator } from "../compiler/operators/index.js";
import type { CompileOptions } from "../compiler/options.js";
import { Pipeline } from "../compiler/stages.js";
import { type Feed, load, type Tensor } from "../runtime/index.js";
import { differenceOf, type Tolerance } from "./harness-compare.js";
import { buildModel, type ModelSpec } from "./onnx/build-model.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export type Tensors = Record<string, TensorData>;

export const levels = ["evaluate", "loops-O0", "loops-O3", "wasm"] as const;
export type Level = (typeof levels)[number];

export interface LevelOptions {
  /** Default: all. */
  readonly levels?: readonly Level[];
  /** "onnxruntime" where absent; "evaluate" for what onnxruntime-web does not take. */
  readonly reference?: Tensors | "onnxruntime" | "evaluate";
  readonly tolerance?: Tolerance;
  readonly compile?: CompileOptions;
}

/** Sums of some hundred products of numbers below 1, in another order than the reference adds them. */
const usualTolerance: Tolerance = { absolute: 2e-5, relative: 2e-5 };

/**
 * Expects the same results at every level. Levels that cannot run are left out: `evaluate` where an operator has no
 * evaluation. Returns the levels that ran, and the results of the reference.
 */
export async function expectLevels(
  model: Uint8Array | ModelSpec,
  feeds: Tensors,
  options: LevelOptions = {},
): Promise<{ ran: Level[]; reference: Tensors }> {
  const bytes = model instanceof Uint8Array ? model : buildModel(model);
  const compileOptions = options.compile ?? {};
  const wanted = options.reference ?? "onnxruntime";
  const reference =
    wanted === "onnxruntime"
      ? await runOnnxruntime(bytes, feeds)
      : wanted === "evaluate"
        ? await evaluateModel(bytes, feeds, compileOptions)
        : wanted;
  if (reference === null) throw new Error("the reference is `evaluate`, but an operator has no evaluation");
  const ran: Level[] = [];
  for (const level of options.levels ?? levels) {
    const results = await runLevel(level, bytes, feeds, compileOptions);
    if (results === null) continue;
    ran.push(level);
    expectTensors(results, reference, options.tolerance ?? usualTolerance, level);
  }
  return { ran, reference };
}

/** Expects these tensors and no others, each within the tolerance. */
export function expectTensors(actual: Tensors, expected: Tensors, tolerance: Tolerance, what: string): void {
  expect(Object.keys(actual).sort(), what).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    const difference = differenceOf(actual[name]!, value, tolerance);
    if (difference !== null) expect.fail(`${what}: "${name}" ${difference}`);
  }
}

/** Null where the level cannot run the model. */
export async function runLevel(
  level: Level,
  model: Uint8Array,
  feeds: Tensors,
  options: CompileOptions = {},
): Promise<Tensors | null> {
  switch (level) {
    case "evaluate":
      return evaluateModel(model, feeds, options);
    case "loops-O0":
      return interpretModel(model, feeds, { ...options, optimize: 0 });
    case "loops-O3":
      return interpretModel(model, feeds, { ...options, optimize: 3 });
    case "wasm":
      return runCompiled(model, feeds, options);
  }
}

/** Results of the operators' `evaluate`; null where an operator of the graph has none. */
export async function evaluateModel(
  model: Uint8Array,
  feeds: Tensors,
  options: CompileOptions = {},
): Promise<Tensors | null> {
  const graph = await new Pipeline(options).importGraph(model);
  for (const input of graph.inputs) input.constant = feeds[input.name]!;
  for (const node of graph.nodes) {
    const results = evaluateNode(findOperator(node.operator)!, node);
    if (results === null) return null;
    node.outputs.forEach((output, i) => {
      output.constant = results[i]!;
    });
  }
  return namedResults(graph, (i) => graph.outputs[i]!.constant!.data);
}

export async function interpretModel(
  model: Uint8Array,
  feeds: Tensors,
  options: CompileOptions,
): Promise<Tensors> {
  const pipeline = new Pipeline({ ...options, verify: true });
  const graph = pipeline.runGraphPasses(await pipeline.importGraph(model));
  const program = pipeline.runLoopPasses(pipeline.lower(graph));
  const inputs = new Map(program.inputs.map(({ name }) => [name, tensorBytes(feeds[name]!)]));
  const results = runProgram(program, inputs, undefined, symbolsOf(graph, feeds));
  return Object.fromEntries(
    graph.outputs.map(({ name, dtype }, i) => {
      const { bytes, dims } = results[i]!;
      return [name, tensor(dtype, dims, elementsOfBytes(dtype, elementCount(dims), bytes))];
    }),
  );
}

/** What the feeds make of the symbols in the inputs' shapes. */
function symbolsOf(graph: Graph, feeds: Tensors): Map<string, number> {
  const pairs = graph.inputs.flatMap(({ name, shape }) =>
    shape.flatMap((dim, axis): [string, number][] =>
      [...dimSymbols(dim)].map((symbol) => [symbol, feeds[name]!.dims[axis]!]),
    ),
  );
  return new Map(pairs);
}

/** Inputs are known by their names: those of a graph's tensors and those of its buffers are the same. */
function namedResults(graph: Graph, data: (output: number) => TypedArray): Tensors {
  return Object.fromEntries(
    graph.outputs.map(({ name, dtype, shape }, i) => [name, tensor(dtype, shape as number[], data(i))]),
  );
}

export async function runCompiled(
  model: Uint8Array,
  feeds: Tensors,
  options: CompileOptions = {},
): Promise<Tensors> {
  const { wasm, weights } = await compile(model, { ...options, verify: true });
  const loaded = await load(
    wasm as Uint8Array<ArrayBuffer>,
    weights === undefined ? {} : { weights: weights as Uint8Array<ArrayBuffer> },
  );
  const results = fromRuntime(loaded.runSync(toRuntime(feeds)));
  // A second run must not depend on what the first left in memory.
  expectTensors(fromRuntime(loaded.runSync(toRuntime(feeds))), results, {}, "the second run of the module");
  loaded.dispose();
  return results;
}

export const toRuntime = (feeds: Tensors): Record<string, Feed> =>
  Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, runtimeTensor(feed) as Feed]));

export const fromRuntime = (results: Record<string, Tensor>): Tensors =>
  Object.fromEntries(
    Object.entries(results).map(([name, result]) => [
      name,
      { dtype: result.type, data: runtimeElements(result), dims: result.dims },
    ]),
  );

/** Sessions of the models that were run last, by their bytes. */
const sessions = new Map<Uint8Array, Promise<ort.InferenceSession>>();
const keptSessions = 4;

export async function runOnnxruntime(model: Uint8Array, feeds: Tensors): Promise<Tensors> {
  const session = await openSession(model);
  const tensors = Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
    name,
    new ort.Tensor(dtype as "float32", data as Float32Array, [...dims]),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(
    session.outputNames.map((name) => {
      const { type, data, dims } = results[name]!;
      return [name, { dtype: type, data, dims } as TensorData];
    }),
  );
}

async function openSession(model: Uint8Array): Promise<ort.InferenceSession> {
  const known = sessions.get(model);
  if (known !== undefined) return known;
  for (const [bytes, session] of [...sessions].slice(0, Math.max(0, sessions.size - keptSessions + 1))) {
    sessions.delete(bytes);
    await (await session).release();
  }
  const opened = ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  sessions.set(model, opened);
  return opened;
}
