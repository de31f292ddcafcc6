/** The compiler: ONNX bytes in, a WebAssembly module, its loader and a report out. */

import { type MemoryPlan, planMemory } from "../passes/memory/plan.js";
import { ABI_VERSION, encodeMetadata, type ModelMetadata, type TensorBinding } from "../runtime/metadata.js";
import { KilnError } from "./diagnostics.js";
import { staticDim } from "./ir/dim.js";
import type { Graph, Value } from "./ir/graph.js";
import { generateLoader } from "./loader.js";
import { kernelsOf, type Program, type ProgramBuffer } from "./loop/program.js";
import {
  type Artifact,
  type CompileOptions,
  type CompileReport,
  type Features,
  withDefaultLimits,
} from "./options.js";
import { Pipeline } from "./stages.js";
import { type EmittedModule, emitModule } from "./wasm/module.js";

export { type ErrorCode, KilnError, UnsupportedModelError, type UnsupportedNode } from "./diagnostics.js";
export type { Limits } from "./limits.js";
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
  const features = checkFeatures(options);
  const pipeline = new Pipeline(options);
  const imported = await pipeline.importGraph(model);
  const importedNodes = imported.nodes.length;
  const graph = pipeline.runGraphPasses(imported);
  const program = pipeline.runLoopPasses(pipeline.lower(graph));
  const plan = planMemory(program);
  checkMemory(plan, options);
  const weights = weightImage(plan);
  const metadata = describe(graph, program, plan, await sha256(weights), features, options);
  const emitted = emitModule({
    program,
    addresses: plan.addresses,
    memoryBytes: plan.memoryBytes,
    features,
    optimize: options.optimize ?? 3,
    metadata: encodeMetadata(metadata),
    embed: metadata.weights.embedded ? plan.constants : [],
  });
  const loader = generateLoader(metadata, `${metadata.name}.wasm`);
  return {
    wasm: emitted.wasm,
    ...(!metadata.weights.embedded && { weights }),
    ...loader,
    metadata,
    report: report(pipeline, program, plan, emitted, {
      compileMs: performance.now() - started,
      nodes: { imported: importedNodes, lowered: graph.nodes.length },
    }),
  };
}

function checkFeatures(options: CompileOptions): Features {
  const features: Features = { simd: true, relaxedSimd: false, threads: false, ...options.features };
  if (features.threads) throw new KilnError("E_UNSUPPORTED", "threads are not there in this version");
  if (!features.simd) throw new KilnError("E_UNSUPPORTED", "scalar code is not there in this version");
  if (options.strict && features.relaxedSimd) {
    throw new KilnError("E_INPUT", "strict rules out relaxed SIMD, whose rounding depends on the machine");
  }
  return features;
}

function checkMemory(plan: MemoryPlan, options: CompileOptions): void {
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

/** The constants as they lie in memory. */
function weightImage(plan: MemoryPlan): Uint8Array {
  const image = new Uint8Array(plan.weights.byteLength);
  for (const buffer of plan.constants) {
    image.set(buffer.data ?? new Uint8Array(), plan.addresses.get(buffer)! - plan.weights.address);
  }
  return image;
}

/** Lower-case hexadecimal digest, by the Web Crypto that Node and browsers share. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function describe(
  graph: Graph,
  program: Program,
  plan: MemoryPlan,
  weightsHash: string,
  features: Features,
  options: CompileOptions,
): ModelMetadata {
  const bind = (value: Value, buffer: ProgramBuffer): TensorBinding => ({
    name: value.name,
    type: value.dtype,
    dims: value.shape.map((dim) => staticDim(dim, `a dim of "${value.name}"`)),
    address: plan.addresses.get(buffer)!,
    byteLength: buffer.byteLength,
  });
  return {
    abi: ABI_VERSION,
    producer,
    name: options.name ?? graph.name,
    features: ["simd128", ...(features.relaxedSimd ? ["relaxed-simd"] : [])],
    inputs: graph.inputs.map((value, i) => bind(value, program.inputs[i]!)),
    outputs: graph.outputs.map((value, i) => bind(value, program.outputs[i]!)),
    weights: {
      ...plan.weights,
      embedded: options.weights !== "split",
      sha256: weightsHash,
    },
    arena: plan.arena,
    states: [],
  };
}

function report(
  pipeline: Pipeline,
  program: Program,
  plan: MemoryPlan,
  emitted: EmittedModule,
  totals: Pick<CompileReport, "compileMs" | "nodes">,
): CompileReport {
  return {
    ...totals,
    passes: pipeline.timings,
    flops: program.calls.reduce((sum, call) => sum + call.flops, 0),
    codeBytes: emitted.codeBytes,
    weightBytes: plan.weights.byteLength,
    arenaBytes: plan.arena.byteLength,
    arenaLowerBoundBytes: plan.arenaLowerBound,
    memoryBytes: plan.memoryBytes,
    kernels: kernelsOf(program).map(({ name }) => ({
      name,
      calls: program.calls.filter((call) => call.kernel.name === name).length,
      codeBytes: emitted.kernelBytes.get(name) ?? 0,
    })),
  };
}
