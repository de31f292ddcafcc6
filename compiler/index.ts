/** The compiler: ONNX bytes in, a WebAssembly module, its loader and a report out. */

import type { PatchOutcome } from "../passes/graph/pass.js";
import { type MemoryPlan, planMemory } from "../passes/memory/plan.js";
import {
  ABI_VERSION,
  type FixedBinding,
  type ModelMetadata,
  type RunErrorInfo,
  type TensorBinding,
} from "../runtime/metadata.js";
import { checkArguments } from "./check-options.js";
import { invariant, KilnError } from "./diagnostics.js";
import { type Dim, dimSymbols, equalDims, isStatic, printDim, symbolDim } from "./ir/dim.js";
import { type Graph, splitStates, type Value } from "./ir/graph.js";
import { generateLoader, runtimeScript } from "./loader.js";
import { callsOf, type Program, type ProgramBuffer, type RunError, usesOf } from "./loop/program.js";
import {
  type Artifact,
  type CompileOptions,
  type CompileReport,
  type Features,
  featuresOf,
  symbolBounds,
  withDefaultLimits,
} from "./options.js";
import { describeCalls, sourceNodes } from "./source-nodes.js";
import { Pipeline } from "./stages.js";
import { encodeMetadata } from "./wasm/metadata.js";
import { type EmittedModule, emitModule } from "./wasm/module.js";
import { weightDigest, weightImage } from "./weight-image.js";

export { generateCHeader, type HeaderFigures } from "./c-header.js";
export { type ErrorCode, KilnError, UnsupportedModelError, type UnsupportedNode } from "./diagnostics.js";
export type { Limits } from "./limits.js";
export type { Host } from "./loader.js";
export type { Artifact, CompileOptions, CompileReport, Features, PassEvent } from "./options.js";

const producer = "onnx-kiln 0.1.0";

/**
 * Compiles a model ahead of time.
 *
 * @param model bytes of an ONNX file
 * @throws KilnError with a stable code: E_DECODE, E_MODEL, E_UNSUPPORTED (every unsupported node at once), E_SHAPE
 *   (a dim is unknown or does not fit), E_LIMIT, E_EXTERNAL_DATA, E_INPUT (an option does not fit)
 */
export async function compile(model: Uint8Array, options: CompileOptions = {}): Promise<Artifact> {
  const started = performance.now();
  checkArguments(model, options);
  const features = featuresOf(options);
  const pipeline = new Pipeline(options);
  const imported = await pipeline.importGraph(model);
  const importedNodes = imported.nodes.length;
  const sources = sourceNodes(imported);
  const graph = pipeline.runGraphPasses(imported);
  const program = pipeline.runLoopPasses(pipeline.lower(graph));
  const plan = planMemory(program, symbolBounds(options));
  checkMemory(plan, options);
  const metadata = describe(graph, program, plan, await weightDigest(plan), features, options);
  const emitted = emitModule({
    program,
    plan,
    memoryLimit: withDefaultLimits(options.limits).memoryBytes,
    features,
    optimize: options.optimize ?? 3,
    metadata: ({ errors, calls, sharedMemory }) => {
      metadata.errors = errors.map(describeError);
      if (sharedMemory) metadata.sharedMemory = sharedMemory;
      if (options.profile) metadata.calls = describeCalls(calls, sources);
      return encodeMetadata(metadata);
    },
    embed: metadata.weights.embedded ? plan.constants : [],
    ...(options.profile !== undefined && { profile: options.profile }),
  });
  checkModule(emitted.wasm, features);
  const loader = generateLoader(metadata, `${metadata.name}.wasm`, {
    host: options.host,
    wasm: emitted.wasm,
    ...(options.host === "inline" && { runtime: await runtimeScript(options.profile ?? false) }),
  });
  const calls = describeCalls(emitted.calls, sources);
  return {
    wasm: emitted.wasm,
    ...(!metadata.weights.embedded && { weights: weightImage(plan) }),
    ...loader,
    metadata,
    report: report(pipeline, program, plan, emitted, {
      calls,
      compileMs: performance.now() - started,
      nodes: { imported: importedNodes, lowered: graph.nodes.length },
    }),
  };
}

/** Binaryen has validated the code; the engine is asked about the whole, where it is sure to know all features. */
function checkModule(wasm: Uint8Array, { relaxedSimd }: Features): void {
  const isValid = relaxedSimd || WebAssembly.validate(wasm as BufferSource);
  if (!isValid) throw new KilnError("E_INTERNAL", "the module is not valid");
}

function checkMemory(plan: MemoryPlan, options: CompileOptions): void {
  checkArena(plan, options);
  const { memoryBytes } = withDefaultLimits(options.limits);
  if (plan.memoryBytes <= memoryBytes) return;
  throw new KilnError(
    "E_LIMIT",
    `the module needs ${plan.memoryBytes} bytes of memory, the limit is ${memoryBytes}`,
    {
      hint: "compile for a smaller input, or raise --max-memory",
    },
  );
}

function checkArena({ arena, dynamic }: MemoryPlan, { arenaBytes }: CompileOptions): void {
  if (arenaBytes === undefined) return;
  if (dynamic !== null) {
    throw new KilnError("E_INPUT", "a limit on the arena needs the sizes of all tensors", {
      hint: "bind the open dims: --dim NAME=N",
    });
  }
  if (arena.byteLength <= arenaBytes) return;
  throw new KilnError("E_LIMIT", `the arena needs ${arena.byteLength} bytes, the limit is ${arenaBytes}`);
}

function describe(
  graph: Graph,
  program: Program,
  plan: MemoryPlan,
  weightsHash: string,
  features: Features,
  options: CompileOptions,
): ModelMetadata {
  const { dynamic } = plan;
  const bind = ({ name, dtype, shape }: Value, buffer: ProgramBuffer): TensorBinding => {
    const described = { name, type: dtype };
    const address = plan.addresses.get(buffer);
    if (address !== undefined && shape.every(isStatic)) {
      return { ...described, dims: [...shape], address, byteLength: buffer.byteLength as number };
    }
    invariant(dynamic !== null, `${buffer.name} has no address`);
    const cells = shape.map((dim) => (isStatic(dim) ? null : dynamic.cellAddress(dim)));
    return {
      ...described,
      dims: shape.map((dim) => (isStatic(dim) ? dim : textOf(dim))),
      cells: { address: dynamic.addressCell(buffer), dims: cells },
    };
  };
  const bindAll = (values: readonly Value[], buffers: readonly ProgramBuffer[]) =>
    splitStates(
      graph,
      values.map((value, i) => bind(value, buffers[i]!)),
    );
  const [inputs, states] = bindAll(graph.inputs, program.inputs);
  return {
    abi: ABI_VERSION,
    producer,
    name: options.name ?? graph.name,
    features: [
      ...(features.simd ? ["simd128"] : []),
      ...(features.relaxedSimd ? ["relaxed-simd"] : []),
      ...(features.threads ? ["threads"] : []),
    ],
    inputs,
    outputs: bindAll(graph.outputs, program.outputs)[0],
    weights: {
      ...plan.weights,
      embedded: options.weights !== "split",
      sha256: weightsHash,
    },
    arena: plan.arena,
    symbols: (dynamic?.inputSymbols ?? []).map((name) => ({
      name,
      cell: dynamic!.symbolAddress(name),
      min: 0,
      max: 2 ** 31 - 1,
      ...symbolBounds(options).get(name),
    })),
    errors: [],
    states: states as FixedBinding[],
  };
}

/** The name of a symbol as the model has it, or the expression. */
function textOf(dim: Dim): string {
  const [name, ...others] = dimSymbols(dim);
  return name !== undefined && others.length === 0 && equalDims(dim, symbolDim(name)) ? name : printDim(dim);
}

const describeError = ({ message, source }: RunError): RunErrorInfo => ({
  message,
  ...(source[0] !== undefined && { node: source[0] }),
});

function patchReport(
  { bytesBefore, segments }: PatchOutcome,
  flops: number,
): NonNullable<CompileReport["patches"]> {
  const repeated = segments.reduce((sum, { repeatedFlops }) => sum + repeatedFlops, 0);
  return { arenaBytesBefore: bytesBefore, repeatedShare: repeated / Math.max(1, flops - repeated), segments };
}

function report(
  pipeline: Pipeline,
  program: Program,
  plan: MemoryPlan,
  emitted: EmittedModule,
  totals: Pick<CompileReport, "calls" | "compileMs" | "nodes">,
): CompileReport {
  const flops = callsOf(program).reduce((sum, call) => sum + call.flops, 0);
  return {
    ...totals,
    passes: pipeline.timings,
    flops,
    codeBytes: emitted.codeBytes,
    weightBytes: plan.weights.byteLength,
    arenaBytes: plan.arena.byteLength,
    arenaLowerBoundBytes: plan.arenaLowerBound,
    memoryBytes: plan.memoryBytes,
    ...(pipeline.patches !== undefined && { patches: patchReport(pipeline.patches, flops) }),
    kernels: [...usesOf(program)].map(([kernel, uses]) => ({
      name: kernel.name,
      calls: uses.length,
      isPart: uses.every((call) => call.kernel !== kernel),
      isShared: uses.some((call) => call.kernel.share !== undefined),
      codeBytes: emitted.kernelBytes.get(kernel.name) ?? 0,
    })),
  };
}
