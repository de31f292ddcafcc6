/**
 * Reproducers of crashes: the IR before the stage that failed, with its tensors, the rest of the pipeline, the options
 * and the version, in one text file. Everything but the IR lies in comments, so the file is IR text as it is.
 */

import { loopPasses, programPasses } from "../passes/loop/pipeline.js";
import { planMemory } from "../passes/memory/plan.js";
import { graphPipeline } from "../passes/pipeline.js";
import { KilnError } from "./diagnostics.js";
import type { DType } from "./ir/dtype.js";
import { Graph } from "./ir/graph.js";
import { parseGraph } from "./ir/parse.js";
import { graphResources, printGraph } from "./ir/print.js";
import { elementCount, elementsOfBytes, type TensorData, tensorBytes } from "./ir/tensor.js";
import { parseProgram } from "./loop/parse.js";
import { printProgram } from "./loop/print.js";
import type { Program } from "./loop/program.js";
import { type CompileOptions, symbolBounds, withDefaultLimits } from "./options.js";
import { Pipeline } from "./stages.js";

/** What can be written down of the options; functions are not needed behind the import. */
type PlainOptions = Omit<CompileOptions, "externalData" | "onPass" | "onStage" | "onChoice">;

interface Head {
  readonly version: string;
  readonly node: string;
  /** Number of stages that were done, and the names of those to come. */
  readonly done: number;
  readonly pipeline: readonly string[];
  readonly ir: "graph" | "program";
  readonly options: PlainOptions;
  readonly error: string;
}

interface Resource {
  readonly name: string;
  readonly dtype?: DType;
  readonly dims?: readonly number[];
  readonly byteLength: number;
  /** Absent where all tensors together are too large: zeros stand in for them. */
  readonly base64?: string;
}

const mark = "// kiln-reproducer: ";
const resourceMark = "// kiln-resource: ";

const mostResourceBytes = 64e6;

/**
 * The reproducer of a compilation that fails behind its import, by compiling once more; null where it does not fail, or
 * fails in the import: then the model itself is the reproducer.
 */
export async function makeReproducer(
  model: Uint8Array,
  options: CompileOptions,
  { version, error }: { readonly version: string; readonly error: unknown },
): Promise<string | null> {
  let last: {
    readonly stage: number;
    readonly text: string;
    readonly resources: readonly Resource[];
  } | null = null;
  let isGraph = true;
  const { onPass: _, onStage: __, ...rest } = options;
  const pipeline = new Pipeline(rest);
  pipeline.onInput = (stage, ir) => {
    isGraph = ir instanceof Graph;
    last = { stage, ...(ir instanceof Graph ? graphText(ir) : programText(ir)) };
  };
  try {
    const graph = pipeline.runGraphPasses(await pipeline.importGraph(model));
    await finish(pipeline, graph, rest);
  } catch {} // as it did before
  if (last === null) return null;
  const { stage, text, resources } = last as { stage: number; text: string; resources: Resource[] };
  const { externalData: ___, onChoice: ____, ...plain } = rest;
  const head: Head = {
    version,
    node: globalThis.process?.version ?? "",
    done: stage,
    pipeline: [...stageNames(options).slice(stage), "emit"],
    ir: isGraph ? "graph" : "program",
    options: plain,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
  return [
    "// The IR before a stage of Kiln that failed. Replay it with: kiln replay FILE",
    `${mark}${JSON.stringify(head)}`,
    text,
    ...resources.map((resource) => `${resourceMark}${JSON.stringify(resource)}`),
    "",
  ].join("\n");
}

/** Runs what a reproducer has left of the pipeline, to the module's end; fails as the compilation did. */
export async function replay(text: string, onStage?: (name: string) => void): Promise<void> {
  const lines = text.split("\n");
  const headLine = lines.find((line) => line.startsWith(mark));
  if (headLine === undefined) throw new KilnError("E_INPUT", "not a reproducer of Kiln");
  const { done, ir, options } = JSON.parse(headLine.slice(mark.length)) as Head;
  const resources = lines
    .filter((line) => line.startsWith(resourceMark))
    .map((line) => JSON.parse(line.slice(resourceMark.length)) as Resource);
  const body = lines.filter((line) => !line.startsWith(mark) && !line.startsWith(resourceMark)).join("\n");
  const pipeline = new Pipeline({ ...options, ...(onStage !== undefined && { onStage }) }, done);
  if (ir === "graph") {
    const graph = parseGraph(body, new Map(resources.map((one) => [one.name, tensorOf(one)])));
    await finish(pipeline, pipeline.runGraphPasses(graph), options);
  } else {
    const program = parseProgram(body, new Map(resources.map((one) => [one.name, bytesOf(one)])));
    await emit(pipeline.runLoopPasses(program), options);
  }
}

const finish = (pipeline: Pipeline, graph: Graph, options: CompileOptions): Promise<void> =>
  emit(pipeline.runLoopPasses(pipeline.lower(graph)), options);

async function emit(program: Program, options: CompileOptions): Promise<void> {
  // Imported here: a reproducer of an earlier stage never gets to Binaryen, which takes a second to start.
  const { emitModule } = await import("./wasm/module.js");
  const plan = planMemory(program, symbolBounds(options));
  emitModule({
    program,
    plan,
    memoryLimit: withDefaultLimits(options.limits).memoryBytes,
    features: { simd: true, relaxedSimd: false, threads: false, ...options.features },
    optimize: options.optimize ?? 3,
    metadata: () => new Uint8Array(),
    embed: plan.constants,
    ...(options.profile !== undefined && { profile: options.profile }),
  });
}

function stageNames({ optimize = 3, features }: CompileOptions): string[] {
  const names = (passes: readonly { readonly name: string }[]) => passes.map(({ name }) => name);
  return [
    "import",
    ...names(graphPipeline(optimize)),
    "lower",
    ...names(loopPasses(optimize, features)),
    ...names(programPasses(optimize)),
  ];
}

function graphText(graph: Graph): { text: string; resources: Resource[] } {
  const tensors = [...graphResources(graph)].map(([name, data]) => ({
    name,
    data,
    bytes: tensorBytes(data),
  }));
  const isSmall = tensors.reduce((sum, { bytes }) => sum + bytes.length, 0) <= mostResourceBytes;
  const resources = tensors.map(({ name, data: { dtype, dims }, bytes }) => ({
    ...{ name, dtype, dims, byteLength: bytes.length },
    ...(isSmall && { base64: toBase64(bytes) }),
  }));
  return { text: printGraph(graph), resources };
}

function programText(program: Program): { text: string; resources: Resource[] } {
  const constants = program.buffers.filter(({ data }) => data !== undefined);
  const isSmall = constants.reduce((sum, { data }) => sum + data!.length, 0) <= mostResourceBytes;
  const resources = constants.map(({ name, data }) => ({
    ...{ name, byteLength: data!.length },
    ...(isSmall && { base64: toBase64(data!) }),
  }));
  return { text: printProgram(program), resources };
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function bytesOf({ base64, byteLength }: Resource): Uint8Array {
  return base64 === undefined ? new Uint8Array(byteLength) : new Uint8Array(Buffer.from(base64, "base64"));
}

function tensorOf(resource: Resource): TensorData {
  const { dtype, dims } = resource;
  return {
    dtype: dtype!,
    dims: dims!,
    data: elementsOfBytes(dtype!, elementCount(dims!), bytesOf(resource)),
  };
}
