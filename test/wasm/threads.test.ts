/** How threads find parts to do, with a job that counts them. */

import { resolveObjectURL } from "node:buffer";
import { Worker as NodeWorker } from "node:worker_threads";
import { afterEach, expect, test, vi } from "vitest";
import { ModuleBuilder } from "../../compiler/wasm/builder.js";
import { begin, dispatch, emitInit, emitThreads } from "../../compiler/wasm/threads.js";
import { startThreads, type Workers } from "../../runtime/threads.js";

/** Where the job counts how often each part was done, and where it reads the number + 1 of a part to fail in. */
const counts = 2048;
const failing = 4096;
/** Words of the threads, as `threads.ts` places them. */
const sleepers = 192;
const mayBlock = 324;

const manyParts = 1e6; // nanoseconds: four parts for each thread

function counting(time: number, pages: number): WebAssembly.Module {
  using builder = new ModuleBuilder({ simd: true, relaxedSimd: false, threads: true });
  builder.sharedMemory(["kiln", "memory"], pages, pages, 0);
  const part = () => builder.get(0, "i32");
  const place = builder.pure("i32.mul", [part(), builder.i32(4)]);
  const next = builder.pure("i32.add", [part(), builder.i32(1)]);
  const isFailing = builder.pure("i32.eq", [builder.atomicLoad(builder.i32(failing)), next]);
  const job = builder.block([
    builder.drop(builder.atomicChange("add", place, builder.i32(1), counts)),
    builder.if(isFailing, builder.unreachable()),
  ]);
  builder.function({ name: "job", params: ["i32", "i32"], locals: [], body: job });
  emitInit(builder, []);
  const run = builder.value([begin(builder), dispatch(builder, 0, time)], builder.i32(0), "i32");
  builder.function({ name: "run", params: [], locals: [], body: run, result: "i32" });
  builder.export("run");
  emitThreads(builder, ["job"]);
  return new WebAssembly.Module(builder.binary() as Uint8Array<ArrayBuffer>);
}

interface Running {
  end(): void;
  run(): void;
  /** The words of memory, by address. */
  word(address: number): number;
  set(address: number, value: number): void;
}

let running: Running | undefined;
afterEach(() => {
  running?.end();
  vi.unstubAllGlobals();
});

function start(threads: number, time = manyParts, pages = 1): Running {
  const module = counting(time, pages);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const workers: Workers = [];
  const instance = new WebAssembly.Instance(module, { kiln: { memory } });
  startThreads(module, instance, workers, threads);
  const words = new Int32Array(memory.buffer);
  const word = (address: number) => Atomics.load(words, address / 4);
  const set = (address: number, value: number) => Atomics.store(words, address / 4, value);
  const end = () => workers.splice(0).forEach((worker) => void worker.terminate());
  running = { end, run: instance.exports.run as () => void, word, set };
  return running;
}

/** Waits until the workers have begun, and sleep for want of work. */
const allSleep = ({ word }: Running, workers: number) =>
  vi.waitFor(() => expect(word(sleepers)).toBe(workers), { timeout: 5000 });

const countsOf = ({ word }: Running, parts: number): number[] =>
  Array.from({ length: parts + 1 }, (_, part) => word(counts + part * 4));

const all = (parts: number, times: number): number[] => [...new Array(parts).fill(times), 0];

test.each([2, 3, 4])(
  "on %i threads each part is done once a run, before and after the workers begin",
  async (threads) => {
    const threaded = start(threads);
    for (let i = 0; i < 100; i++) threaded.run();
    expect(countsOf(threaded, threads * 4)).toEqual(all(threads * 4, 100));
    await allSleep(threaded, threads - 1);
    for (let i = 0; i < 1900; i++) threaded.run();
    expect(countsOf(threaded, threads * 4)).toEqual(all(threads * 4, 2000));
  },
);

test("a short job has a part for each thread, and one thread does it whole", () => {
  const two = start(2, 1000);
  two.run();
  expect(countsOf(two, 2)).toEqual(all(2, 1));
  two.end();
  const one = start(1);
  one.run();
  expect(countsOf(one, 1)).toEqual(all(1, 1));
});

test("a part that traps makes the run trap, whoever does it, and the next run is whole again", async () => {
  const threaded = start(2);
  await allSleep(threaded, 1);
  for (let i = 0; i < 40; i++) {
    threaded.set(failing, (i % 8) + 1);
    expect(() => threaded.run()).toThrow(WebAssembly.RuntimeError);
    threaded.set(failing, 0);
    threaded.run();
    const before = countsOf(threaded, 8);
    threaded.run();
    expect(countsOf(threaded, 8)).toEqual(before.map((count, part) => (part < 8 ? count + 1 : 0)));
  }
});

/** A browser's `Worker`, as far as it goes: runs the script of a `blob:` URL, which has no Node modules at hand. */
class BrowserWorker {
  private readonly worker: Promise<NodeWorker>;

  constructor(url: string, options: { type: string }) {
    expect([url.slice(0, 5), options]).toEqual(["blob:", { type: "module" }]);
    this.worker = this.start(url);
  }

  private async start(url: string): Promise<NodeWorker> {
    const code = await resolveObjectURL(url)!.text();
    expect(code).not.toMatch(/\b(require|process|import)\b/);
    const glue = 'require("node:worker_threads").parentPort.on("message", (data) => onmessage({ data }));';
    return new NodeWorker(`globalThis.onmessage = null; ${code}; ${glue}`, { eval: true });
  }

  postMessage(data: unknown): void {
    void this.worker.then((worker) => worker.postMessage(data));
  }

  terminate(): void {
    void this.worker.then((worker) => worker.terminate());
  }
}

test("a worker that touches memory before the first run changes nothing in it", async () => {
  const running = start(2);
  const pages = Array.from({ length: 16 }, (_, page) => page * 4096).slice(2);
  for (const address of pages) running.set(address, 0x01020304 + address);
  await allSleep(running, 1);
  expect(pages.map((address) => running.word(address) - address)).toEqual(pages.map(() => 0x01020304));
  expect(running.word(failing)).toBe(0);
});

test("a worker has the system give all memory its pages before the first run", async () => {
  const bytes = 2 ** 28;
  const before = process.memoryUsage.rss();
  await allSleep(start(2, manyParts, bytes / 65536), 1);
  const given = process.memoryUsage.rss() - before;
  expect(given).toBeGreaterThan(0.9 * bytes);
});

test("in a browser's page, whose thread must not wait", async () => {
  vi.stubGlobal("process", undefined);
  vi.stubGlobal("document", {});
  vi.stubGlobal("crossOriginIsolated", true);
  vi.stubGlobal("Worker", BrowserWorker);
  const threaded = start(3);
  vi.unstubAllGlobals();
  await allSleep(threaded, 2);
  expect(threaded.word(mayBlock)).toBe(0);
  for (let i = 0; i < 200; i++) threaded.run();
  expect(countsOf(threaded, 12)).toEqual(all(12, 200));
});

test("a page that is not isolated runs on one thread and says so", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.stubGlobal("process", undefined);
  vi.stubGlobal("crossOriginIsolated", false);
  const threaded = start(2);
  vi.unstubAllGlobals();
  threaded.run();
  expect(countsOf(threaded, 1)).toEqual(all(1, 1));
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]![0]).toMatch(/one thread: the page is not crossOriginIsolated/);
});
