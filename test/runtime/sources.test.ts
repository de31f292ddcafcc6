import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type ModuleSource } from "../../runtime/index.js";
import { errorOf, failure } from "./errors.js";
import { doublingModule } from "./module.js";
import { serve, type TestServer } from "./server.js";

const wasm = doublingModule();
const html = "\n<!doctype html><title>App</title>";
const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";

let folder: string;
let server: TestServer;
let requests: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kiln-sources-"));
  writeFileSync(join(folder, "model.wasm"), wasm);
  writeFileSync(join(folder, "pointer.wasm"), pointer);
  const pages: Record<string, [type: string, body: string | Uint8Array]> = {
    "/model.wasm": ["application/wasm", wasm],
    "/octets.wasm": ["application/octet-stream", wasm],
    "/charset.wasm": ["application/wasm; charset=utf-8", wasm],
    "/untyped.wasm": ["", wasm],
    "/page.wasm": ["text/html", html],
    "/mislabelled.wasm": ["application/wasm", html],
    "/pointer.wasm": ["text/plain", pointer],
    "/short.wasm": ["application/wasm", wasm.subarray(0, 30)],
  };
  server = await serve((request, response) => {
    requests.push(request.url!);
    const [type, body] = pages[request.url!] ?? ["text/html", html];
    response.statusCode = request.url! in pages ? 200 : 404;
    if (type !== "") response.setHeader("content-type", type);
    response.end(body);
  });
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await server.close();
});

/** Loads and runs: the doubled feed proves that it is the right module. */
async function expectLoads(source: ModuleSource): Promise<void> {
  const model = await load(source);
  expect(model.runSync({ x: Float32Array.of(1, 2, 3, 4) }).y!.data).toEqual(Float32Array.of(2, 4, 6, 8));
}

const typed = () => new Response(wasm, { headers: { "content-type": "application/wasm" } });

describe("sources", () => {
  test("bytes: an array, a buffer, a view inside a larger buffer", async () => {
    await expectLoads(wasm);
    await expectLoads(wasm.slice().buffer);
    const larger = new Uint8Array(wasm.length + 20);
    larger.set(wasm, 7);
    await expectLoads(larger.subarray(7, 7 + wasm.length));
    await expectLoads(new DataView(larger.buffer, 7, wasm.length));
    await expectLoads(Buffer.from(wasm));
  });

  test("a WebAssembly.Module, without compiling", async () => {
    const module = await WebAssembly.compile(wasm);
    const compile = vi.spyOn(WebAssembly, "compile").mockRejectedValue(new Error("forbidden here"));
    try {
      await expectLoads(module);
    } finally {
      compile.mockRestore();
    }
  });

  test("a WebAssembly.Module of another realm", async () => {
    const foreign = runInNewContext("new WebAssembly.Module(bytes)", { bytes: wasm }) as WebAssembly.Module;
    expect(foreign instanceof WebAssembly.Module).toBe(false);
    await expectLoads(foreign);
  });

  test("a response, or the promise of one, of whatever type", async () => {
    await expectLoads(typed());
    await expectLoads(new Response(wasm));
    await expectLoads(Promise.resolve(typed()));
    await expectLoads(fetch(`${server.url}/model.wasm`));
  });

  test("a file: as URL, as string, as path, as path from the working folder", async () => {
    const path = join(folder, "model.wasm");
    await expectLoads(pathToFileURL(path));
    await expectLoads(pathToFileURL(path).href);
    await expectLoads(path);
    await expectLoads(relative(process.cwd(), path));
  });

  test("a data: URL", async () => {
    const base64 = Buffer.from(wasm).toString("base64");
    await expectLoads(`data:application/wasm;base64,${base64}`);
    await expectLoads(new URL(`data:application/octet-stream;base64,${base64}`));
  });

  test("an http: URL, compiled while it arrives where the type is right", async () => {
    const streaming = vi.spyOn(WebAssembly, "compileStreaming");
    try {
      requests = [];
      await expectLoads(`${server.url}/model.wasm`);
      await expectLoads(new URL(`${server.url}/model.wasm`));
      expect(streaming).toHaveBeenCalledTimes(2);
      for (const path of ["octets", "charset", "untyped"]) await expectLoads(`${server.url}/${path}.wasm`);
      expect(streaming).toHaveBeenCalledTimes(2);
      expect(requests).toHaveLength(5);
    } finally {
      streaming.mockRestore();
    }
  });

  test("options.fetch is used for URLs, without a receiver", async () => {
    const asked: unknown[] = [];
    const receivers: unknown[] = [];
    const model = await load("https://example.test/model.wasm", {
      fetch(this: unknown, ...args: unknown[]) {
        receivers.push(this);
        asked.push(args[0]);
        return Promise.resolve(typed());
      },
    });
    expect(model.inputs).toHaveLength(1);
    expect(asked).toEqual(["https://example.test/model.wasm"]);
    expect(receivers).toEqual([undefined]);
  });

  test("where there is a location, a relative string is a URL", async () => {
    vi.stubGlobal("location", new URL("https://example.test/"));
    try {
      const asked: unknown[] = [];
      await load("model.wasm", {
        async fetch(url) {
          asked.push(url);
          return typed();
        },
      });
      expect(asked).toEqual(["model.wasm"]);
      await expectLoads(pathToFileURL(join(folder, "model.wasm")));
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("sources that fail", () => {
  test("each is told by its URL", async () => {
    const { url } = server;
    expect(await failure(() => load(`${url}/gone.wasm`))).toBe(
      `E_LOAD: ${url}/gone.wasm: the server answered 404 Not Found`,
    );
    expect(await failure(() => load(fetch(`${url}/gone.wasm`)))).toBe(
      `E_LOAD: ${url}/gone.wasm: the server answered 404 Not Found`,
    );
    for (const name of ["page", "mislabelled"]) {
      expect(await failure(() => load(`${url}/${name}.wasm`))).toBe(
        `E_LOAD: ${url}/${name}.wasm: not a WebAssembly module ` +
          "(it is an HTML page: the server answers unknown paths with a page)",
      );
    }
    expect(await failure(() => load(`${url}/pointer.wasm`))).toBe(
      `E_LOAD: ${url}/pointer.wasm: not a WebAssembly module ` +
        "(it is a Git LFS pointer: fetch the file itself with `git lfs pull`)",
    );
    expect(await failure(() => load(`${url}/short.wasm`))).toMatch(
      `E_LOAD: ${url}/short.wasm: the engine cannot compile the module: `,
    );
    expect(await failure(() => load(fetch(`${url}/mislabelled.wasm`)))).toMatch(
      `E_LOAD: ${url}/mislabelled.wasm: the engine cannot compile the module: `,
    );
  });

  test("files by their path", async () => {
    const path = join(folder, "pointer.wasm");
    expect(await failure(() => load(path))).toMatch(
      `E_LOAD: ${path}: not a WebAssembly module (it is a Git LFS`,
    );
    const error = await errorOf(() => load(join(folder, "none.wasm")));
    expect(error.message).toMatch(`cannot read ${join(folder, "none.wasm")}: ENOENT`);
    expect(error.cause).toMatchObject({ code: "ENOENT" });
    expect(await failure(() => load(folder))).toMatch(`E_LOAD: cannot read ${folder}: EISDIR`);
  });

  test("a server that cannot be reached, a response that was read, a rejected promise", async () => {
    const closed = await serve(() => {});
    await closed.close();
    expect(await failure(() => load(`${closed.url}/model.wasm`))).toMatch(
      `E_LOAD: cannot read ${closed.url}/model.wasm: fetch failed`,
    );
    const read = typed();
    await read.arrayBuffer();
    expect(await failure(() => load(read))).toMatch(/^E_LOAD: the Response: /);
    expect(await failure(() => load(Promise.reject(new Error("offline"))))).toBe(
      "E_LOAD: cannot read the Response: offline",
    );
  });

  test("bytes that are no module, and things that are no source", async () => {
    expect(await failure(() => load(new Uint8Array()))).toBe("E_LOAD: the bytes: not a WebAssembly module");
    expect(await failure(() => load(Uint8Array.of(0, 97, 115, 109, 9)))).toMatch(
      /^E_LOAD: the bytes: the engine cannot compile the module: /,
    );
    for (const source of [undefined, null, 5, {}, [wasm]]) {
      expect(await failure(() => load(source as never))).toMatch(/^E_LOAD: cannot load from this source: /);
    }
  });

  test("a long data: URL is cut in the message", async () => {
    const message = await failure(() => load(`data:text/plain,${"a".repeat(5000)}`));
    expect(message).toMatch(/^E_LOAD: data:text\/plain,a{184}\.\.\.: not a WebAssembly module$/);
  });
});

describe("abort", () => {
  test("before loading: nothing is fetched", async () => {
    const fetch = vi.fn(globalThis.fetch);
    const signal = AbortSignal.abort(new Error("not wanted"));
    await expect(load("https://example.test/m.wasm", { signal, fetch })).rejects.toThrow("not wanted");
    await expect(load(wasm, { signal })).rejects.toThrow("not wanted");
    expect(fetch).not.toHaveBeenCalled();
  });

  test("while a server is silent: the request ends", async () => {
    const abort = new AbortController();
    let closed = () => {};
    const ended = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const silent = await serve((request) => {
      request.on("close", closed);
      abort.abort();
    });
    try {
      const loading = load(`${silent.url}/model.wasm`, { signal: abort.signal });
      const reason = await loading.catch((error: unknown) => error);
      expect(reason).toBe(abort.signal.reason);
      expect(reason).toMatchObject({ name: "AbortError" });
      await ended;
    } finally {
      await silent.close();
    }
  });

  test("while a response that the user made never ends", async () => {
    const abort = new AbortController();
    const loading = load(new Promise<Response>(() => {}), { signal: abort.signal });
    abort.abort("enough");
    await expect(loading).rejects.toBe("enough");
  });

  test("after loading: no effect", async () => {
    const abort = new AbortController();
    const model = await load(wasm, { signal: abort.signal });
    abort.abort();
    expect(model.runSync({ x: Float32Array.of(1, 2, 3, 4) }).y!.data[3]).toBe(8);
  });
});
