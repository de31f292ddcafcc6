/** Times of kernels, from a module compiled with `profile`. */

import { load } from "../../runtime/index.js";
import type { Artifact } from "../options.js";
import type { Feeds } from "./engines.js";

export interface CallProfile {
  readonly kernel: string;
  readonly nodes: readonly string[];
  readonly flops: number;
  readonly bytes: number;
  /** Of one run, all its calls together. */
  readonly ms: number;
}

export interface KernelProfile {
  readonly kernel: string;
  readonly calls: number;
  readonly ms: number;
  /** Of the sum of all kernels. */
  readonly share: number;
  readonly gflops: number;
  /** Bytes of the tensors that it takes, over time: at most what it moves if it touches each once. */
  readonly gigabytesPerSecond: number;
}

export interface Profile {
  readonly calls: readonly CallProfile[];
  /** By self time, longest first. */
  readonly kernels: readonly KernelProfile[];
  /** Mean time of a run, and the sum of its kernels. */
  readonly runMs: number;
  readonly kernelMs: number;
  readonly runs: number;
}

/** Times every call of a profiled artefact's kernels over as many runs as fit into the time. */
export async function profileArtifact(
  { wasm, weights, report }: Artifact,
  feeds: Feeds,
  {
    warmup,
    seconds,
    threads,
  }: { readonly warmup: number; readonly seconds: number; readonly threads: number },
): Promise<Profile> {
  const sums = new Float64Array(report.calls.length);
  let last = 0;
  const onKernel = (call: number): void => {
    const now = performance.now();
    if (call > 0) sums[call - 1]! += now - last;
    last = now;
  };
  using model = await load(wasm, { weights, onKernel, threads });
  for (let i = 0; i < warmup; i++) model.runSync(feeds);
  sums.fill(0);
  const started = performance.now();
  let runs = 0;
  for (; runs === 0 || performance.now() < started + seconds * 1000; runs++) model.runSync(feeds);
  const runMs = (performance.now() - started) / runs;
  const calls = report.calls.map((call, i) => ({ ...call, ms: sums[i]! / runs }));
  const kernelMs = calls.reduce((sum, { ms }) => sum + ms, 0);
  return { calls, kernels: byKernel(calls, kernelMs), runMs, kernelMs, runs };
}

function byKernel(calls: readonly CallProfile[], total: number): KernelProfile[] {
  const groups = new Map<string, CallProfile[]>();
  for (const call of calls) groups.set(call.kernel, [...(groups.get(call.kernel) ?? []), call]);
  const kernels = [...groups].map(([kernel, group]): KernelProfile => {
    const sum = (key: "ms" | "flops" | "bytes") => group.reduce((all, call) => all + call[key], 0);
    const ms = sum("ms");
    const perMs = (amount: number) => (ms > 0 ? amount / ms / 1e6 : 0);
    return {
      kernel,
      calls: group.length,
      ms,
      share: total > 0 ? ms / total : 0,
      gflops: perMs(sum("flops")),
      gigabytesPerSecond: perMs(sum("bytes")),
    };
  });
  return kernels.sort((a, b) => b.ms - a.ms);
}
