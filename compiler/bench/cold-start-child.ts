/**
 * One cold start in a process of its own: the bytes are in memory and the engine's JavaScript is loaded, then the clock
 * runs until the first result is there. A process for each, because both WebAssembly and engines keep what they have
 * compiled. Told what to do by a message, it answers with another.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { TensorLike } from "../../runtime/index.js";
import { ortTensors } from "./engines.js";

export type ColdStartTask = {
  readonly feeds: Readonly<Record<string, TensorLike>>;
  readonly threads: number;
} & (
  | { readonly engine: "kiln"; readonly runtime: string; readonly wasm: string }
  /** `require` resolves the package; its WebAssembly is read beforehand, too. */
  | {
      readonly engine: "onnxruntime-web";
      readonly require: string;
      readonly model: string;
      readonly wasm: string;
    }
);

export interface ColdStartResult {
  readonly ms: number;
  /** Linear memory of all instances at the end; it never shrinks. */
  readonly memoryBytes: number;
}

const memories = watchMemories();

process.once("message", (task: ColdStartTask) => {
  measure(task).then(
    (result) => process.send!(result, () => process.exit(0)),
    (error) => process.send!({ error: String(error) }, () => process.exit(1)),
  );
});
process.send!("ready");

async function measure(task: ColdStartTask): Promise<ColdStartResult> {
  const start = task.engine === "kiln" ? await prepareKiln(task) : prepareRival(task);
  const started = performance.now();
  await start();
  const ms = performance.now() - started;
  return { ms, memoryBytes: [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0) };
}

type Start = () => Promise<unknown>;

async function prepareKiln(task: ColdStartTask & { engine: "kiln" }): Promise<Start> {
  const { load } = (await import(task.runtime)) as typeof import("../../runtime/index.js");
  const wasm = new Uint8Array(readFileSync(task.wasm));
  return async () => (await load(wasm, { threads: task.threads })).runSync(task.feeds);
}

function prepareRival(task: ColdStartTask & { engine: "onnxruntime-web" }): Start {
  const ort = createRequire(task.require)("onnxruntime-web") as typeof import("onnxruntime-web");
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = task.threads;
  ort.env.wasm.wasmBinary = new Uint8Array(readFileSync(task.wasm)).buffer;
  const model = new Uint8Array(readFileSync(task.model));
  return async () => {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
    });
    return session.run(ortTensors(ort, task.feeds));
  };
}

/** Notes every memory that is made by hand or comes with an instance. */
function watchMemories(): Set<WebAssembly.Memory> {
  const found = new Set<WebAssembly.Memory>();
  const { Memory, Instance, instantiate } = WebAssembly;
  const note = <T extends WebAssembly.Instance>(instance: T): T => {
    for (const value of Object.values(instance.exports)) {
      if (value instanceof Memory) found.add(value);
    }
    return instance;
  };
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, [descriptor]: [WebAssembly.MemoryDescriptor]) {
      const memory = new target(descriptor);
      found.add(memory);
      return memory;
    },
  });
  WebAssembly.Instance = new Proxy(Instance, {
    construct: (target, args: [WebAssembly.Module, WebAssembly.Imports]) => note(new target(...args)),
  });
  WebAssembly.instantiate = (async (source: WebAssembly.Module, imports?: WebAssembly.Imports) => {
    const result: unknown = await instantiate(source, imports);
    note(
      result instanceof Instance ? result : (result as WebAssembly.WebAssemblyInstantiatedSource).instance,
    );
    return result;
  }) as typeof WebAssembly.instantiate;
  return found;
}
