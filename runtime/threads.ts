/** Worker threads of a model: each has an instance of the module in the same memory, and does parts of the runs. */

/** What a worker runs; a trap is told to the caller of the run by the next call. No file of its own, for bundlers. */
const program = `
const start = ([module, memory, index]) => {
  const { exports } = new WebAssembly.Instance(module, { kiln: { memory, mark() {} } });
  for (;;) try { exports.worker(index); } catch {}
};`;

interface WorkerLike {
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
}

/** The workers of a model. */
export type Workers = WorkerLike[];

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

/** Starts workers, and has the module put its data in place, unless they are. */
export function startThreads(
  module: WebAssembly.Module,
  { exports }: WebAssembly.Instance,
  workers: Workers,
  wanted = Math.min(scope.navigator?.hardwareConcurrency ?? 4, 4),
): void {
  try {
    // A model that is too small for threads has nothing for workers to do; others have room for 15.
    while (exports.worker && workers.length < Math.min(wanted - 1, 15))
      workers.push(startWorker([module, exports.memory, workers.length]));
  } catch (cause) {
    const { message } = cause as Error;
    if (!hasWarned) console.warn(`onnx-kiln runs on one thread: ${message}`);
    hasWarned = true;
  }
  (exports.init as Init)(workers.length + 1, scope.document ? 0 : 1);
}

function startWorker(data: unknown[]): WorkerLike {
  const node = scope.process?.getBuiltinModule?.("node:worker_threads");
  if (!node && scope.crossOriginIsolated === false) throw Error("the page is not crossOriginIsolated");
  const code = node
    ? `${program} require("node:worker_threads").parentPort.once("message", start)`
    : `${program} onmessage = ({ data }) => start(data)`;
  const worker = node
    ? new node.Worker(code, { eval: true, execArgv: [] })
    : new scope.Worker!(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), {
        type: "module",
      });
  worker.postMessage(data);
  worker.unref?.();
  return worker;
}
