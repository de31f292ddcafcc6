/** Cold starts: from bytes in memory to the first result, each in a fresh process, the engines in turn. */

import { fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ColdStartResult, ColdStartTask } from "./cold-start-child.js";
import { type Feeds, packageFile } from "./engines.js";
import { statisticsOf } from "./measure.js";
import { inTemporaryFolder } from "./temporary-folder.js";

export interface ColdStart {
  readonly medianMs: number;
  /** Linear memory after the first run. */
  readonly memoryBytes: number;
}

/** A compiled module, weights inside, what it is called, and on how many threads it starts. */
export interface ColdModule {
  readonly label: string;
  readonly wasm: Uint8Array;
  readonly threads: number;
}

export interface ColdStartInput {
  readonly modules: readonly ColdModule[];
  readonly model: Uint8Array;
  readonly feeds: Feeds;
  readonly starts: number;
  /** Scripts as JavaScript; those beside this file, unless tests run the sources. */
  readonly scripts?: { readonly child: string; readonly runtime: string };
}

export interface ColdStarts {
  /** Of each module; at least one. */
  readonly kiln: readonly (ColdStart & Pick<ColdModule, "label">)[];
  /** The fastest, on as many threads as any module, and the least memory; null where onnxruntime-web is not installed. */
  readonly rival: ColdStart | null;
}

const builtScripts = {
  child: fileURLToPath(new URL("./cold-start-child.js", import.meta.url)),
  runtime: new URL("../../runtime/index.js", import.meta.url).href,
};

/** How many times faster than the rival the module starts that starts fastest; null without a rival. */
export const coldStartRatio = ({ kiln, rival }: ColdStarts): number | null =>
  rival && rival.medianMs / Math.min(...kiln.map(({ medianMs }) => medianMs));

/** The median starts of the modules and of the rival. */
export async function measureColdStarts(input: ColdStartInput): Promise<ColdStarts> {
  const { child, runtime } = input.scripts ?? builtScripts;
  return inTemporaryFolder("kiln-bench-", async (folder) => {
    const model = join(folder, "model.onnx");
    await writeFile(model, input.model);
    const { feeds } = input;
    const tasks: ColdStartTask[] = [];
    for (const [i, { wasm: bytes, threads }] of input.modules.entries()) {
      const wasm = join(folder, `${i}.wasm`);
      await writeFile(wasm, bytes);
      tasks.push({ feeds, threads, engine: "kiln", runtime, wasm });
    }
    const rival = packageFile("onnxruntime-web");
    if (rival !== null) {
      const wasm = join(dirname(rival), "ort-wasm-simd-threaded.wasm");
      for (const threads of new Set(input.modules.map((module) => module.threads)))
        tasks.push({ feeds, threads, engine: "onnxruntime-web", require: rival, model, wasm });
    }
    const starts = await startInTurn(child, tasks, input.starts);
    return {
      kiln: input.modules.map(({ label }, i) => ({ label, ...starts[i]! })),
      rival: best(starts.slice(input.modules.length)),
    };
  });
}

const best = (starts: readonly ColdStart[]): ColdStart | null =>
  starts.length === 0
    ? null
    : {
        medianMs: Math.min(...starts.map(({ medianMs }) => medianMs)),
        memoryBytes: Math.min(...starts.map(({ memoryBytes }) => memoryBytes)),
      };

async function startInTurn(
  script: string,
  tasks: readonly ColdStartTask[],
  starts: number,
): Promise<ColdStart[]> {
  const results = tasks.map((): ColdStartResult[] => []);
  for (let i = 0; i < starts; i++) {
    for (const [j, task] of tasks.entries()) results[j]!.push(await startOnce(script, task));
  }
  return results.map((all) => ({
    medianMs: statisticsOf(all.map(({ ms }) => ms)).medianMs,
    memoryBytes: Math.max(...all.map(({ memoryBytes }) => memoryBytes)),
  }));
}

/** Resolves when the process has ended: while its memory is given back, the next start would take longer. */
function startOnce(script: string, task: ColdStartTask): Promise<ColdStartResult> {
  return new Promise((resolve, reject) => {
    let result: ColdStartResult | undefined;
    const child = fork(script, { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.on("message", (message: "ready" | ColdStartResult | { error: string }) => {
      if (message === "ready") child.send(task);
      else if ("error" in message) reject(new Error(`cold start of ${task.engine}: ${message.error}`));
      else result = message;
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`cold start of ${task.engine}: the process ended with ${code}`));
    });
  });
}
