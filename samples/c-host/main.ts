import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { type Feed, load, type Model, type TensorInfo } from "onnx-kiln/runtime";
import { buildHost, type HostFigures, missingTools, runHost } from "./toolchain.js";

const usage = `usage: node dist/samples/c-host/main.js model.onnx [--runs N] [--fill NAME=VALUE ...] [flags of kiln compile]

Compiles the model to WebAssembly without SIMD, that to C with wasm2c, and that to a program with gcc; runs it on
inputs between -1 and 1 (--fill gives all elements of an input one value), and compares all bits of the results with
those of this engine running the same module. Needs wasm2c (Debian: apt-get install wabt) and gcc.

  npm run c-host -- silero_vad_v5.onnx --input-shape input:1x512 --input-shape state:2x1x128 \\
    --state state=stateN --fill sr=16000

exit codes: 0 the same bits, 1 failed, 2 wrong arguments`;

/** host.c lies with the sources: the TypeScript compiler does not copy it to dist/. */
const hostSource = fileURLToPath(new URL("../../../samples/c-host/host.c", import.meta.url));
const kiln = fileURLToPath(new URL("../../compiler/cli/main.js", import.meta.url));

interface Arguments {
  readonly model: string;
  readonly runs: number;
  readonly fills: ReadonlyMap<string, number>;
  readonly compileFlags: readonly string[];
}

/** Everything that is not ours is for `kiln compile`, which says what is wrong with it. */
function parseArguments(args: readonly string[]): Arguments | null {
  const [model, ...rest] = args;
  if (model === undefined || model.startsWith("-")) return null;
  let runs = 100;
  const fills = new Map<string, number>();
  const compileFlags: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    const value = rest[i + 1] ?? "";
    if (rest[i] === "--runs") {
      runs = Number(value);
      if (!Number.isSafeInteger(runs) || runs < 1) return null;
      i++;
    } else if (rest[i] === "--fill") {
      const [, name, number] = /^(.+)=([^=]+)$/.exec(value) ?? [];
      if (name === undefined || !Number.isFinite(Number(number))) return null;
      fills.set(name, Number(number));
      i++;
    } else compileFlags.push(rest[i]!);
  }
  return { model, runs, fills, compileFlags };
}

function compileModel({ model, compileFlags }: Arguments, folder: string): void {
  const fixed = ["--features", "scalar", "--emit", "c-header", "-o", join(folder, "model.wasm")];
  const { status } = spawnSync(process.execPath, [kiln, "compile", model, ...compileFlags, ...fixed], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error("the model was not compiled");
}

/** Numbers of a small generator, so that every run of the sample sees the same. */
function inputOf(info: TensorInfo, run: number, fill: number | undefined): Feed {
  const dims = info.dims as number[];
  const size = dims.reduce((a, b) => a * b, 1);
  let state = run * 7919 + 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return fill ?? state / 2 ** 31 - 1;
  };
  const whole = () => Math.trunc(next());
  switch (info.type) {
    case "float32":
      return { type: info.type, dims, data: Float32Array.from({ length: size }, next) };
    case "float64":
      return { type: info.type, dims, data: Float64Array.from({ length: size }, next) };
    case "int64":
      return { type: info.type, dims, data: BigInt64Array.from({ length: size }, () => BigInt(whole())) };
    case "int32":
      return { type: info.type, dims, data: Int32Array.from({ length: size }, whole) };
    case "uint8":
    case "bool":
      return { type: info.type, dims, data: Uint8Array.from({ length: size }, () => Math.abs(whole())) };
    default:
      throw new Error(`input "${info.name}" is ${info.type}: write a host of your own for it`);
  }
}

const bytesOf = ({ data }: { data: ArrayBufferView }): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The runs in this engine: inputs and outputs as they are in memory, and the best time. */
function runHere(model: Model, { runs, fills }: Arguments) {
  const inputs: Uint8Array[] = [];
  const outputs: Uint8Array[] = [];
  let bestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const feeds = model.inputs.map((info) => [info.name, inputOf(info, run, fills.get(info.name))] as const);
    inputs.push(...feeds.map(([, feed]) => bytesOf(feed as { data: ArrayBufferView })));
    const started = performance.now();
    const results = model.runSync(Object.fromEntries(feeds));
    bestMs = Math.min(bestMs, performance.now() - started);
    outputs.push(...model.outputs.map(({ name }) => bytesOf(results[name]!)));
  }
  return { inputs: Buffer.concat(inputs), outputs: Buffer.concat(outputs), bestMs };
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

function printFigures(hereMs: number, figures: HostFigures, codeBytes: number, wasmBytes: number): void {
  const table = new Table({ head: ["", "this engine", "C"], style: { head: [], border: [] } });
  table.push(
    ["best run", `${hereMs.toFixed(3)} ms`, `${figures.bestMs.toFixed(3)} ms`],
    ["module, or its machine code", kilobytes(wasmBytes), kilobytes(codeBytes)],
    ["linear memory", "", kilobytes(figures.linearMemoryBytes)],
    ["resident memory of the whole process", "", kilobytes(figures.residentBytes)],
  );
  console.log(table.toString());
}

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2));
  if (args === null) {
    console.error(usage);
    return 2;
  }
  const missing = missingTools();
  if (missing !== null) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), "kiln-c-host-"));
  compileModel(args, folder);
  const wasm = await readFile(join(folder, "model.wasm"));
  const model = await load(wasm);
  if ([...model.inputs, ...model.outputs].some(({ dims }) => dims.some((dim) => typeof dim === "string"))) {
    throw new Error("some sizes are open: bind them with --dim or --input-shape");
  }
  const host = buildHost(folder, hostSource);
  const here = runHere(model, args);
  const { outputs, figures } = runHost(host, here.inputs, ["--warmup", "1"]);
  printFigures(here.bestMs, figures, host.codeBytes, wasm.length);
  const isSame = Buffer.compare(outputs, here.outputs) === 0;
  console.log(
    `${isSame ? "the same bits" : "DIFFERENT BITS"} in ${args.runs} runs; everything is in ${folder}`,
  );
  return isSame ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
