/** A profile as a trace in Chrome's format, which ui.perfetto.dev and chrome://tracing open. */

import type { Profile } from "../../runtime/profile.js";

/** JSON of one run, the fastest that was measured: one slice for each execution of a kernel. */
export function chromeTrace({ calls, timeline }: Profile, model: string): string {
  const thread = { pid: 1, tid: 1 };
  const slices = timeline.map(({ call, startMs, ms }) => {
    const { kernel, nodes, operators, inputs, outputs, flops, bytes } = calls[call]!;
    const args = {
      op: operators.join(" + "),
      shapes: `${inputs.join(", ")} -> ${outputs.join(", ")}`,
      node: nodes.join(", "),
      flops,
      bytes,
      ...(flops > 0 && ms > 0 && { "GFLOP/s": Number((flops / ms / 1e6).toFixed(2)) }),
    };
    return { ph: "X", cat: "kernel", name: kernel, ts: startMs * 1000, dur: ms * 1000, ...thread, args };
  });
  const last = timeline.at(-1);
  const run = {
    ph: "X",
    cat: "run",
    name: "run",
    ts: 0,
    dur: ((last?.startMs ?? 0) + (last?.ms ?? 0)) * 1000,
  };
  return JSON.stringify({
    displayTimeUnit: "ms",
    traceEvents: [
      { ph: "M", name: "process_name", ...thread, args: { name: `Kiln: ${model}` } },
      { ph: "M", name: "thread_name", ...thread, args: { name: "run" } },
      { ...run, ...thread, args: {} },
      ...slices,
    ],
  });
}
