/** `kiln inspect --html`: everything about a compilation as one page. */

import { rooflineFacts } from "../bench/report-text.js";
import type { ReportData } from "../report/data.js";
import { runCompiler } from "./compile-model.js";
import type { InspectFlags } from "./inspect.js";
import type { ModelFile } from "./model-file.js";
import { writeFiles } from "./output-files.js";
import { packageInfo } from "./package-info.js";
import { profileModel } from "./profile.js";
import type { Terminal } from "./terminal.js";
import { formatBytes, formatCount, formatTime } from "./units.js";

export async function writeReport(
  file: ModelFile,
  path: string,
  flags: InspectFlags,
  terminal: Terminal,
): Promise<void> {
  const { profile: wantsProfile = false, ...others } = flags;
  const measured = wantsProfile ? await profileModel(file, others, terminal) : null;
  const data = await collect(file, others, measured, terminal);
  const { reportPage } = await import("../report/page.js");
  await writeFiles([{ path, data: await reportPage({ ...data, facts: factsOf(file, data) }) }]);
  terminal.note(`wrote ${path}`);
}

async function collect(
  file: ModelFile,
  flags: InspectFlags,
  measured: Awaited<ReturnType<typeof profileModel>> | null,
  terminal: Terminal,
): Promise<Omit<ReportData, "facts">> {
  const { collectReport } = await import("../report/collect.js");
  const profile = measured && {
    callMs: measured.calls.map(({ ms }) => ms),
    summary: {
      runMs: measured.runMs,
      kernelMs: measured.kernelMs,
      runs: measured.runs,
      roofline: rooflineFacts(measured.roofline),
      roof: measured.roof,
      kernels: measured.kernels,
    },
  };
  const { result } = await runCompiler(file, flags, terminal, (options) =>
    collectReport({ model: file.bytes, name: file.name, options, profile }),
  );
  return result;
}

/** The head of the page. */
function factsOf(
  { bytes }: ModelFile,
  { stages, calls, kernels, memory, profile }: Omit<ReportData, "facts">,
): [string, string][] {
  const flops = calls.reduce((sum, call) => sum + call.flops, 0);
  const code = kernels.reduce((sum, { codeBytes }) => sum + codeBytes, 0);
  const { name, version } = packageInfo();
  return [
    ["model", formatBytes(bytes.length)],
    ["nodes", `${stages[0]?.nodes ?? 0} → ${calls.length} calls`],
    ["work", flops === 0 && memory.isOpen ? "open" : `${formatCount(flops)} FLOP`],
    ["weights", formatBytes(memory.weightBytes)],
    ["code", formatBytes(code)],
    [
      "arena",
      memory.isOpen ? `open, such as ${formatBytes(memory.arenaBytes)}` : formatBytes(memory.arenaBytes),
    ],
    ...(profile === null ? [] : [["run", formatTime(profile.runMs)] as [string, string]]),
    ["by", `${name} ${version}`],
  ];
}
