/** A model under Kiln in several variants and under its rivals, in one process, in turn, on the same inputs. */

import { existsSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import type { Model } from "../../runtime/index.js";
import type { Artifact } from "../options.js";
import { type ColdStartInput, type ColdStarts, measureColdStarts } from "./cold-start.js";
import {
  type Engine,
  EngineMissing,
  type Feeds,
  kilnEngine,
  openOnnxruntime,
  type Package,
  packageFile,
} from "./engines.js";
import { checkResults, type Difference, type Duration, measureInTurn, type Statistics } from "./measure.js";
import type { PositionedProfile } from "./position.js";
import { type InnerLoop, innerLoops, type Roofline } from "./roofline.js";
import { isMeasurable, type Variant } from "./variants.js";

export interface BenchInput {
  readonly name: string;
  readonly model: Uint8Array;
  /** Files of tensors that the model names, by location. */
  readonly external?: ReadonlyMap<string, Uint8Array>;
  readonly variants: readonly Variant[];
  /** Threads of the threaded variants and of the rival that they are compared with. */
  readonly threads: number;
  compile(variant: Variant): Promise<Artifact>;
  load(artifact: Artifact, threads: number): Promise<Model>;
  feeds(model: Model): Promise<Feeds>;
  readonly duration: Duration;
  /** Largest difference of results, relative to the largest magnitude of the output. */
  readonly tolerance: number;
  /** Cold starts of each engine; 0 to leave them out. */
  readonly coldStarts: number;
  readonly scripts?: ColdStartInput["scripts"];
  measureRoofline(): Promise<Roofline>;
}

export interface EngineReport extends Statistics {
  readonly label: string;
  readonly threads: number;
  readonly isKiln: boolean;
  readonly gflops: number;
  /** Of the inner-loop peak of as many threads; of Kiln's variants only. */
  readonly peakShare?: number;
  /** Time of onnxruntime-web with as many threads over this one's: how many times faster it is. */
  readonly ratio?: number;
  /** The same of onnxruntime-node, one thread. */
  readonly nativeRatio?: number;
  readonly difference?: Difference;
}

export interface BenchReport {
  readonly name: string;
  readonly flops: number;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly roofline: Roofline;
  readonly engines: readonly EngineReport[];
  /** What was not measured, and why. */
  readonly missing: readonly { readonly label: string; readonly reason: string }[];
  readonly coldStarts: ColdStarts | null;
  readonly sizes: Sizes;
  readonly compile: { readonly ms: number; readonly peakBytes: number };
  /** Of the variant that takes most. */
  readonly memoryBytes: number;
  /** Of the variant that is furthest above its lower bound. */
  readonly arenaBytes: number;
  readonly arenaLowerBoundBytes: number;
  /** Kernels of the variant with this label, where they were asked for. */
  readonly profile?: PositionedProfile & { readonly label: string };
}

/** The fastest of Kiln's variants on one thread; where there are none, the fastest of all. */
export function bestOf({ engines }: Pick<BenchReport, "engines">): EngineReport {
  const ours = engines.filter(({ isKiln }) => isKiln);
  const single = ours.filter(({ threads }) => threads === 1);
  return (single.length > 0 ? single : ours).reduce((a, b) => (a.medianMs <= b.medianMs ? a : b));
}

/** Bytes of all that is shipped, by the variant that has most code. */
export interface Sizes {
  readonly moduleBytes: number;
  readonly weightBytes: number;
  readonly codeBytes: number;
  readonly runtimeGzipBytes: number | null;
  /** The model, and onnxruntime-web's JavaScript and WebAssembly. */
  readonly rivalBytes: number | null;
}

interface Subject {
  readonly variant: Variant;
  readonly artifact: Artifact;
  readonly engine: Engine;
}

/** @throws ResultsDiffer where a variant and the rival disagree */
export async function benchModel(input: BenchInput): Promise<BenchReport> {
  const missing: { label: string; reason: string }[] = [];
  const subjects: Subject[] = [];
  let first: { artifact: Artifact; feeds: Feeds; peakBytes: number } | undefined;
  for (const variant of input.variants) {
    const label = `kiln ${variant.name}`;
    if (!isMeasurable(variant)) {
      missing.push({ label, reason: `Node ${process.version} has no relaxed SIMD` });
      continue;
    }
    const artifact = await input.compile(variant);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    const threads = variant.threaded ? input.threads : 1;
    const model = await input.load(artifact, threads);
    // The first variant's compilation is the one that is reported: later ones find the compiler warm.
    first ??= { artifact, feeds: await input.feeds(model), peakBytes };
    subjects.push({ variant, artifact, engine: kilnEngine(label, threads, model, first.feeds) });
  }
  if (first === undefined) {
    const reasons = [...new Set(missing.map(({ reason }) => reason))].join("; ");
    throw new EngineMissing(`no variant can be measured: ${reasons}`);
  }
  const { artifact, feeds, peakBytes } = first;
  const { compileMs, flops } = artifact.report;
  const artifacts = subjects.map((subject) => subject.artifact);
  const { memoryBytes } = mostOf(artifacts, (report) => report.memoryBytes).report;
  const { arenaBytes, arenaLowerBoundBytes } = mostOf(
    artifacts,
    (report) => report.arenaBytes / Math.max(1, report.arenaLowerBoundBytes),
  ).report;
  const largest = mostOf(artifacts, ({ codeBytes }) => codeBytes);
  const coldStarts =
    input.coldStarts === 0
      ? null
      : await measureColdStarts({
          modules: subjects.map(({ artifact: { wasm }, engine: { label, threads } }) => ({
            label,
            threads,
            wasm,
          })),
          model: input.model,
          feeds,
          starts: input.coldStarts,
          ...(input.scripts && { scripts: input.scripts }),
        });
  const roofline = await input.measureRoofline();
  const engines: EngineReport[] = [];
  for (const threads of new Set(subjects.map(({ engine }) => engine.threads))) {
    const group = subjects.filter(({ engine }) => engine.threads === threads);
    engines.push(...(await measureGroup(input, group, { feeds, threads, flops, roofline }, missing)));
  }
  return {
    name: input.name,
    flops,
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version },
    roofline,
    engines,
    missing,
    coldStarts,
    sizes: await sizesOf(largest, input.model.length),
    compile: { ms: compileMs, peakBytes },
    memoryBytes,
    arenaBytes,
    arenaLowerBoundBytes,
  };
}

/** The artifact of whose report the value is the largest. */
const mostOf = (artifacts: readonly Artifact[], value: (report: Artifact["report"]) => number): Artifact =>
  artifacts.reduce((a, b) => (value(a.report) >= value(b.report) ? a : b));

interface Shared {
  readonly feeds: Feeds;
  readonly threads: number;
  readonly flops: number;
  readonly roofline: Roofline;
}

/** Variants of one number of threads, with the rivals of as many: a rival's idle threads disturb nobody else. */
async function measureGroup(
  input: BenchInput,
  subjects: readonly Subject[],
  { feeds, threads, flops, roofline }: Shared,
  missing: { label: string; reason: string }[],
): Promise<EngineReport[]> {
  const open = async (name: Package): Promise<Engine | null> => {
    try {
      return await openOnnxruntime(name, input.model, feeds, {
        threads,
        external: input.external ?? new Map(),
      });
    } catch (error) {
      if (!(error instanceof EngineMissing)) throw error;
      missing.push({ label: name, reason: error.message });
      return null;
    }
  };
  const web = await open("onnxruntime-web");
  const native = threads === 1 ? await open("onnxruntime-node") : null;
  const reference = await web?.run();
  const differences: (Difference | undefined)[] = [];
  for (const { engine } of subjects) {
    const results = await engine.run();
    differences.push(reference && checkResults(engine.label, results, reference, input.tolerance));
  }
  const rivals = [web, native].filter((engine) => engine !== null);
  const engines = [...subjects.map(({ engine }) => engine), ...rivals];
  // Two threads have no inner loop to take turns with: twice the peak of one is what they are compared with.
  const loops = threads === 1 ? innerLoops() : [];
  const times = await measureInTurn([...engines, ...loops.map(loopEngine)], input.duration);
  const peakOf = (relaxedSimd: boolean): number => {
    const inTurn = loops.map((loop, i) =>
      loop.relaxedSimd === relaxedSimd ? loop.flops / times[engines.length + i]!.medianMs / 1e6 : 0,
    );
    const { plainGflops, relaxedGflops } = roofline;
    return Math.max(0, ...inTurn) || threads * (relaxedSimd ? (relaxedGflops ?? plainGflops) : plainGflops);
  };
  const timeOf = (engine: Engine | null) =>
    engine === null ? undefined : times[engines.indexOf(engine)]!.medianMs;
  const [webMs, nativeMs] = [timeOf(web), timeOf(native)];
  return engines.map((engine, i): EngineReport => {
    const statistics = times[i]!;
    const gflops = flops / statistics.medianMs / 1e6;
    const common = { label: engine.label, threads, gflops, ...statistics };
    const subject = subjects[i];
    if (subject === undefined) return { ...common, isKiln: false };
    return {
      ...common,
      isKiln: true,
      peakShare: gflops / peakOf(subject.variant.features.relaxedSimd === true),
      ...(webMs !== undefined && { ratio: webMs / statistics.medianMs }),
      ...(nativeMs !== undefined && { nativeRatio: nativeMs / statistics.medianMs }),
      ...(differences[i] && { difference: differences[i] }),
    };
  });
}

const loopEngine = ({ run }: InnerLoop): Engine => ({
  label: "inner loop",
  threads: 1,
  run: () => {
    run();
    return {};
  },
});

async function sizesOf({ wasm, report }: Artifact, modelBytes: number): Promise<Sizes> {
  const rival = packageFile("onnxruntime-web");
  const files = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];
  const shipped = (folder: string) =>
    files.reduce((sum, file) => sum + statSync(join(folder, file)).size, modelBytes);
  return {
    moduleBytes: wasm.length,
    weightBytes: report.weightBytes,
    codeBytes: report.codeBytes,
    runtimeGzipBytes: await runtimeGzipBytes(),
    rivalBytes: rival === null ? null : shipped(dirname(rival)),
  };
}

/** The runtime as a page ships it, in one file, minified and gzipped; null where esbuild is not installed. */
async function runtimeGzipBytes(): Promise<number | null> {
  const entry = fileURLToPath(new URL("../../runtime/index.js", import.meta.url));
  const path = packageFile("esbuild");
  if (path === null || !existsSync(entry)) return null;
  const { build } = (await import(pathToFileURL(path).href)) as typeof import("esbuild");
  const options = { bundle: true, minify: true, format: "esm", write: false } as const;
  const { outputFiles } = await build({ ...options, entryPoints: [entry] });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}
