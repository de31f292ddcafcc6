/** Worker threads of a model: each has an instance of the module in the same memory, and does parts of the runs. */

import type { ModelMetadata } from "./metadata.js";

/** Slots that a module has for workers. */
const MOST_WORKERS = 15;

/** What a worker runs; a trap is told to the caller of the run by the next call. No file of its own, for bundlers. */
const program = `
const start = ([module, memory, index]) => {
  const { exports } = new WebAssembly.Instance(module, { kiln: { memory, mark() {} } });
  for (;;) try { exports.worker(index); } catch {}
};`;

interface WorkerLike {
  postMessage?(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
}

interface NodeThreads {
  readonly Worker: new (code: string, options: object) => WorkerLike;
}

interface Scope {
  document?: unknown;
  crossOriginIsolated?: boolean;
  navigator?: { hardwareConcurrency?: number };
  process?: { getBuiltinModule?(name: string): NodeThreads };
  Worker?: new (url: string, options: object) => WorkerLike;
}

type Init = (threads: number, mayBlock: number) => void;

const scope = globalThis as unknown as Scope;
let hasWarned = false;

export interface Threads {
  /** The memory to import; null where the module has one of its own. */
  readonly memory: WebAssembly.Memory | null;
  /** Puts the module's data in place and lets workers begin. */
  start(instance: WebAssembly.Instance): void;
  end(): void;
}

/** Makes the memory that the module imports, if it does. */
export function prepareThreads(
  module: WebAssembly.Module,
  { sharedMemory }: ModelMetadata,
  wanted: number | undefined,
): Threads {
  if (!sharedMemory) return { memory: null, start() {}, end() {} };
  const memory = new WebAssembly.Memory({ ...sharedMemory, shared: true });
  const workers: WorkerLike[] = [];
  return {
    memory,
    start({ exports }) {
      const most = (wanted ?? Math.min(scope.navigator?.hardwareConcurrency ?? 4, 4)) - 1;
      try {
        // A model that is too small for threads has nothing for workers to do.
        while (exports.worker && workers.length < Math.min(most, MOST_WORKERS))
          workers.push(startWorker([module, memory, workers.length]));
      } catch (cause) {
        warn(cause as Error);
      }
      (exports.init as Init)(workers.length + 1, scope.document ? 0 : 1);
    },
    end() {
      for (const worker of workers.splice(0)) worker.terminate();
    },
  };
}

function startWorker(data: unknown[]): WorkerLike {
  const node = scope.process?.getBuiltinModule?.("node:worker_threads");
  if (node) {
    const code = `${program} start(require("node:worker_threads").workerData)`;
    const worker = new node.Worker(code, { eval: true, workerData: data, execArgv: [] });
    worker.unref!();
    return worker;
  }
  if (scope.crossOriginIsolated === false) throw Error("no shared memory");
  const code = `${program} onmessage = ({ data }) => start(data)`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new scope.Worker!(url, { type: "module" });
  worker.postMessage!(data);
  return worker;
}

function warn({ message }: Error): void {
  if (hasWarned) return;
  hasWarned = true;
  console.warn(
    `onnx-kiln: models run on one thread: ${message}. Pages must be crossOriginIsolated and allow worker-src blob:`,
  );
}
