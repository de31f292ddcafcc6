/**
 * `npm run bench`: the whole model set under Node 24, each model in a process of its own (`kiln bench --json`), into
 * RESULTS.md, results.html, series.svg and threads.svg beside this file.
 *
 *     npm run bench -- [--quick] [--only REGEXP] [--out FOLDER] [--json FILE]
 *
 * `--json` keeps all that was measured, and `--from FILE` writes the report again from that.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { type BenchReport, bestOf } from "../../compiler/bench/bench.js";
import { benchPage } from "../../compiler/bench/report-html.js";
import { writeNpy } from "../../compiler/cli/npy.js";
import { lineChart } from "./chart.js";
import { type BenchModel, benchModels, sizeSeries } from "./models.js";
import { resultsText, type Suite, threadChart } from "./results.js";
import type { Tuning } from "./tuning.js";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean" },
    only: { type: "string" },
    out: { type: "string" },
    json: { type: "string" },
    from: { type: "string" },
  },
});
const root = process.cwd();
const cli = join(root, "dist/compiler/cli/main.js");
const output = flags.out ?? join(root, "test/bench");
const execute = promisify(execFile);

/** The devDependency `node`, whatever runs this. */
function node24(): string {
  const path = join(root, "node_modules/node/bin/node");
  if (existsSync(path)) return path;
  console.error(`the devDependency "node" is not installed: measuring under ${process.version}`);
  return process.execPath;
}
const node = node24();

/** Writes the model and its inputs, and says how the command line takes them. */
async function prepare(model: BenchModel, bytes: Uint8Array, folder: string): Promise<string[]> {
  const file = join(folder, "model.onnx");
  await writeFile(file, bytes);
  const inputs: string[] = [];
  for (const [name, value] of Object.entries(model.inputs ?? {})) {
    const path = join(folder, `${name}.npy`);
    await writeFile(path, writeNpy(value));
    inputs.push("--input", `${name}=${path}`);
  }
  const shapes = Object.entries(model.shapes ?? {}).flatMap(([name, shape]) => [
    "--input-shape",
    `${name}:${shape}`,
  ]);
  return [file, ...shapes, ...inputs];
}

async function bench(
  model: BenchModel,
  bytes: Uint8Array,
  folder: string,
  more: readonly string[] = [],
): Promise<BenchReport> {
  const prepared = await prepare(model, bytes, folder);
  const pace = flags.quick ? ["--duration", "1", "--cold-starts", "1"] : ["--duration", "4"];
  // An operator by itself finds its inputs in the caches as where it has just been given them: by a layer, or its last run.
  const turn = model.isNetwork ? [] : ["--turn", "25"];
  const args = [cli, "bench", ...prepared, "--json", "-q", ...pace, ...turn, ...more];
  const { stdout } = await execute(node, args, { maxBuffer: 2 ** 26 });
  return { ...(JSON.parse(stdout) as BenchReport), name: model.name };
}

/** What tuning gains, within a second for each kind of choice, so that all models take a few minutes. */
async function tune(model: BenchModel, folder: string): Promise<Tuning[]> {
  const bytes = model.read();
  if (bytes === null) return [];
  const prepared = await prepare(model, bytes, folder);
  const file = join(await mkdtemp(join(folder, "tuning-")), "tuning.json");
  const pace = ["--features", "relaxed-simd", "--duration", "1"];
  const args = [cli, "tune", ...prepared, ...pace, "--json", "-q", "-o", file];
  const { stdout } = await execute(node, args, { maxBuffer: 2 ** 26 });
  const { changed, byCostMs, tunedMs } = JSON.parse(stdout) as Tuning;
  console.error(`${model.name}: tuned ${(byCostMs / tunedMs).toFixed(2)}x`);
  return [{ name: model.name, changed, byCostMs, tunedMs }];
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split("\n").slice(0, 2).join(" ");
}

/** Its report, or the reason why there is none. */
async function attempt(
  model: BenchModel,
  folder: string,
  more: readonly string[] = [],
): Promise<BenchReport | string> {
  const bytes = model.read();
  if (bytes === null) return "its file is not there";
  try {
    const report = await bench(model, bytes, folder, more);
    console.error(
      `${model.name}: ${bestOf(report).medianMs.toFixed(2)} ms, ${bestOf(report).ratio?.toFixed(2)}x`,
    );
    return report;
  } catch (error) {
    const reason = reasonOf(error);
    console.error(`${model.name}: ${reason}`);
    return reason;
  }
}

const backToBackFlags = [
  "--variants",
  "relaxed-simd",
  "--turn",
  "25",
  "--duration",
  "3",
  "--cold-starts",
  "0",
];

async function runSuite(folder: string): Promise<Suite> {
  const wanted = new RegExp(flags.only ?? "");
  const reports: { report: BenchReport; isNetwork: boolean }[] = [];
  const sizes: { size: number; report: BenchReport }[] = [];
  const skipped: { name: string; reason: string }[] = [];
  const tunings: Tuning[] = [];
  const backToBack: BenchReport[] = [];
  for (const model of benchModels(root)) {
    if (!wanted.test(model.name)) continue;
    const report = await attempt(model, folder);
    if (typeof report === "string") skipped.push({ name: model.name, reason: report });
    else {
      reports.push({ report, isNetwork: model.isNetwork });
      if (flags.quick) continue;
      if (model.isNetwork) {
        const warm = await attempt(model, folder, backToBackFlags);
        if (typeof warm === "string") skipped.push({ name: `${model.name}, back to back`, reason: warm });
        else backToBack.push(warm);
      }
      const tuned = await tune(model, folder).catch(reasonOf);
      if (typeof tuned === "string") skipped.push({ name: `${model.name}, tuned`, reason: tuned });
      else tunings.push(...tuned);
    }
  }
  for (const model of flags.quick ? [] : sizeSeries(root)) {
    if (!wanted.test(model.name)) continue;
    const report = await attempt(model, folder, ["--warmup", "2", "--cold-starts", "0"]);
    if (typeof report === "string") skipped.push({ name: model.name, reason: report });
    else sizes.push({ size: model.size, report });
  }
  return { date: new Date().toISOString().slice(0, 10), reports, sizes, backToBack, tunings, skipped };
}

function sizeChart({ sizes }: Suite): string {
  const rival = ({ engines }: BenchReport) =>
    engines.find(({ label }) => label.startsWith("onnxruntime-web"));
  return lineChart("pixels a side", "milliseconds", [
    { label: "Kiln", points: sizes.map(({ size, report }) => [size, bestOf(report).medianMs]) },
    {
      label: "onnxruntime-web",
      points: sizes.flatMap(({ size, report }): [number, number][] => {
        const time = rival(report)?.medianMs;
        return time === undefined ? [] : [[size, time]];
      }),
    },
  ]);
}

const folder = await mkdtemp(join(tmpdir(), "kiln-suite-"));
try {
  const suite: Suite = flags.from ? JSON.parse(await readFile(flags.from, "utf8")) : await runSuite(folder);
  if (flags.json) await writeFile(flags.json, JSON.stringify(suite, null, 1));
  await mkdir(output, { recursive: true });
  await writeFile(join(output, "RESULTS.md"), resultsText(suite));
  const all = [...suite.reports, ...suite.sizes].map(({ report }) => report);
  await writeFile(join(output, "results.html"), benchPage("Kiln and its rivals", all));
  if (suite.sizes.length > 0) await writeFile(join(output, "series.svg"), sizeChart(suite));
  const reports = suite.reports.map(({ report }) => report);
  if (reports.length > 0) await writeFile(join(output, "threads.svg"), threadChart(reports));
  console.error(`wrote ${join(output, "RESULTS.md")}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
