/**
 * onnx-kiln/runtime/profile: loads models compiled with `profile`, which say how long each of their kernels takes. An
 * entry of its own, so that an app that does not profile carries none of it. Depends on nothing else than the runtime.
 */

import { compile, type ModuleSource } from "./compile.js";
import { KilnRuntimeError } from "./errors.js";
import { type LoadOptions, loadCompiled } from "./load.js";
import { decodeMetadata, METADATA_SECTION, type ProfiledCall } from "./metadata.js";
import type { Model } from "./model.js";
import { abortable } from "./source.js";
import type { Feed, Tensor } from "./tensor.js";

export interface ProfileOptions {
  /** Runs that are not counted, while the engine still compiles. Default 5. */
  readonly warmup?: number | undefined;
  /** How long to measure; at least one run is. Default 1. */
  readonly seconds?: number | undefined;
}

export interface CallProfile extends ProfiledCall {
  /** Mean time in a run: all passes of a loop, none where its branch is not taken. */
  readonly ms: number;
}

export interface KernelProfile {
  /** Name of the function, as in the IR, the reports and the module's name section. */
  readonly kernel: string;
  readonly calls: number;
  readonly ms: number;
  /** Of the sum of all kernels. */
  readonly share: number;
  readonly gflops: number;
  /** Bytes of the tensors that it takes, over time: at most what it moves if it touches each once. */
  readonly gigabytesPerSecond: number;
  readonly flops: number;
  readonly bytes: number;
}

/** One execution of a call in the fastest of the runs, in milliseconds from its beginning. */
export interface TimelineEvent {
  readonly call: number;
  readonly startMs: number;
  readonly ms: number;
}

export interface Profile {
  readonly calls: readonly CallProfile[];
  /** By self time, longest first. */
  readonly kernels: readonly KernelProfile[];
  /** Mean time of a run, and the sum of its kernels; the rest is copying inputs and results, and the clock. */
  readonly runMs: number;
  readonly kernelMs: number;
  readonly runs: number;
  readonly timeline: readonly TimelineEvent[];
}

export interface ProfiledModel<I = Record<string, Feed>, O = Record<string, Tensor>> extends Model<I, O> {
  /** Runs on these inputs again and again, and tells the time of every kernel. */
  profile(feeds: I, options?: ProfileOptions): Profile;
}

/**
 * Loads a module compiled with `profile`, as `load` of onnx-kiln/runtime does.
 * Throws E_ABI where it was compiled without, and whatever `load` throws.
 */
export function load(
  source: ModuleSource,
  options: Omit<LoadOptions, "onKernel"> = {},
): Promise<ProfiledModel> {
  return abortable(loadProfiled(source, options), options.signal);
}

async function loadProfiled(source: ModuleSource, options: LoadOptions): Promise<ProfiledModel> {
  options.signal?.throwIfAborted();
  const compiled = await compile(source, options);
  const [section] = WebAssembly.Module.customSections(compiled.module, METADATA_SECTION);
  const metadata = section && decodeMetadata(section);
  if (metadata && !metadata.calls) {
    throw new KilnRuntimeError("E_ABI", `model "${metadata.name}" was compiled without profile`);
  }
  const clock = new KernelClock();
  const model = await loadCompiled(compiled, source, { ...options, onKernel: clock.mark });
  const { calls } = metadata!;
  return { ...model, profile: (feeds, wanted) => measure(model, calls!, clock, feeds, wanted) };
}

/** What a run of the module tells: the calls in the order in which they ended, and when. */
class KernelClock {
  calls: number[] = [];
  times: number[] = [];

  readonly mark = (number: number): void => {
    // The first mark begins a run.
    if (number === 0) this.calls.length = this.times.length = 0;
    this.calls.push(number - 1);
    this.times.push(performance.now());
  };
}

function measure(
  model: Model,
  calls: readonly ProfiledCall[],
  clock: KernelClock,
  feeds: Record<string, Feed>,
  { warmup = 5, seconds = 1 }: ProfileOptions = {},
): Profile {
  for (let i = 0; i < warmup; i++) model.runSync(feeds);
  const sums = new Float64Array(calls.length);
  let fastest = { ms: Number.POSITIVE_INFINITY, calls: [] as number[], times: [] as number[] };
  let runs = 0;
  let total = 0;
  for (const end = performance.now() + seconds * 1000; runs === 0 || performance.now() < end; runs++) {
    const started = performance.now();
    model.runSync(feeds);
    const ms = performance.now() - started;
    total += ms;
    for (let i = 1; i < clock.calls.length; i++) {
      sums[clock.calls[i]!]! += clock.times[i]! - clock.times[i - 1]!;
    }
    if (ms < fastest.ms) fastest = { ms, calls: [...clock.calls], times: [...clock.times] };
  }
  const profiles = calls.map((call, i) => ({ ...call, ms: sums[i]! / runs }));
  const kernelMs = profiles.reduce((sum, { ms }) => sum + ms, 0);
  const { times } = fastest;
  return {
    calls: profiles,
    kernels: byKernel(profiles, kernelMs),
    runMs: total / runs,
    kernelMs,
    runs,
    timeline: fastest.calls.slice(1).map((call, i) => ({
      call,
      startMs: times[i]! - times[0]!,
      ms: times[i + 1]! - times[i]!,
    })),
  };
}

function byKernel(calls: readonly CallProfile[], total: number): KernelProfile[] {
  const groups = new Map<string, CallProfile[]>();
  for (const call of calls) groups.set(call.kernel, [...(groups.get(call.kernel) ?? []), call]);
  const kernels = [...groups].map(([kernel, group]): KernelProfile => {
    const sum = (key: "ms" | "flops" | "bytes") => group.reduce((all, call) => all + call[key], 0);
    const [ms, flops, bytes] = [sum("ms"), sum("flops"), sum("bytes")];
    const perMs = (amount: number) => (ms > 0 ? amount / ms / 1e6 : 0);
    return {
      kernel,
      calls: group.length,
      ms,
      share: total > 0 ? ms / total : 0,
      gflops: perMs(flops),
      gigabytesPerSecond: perMs(bytes),
      flops,
      bytes,
    };
  });
  return kernels.sort((a, b) => b.ms - a.ms);
}
