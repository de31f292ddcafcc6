/** Collects what the HTML report shows, by running the compiler stage by stage. */

import { type MemoryPlan, planAt, planMemory, type SymbolBounds } from "../../passes/memory/plan.js";
import { printKernel } from "../loop/print.js";
import { callsOf, kernelsOf, type Program, withParts } from "../loop/program.js";
import { type CompileOptions, symbolBounds, withDefaultLimits } from "../options.js";
import { describeCalls, sourceNodes } from "../source-nodes.js";
import { Pipeline } from "../stages.js";
import { emitModule, wasmName } from "../wasm/module.js";
import { functionTexts } from "../wasm/wat.js";
import type {
  CallData,
  GraphData,
  KernelData,
  MemoryData,
  ProfileSummary,
  ReportData,
  StageData,
} from "./data.js";
import { graphData } from "./graph-data.js";
import { exampleSizes, peakOf, placedBuffers } from "./placed.js";

/** Texts whose lines are kept once: stages differ in a few lines of many thousands. */
class Lines {
  readonly all: string[] = [];
  private readonly places = new Map<string, number>();

  add(text: string): number[] {
    return text.split("\n").map((line) => {
      const known = this.places.get(line);
      if (known !== undefined) return known;
      this.places.set(line, this.all.length);
      return this.all.push(line) - 1;
    });
  }
}

export interface ReportInput {
  readonly model: Uint8Array;
  readonly name: string;
  readonly options: CompileOptions;
  /** Times of the calls in their order, and what the profile says of kernels. */
  readonly profile: { readonly callMs: readonly number[]; readonly summary: ProfileSummary } | null;
}

export async function collectReport({
  model,
  name,
  options,
  profile,
}: ReportInput): Promise<Omit<ReportData, "facts">> {
  const lines = new Lines();
  const stages: { name: string; ms: number; text: number[] | null; graph: GraphData | null }[] = [];
  const pipeline = new Pipeline({
    ...options,
    onPass: ({ name, before, after, ms }) => {
      const text = before === after ? null : lines.add(after);
      stages.push({ name, ms, text, graph: null });
    },
  });
  pipeline.onGraph = (graph) => {
    const stage = stages.at(-1)!;
    if (stage.text !== null) stage.graph = graphData(graph);
  };
  const imported = await pipeline.importGraph(model);
  const sources = sourceNodes(imported);
  const graph = pipeline.runGraphPasses(imported);
  const firstLoops = stages.length;
  const program = pipeline.runLoopPasses(pipeline.lower(graph));
  const bounds = symbolBounds(options);
  const plan = planMemory(program, bounds);
  const { simd = true, relaxedSimd = false, threads = false } = options.features ?? {};
  const {
    wasm,
    kernelBytes,
    calls: emitted,
  } = emitModule({
    program,
    plan,
    memoryLimit: withDefaultLimits(options.limits).memoryBytes,
    features: { simd, relaxedSimd, threads },
    optimize: options.optimize ?? 3,
    metadata: () => new Uint8Array(),
    embed: [],
  });
  const wat = await functionTexts(wasm);
  const calls = describeCalls(emitted, sources).map((call, i): CallData => {
    return { ...call, ms: profile?.callMs[i] ?? null };
  });
  const called = new Set(callsOf(program).map(({ kernel }) => kernel));
  const kernels = kernelsOf(program).map((kernel): KernelData => {
    const flops = calls.reduce((sum, call) => sum + (call.kernel === kernel.name ? call.flops : 0), 0);
    const parts = withParts(kernel);
    return {
      name: kernel.name,
      isPart: !called.has(kernel),
      codeBytes: kernelBytes.get(kernel.name) ?? 0,
      flops,
      loops: lines.add(parts.map(printKernel).join("\n\n")),
      wat: lines.add(parts.map(({ name }) => wat.get(wasmName(name)) ?? "").join("\n")),
    };
  });
  return {
    name,
    stages: stages.map(
      (stage, i): StageData => ({
        ...stage,
        ir: i < firstLoops ? "graph" : "loop",
        nodes: pipeline.timings[i]!.nodes,
        graph: stage.graph && withCalls(stage.graph, calls),
      }),
    ),
    calls,
    kernels,
    memory: memoryData(program, plan, bounds),
    weights: plan.constants.map(({ name, data }) => ({ name, bytes: data?.length ?? 0 })),
    profile: profile?.summary ?? null,
    lines: lines.all,
  };
}

/** Calls are those of the node that has all of their sources, or where there is none, of all that have one of them. */
function withCalls({ nodes, edges }: GraphData, calls: readonly CallData[]): GraphData {
  const keyOf = (source: readonly string[]): string => JSON.stringify([...source].sort());
  const keys = nodes.map(({ source }) => keyOf(source));
  const known = new Set(keys);
  const exact = new Map<string, number[]>();
  const partial = new Map<string, number[]>();
  calls.forEach((call, i) => {
    const key = keyOf(call.nodes);
    const [found, places] = known.has(key) ? [exact, [key]] : [partial, call.nodes];
    for (const place of places) found.set(place, [...(found.get(place) ?? []), i]);
  });
  return {
    edges,
    nodes: nodes.map((node, i) => {
      const own = [...(exact.get(keys[i]!) ?? []), ...node.source.flatMap((name) => partial.get(name) ?? [])];
      return { ...node, calls: node.source.length === 0 ? [] : [...new Set(own)].sort((x, y) => x - y) };
    }),
  };
}

function memoryData(program: Program, plan: MemoryPlan, bounds: SymbolBounds): MemoryData {
  const sizes = exampleSizes(program, plan, bounds);
  const run = planAt(plan, sizes);
  const buffers = placedBuffers(program, run);
  return {
    buffers: buffers.filter(({ kind }) => kind !== "constant" && kind !== "kept"),
    weightBytes: run.weights.byteLength,
    arenaAddress: run.arena.address,
    arenaBytes: run.arena.byteLength,
    arenaLowerBound: run.arenaLowerBound,
    unsharedBytes: run.unsharedBytes,
    memoryBytes: run.memoryBytes,
    peak: peakOf(buffers, callsOf(program).length),
    isOpen: plan.dynamic !== null,
    sizes: [...sizes],
  };
}
