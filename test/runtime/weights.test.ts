import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type LoadOptions, load, type ModuleSource } from "../../runtime/index.js";
import type { ModelMetadata } from "../../runtime/metadata.js";
import { failure } from "./errors.js";
import { loadInspected } from "./inspect.js";
import { binding, kilnModule } from "./module.js";
import { serve, type TestServer } from "./server.js";

/** 100 000 bytes of weights at address 4096; the module returns the last one. */
const byteLength = 100_000;
const address = 4096;
const bytes = Uint8Array.from({ length: byteLength }, (_, i) => (i * 31) % 251);
const last = bytes[byteLength - 1]!;
const sha256 = createHash("sha256").update(bytes).digest("hex");
const html = `<html>${" ".repeat(200)}</html>`;

const splitModule = (fields: Partial<ModelMetadata["weights"]> = {}) =>
  kilnModule(
    `(module (memory (export "memory") 2 2)
      (func (export "run")
        (i32.store8 (i32.const 0) (i32.load8_u (i32.const ${address + byteLength - 1})))))`,
    {
      name: "split",
      outputs: [binding("y", "uint8", [], 0)],
      weights: { address, byteLength, embedded: false, sha256, ...fields },
    },
  );
const wasm = splitModule();

let folder: string;
let server: TestServer;
let requests: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kiln-weights-"));
  for (const name of ["model", "alone"]) writeFileSync(join(folder, `${name}.wasm`), wasm);
  writeFileSync(join(folder, "model.weights"), bytes);
  writeFileSync(join(folder, "short.weights"), bytes.subarray(1));
  writeFileSync(join(folder, "long.weights"), new Uint8Array(byteLength + 1));
  server = await serve((request, response) => {
    requests.push(request.url!);
    const { pathname } = new URL(request.url!, "http://host");
    if (pathname.endsWith("model.wasm")) response.setHeader("content-type", "application/wasm").end(wasm);
    else if (pathname.endsWith("model.weights")) response.end(bytes);
    else if (pathname === "/long.weights") response.end(new Uint8Array(byteLength * 50));
    else if (pathname === "/page.weights") response.end(html);
    else response.writeHead(404).end();
  });
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await server.close();
});

async function expectLoads(source: ModuleSource, options: LoadOptions = {}): Promise<void> {
  const { model, memory } = await loadInspected(source, options);
  expect(Buffer.compare(memory.subarray(address, address + byteLength), bytes)).toBe(0);
  expect(memory.subarray(0, address).every((byte) => byte === 0)).toBe(true);
  expect(memory.subarray(address + byteLength).every((byte) => byte === 0)).toBe(true);
  expect(model.runSync({}).y!.data).toEqual(Uint8Array.of(last));
}

describe("split weights", () => {
  test("are written to their place from bytes, responses, files and URLs", async () => {
    await expectLoads(wasm, { weights: bytes });
    await expectLoads(wasm, { weights: bytes.slice().buffer });
    await expectLoads(wasm, { weights: new Response(bytes) });
    await expectLoads(wasm, { weights: fetch(`${server.url}/model.weights`) });
    await expectLoads(wasm, { weights: `${server.url}/model.weights` });
    await expectLoads(wasm, { weights: join(folder, "model.weights") });
    await expectLoads(await WebAssembly.compile(wasm), {
      weights: pathToFileURL(join(folder, "model.weights")),
    });
  });

  test("are looked for beside the module", async () => {
    requests = [];
    await expectLoads(`${server.url}/model.wasm`);
    await expectLoads(new URL(`${server.url}/a.wasm/model.wasm?v=1.wasm#x`));
    expect(requests).toEqual([
      "/model.wasm",
      "/model.weights",
      "/a.wasm/model.wasm?v=1.wasm",
      "/a.wasm/model.weights?v=1.wasm",
    ]);
    await expectLoads(join(folder, "model.wasm"));
    await expectLoads(pathToFileURL(join(folder, "model.wasm")));
  });

  test("of a response go straight into linear memory, chunk by chunk", async () => {
    const chunks = [bytes.slice(0, 10), bytes.slice(10, 65_546), bytes.slice(65_546)];
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const response = new Response(body);
    const buffered = vi.spyOn(response, "arrayBuffer");
    await expectLoads(wasm, { weights: response });
    expect(buffered).not.toHaveBeenCalled();
  });

  test("are asked for where nothing says where they are", async () => {
    const message = 'E_WEIGHTS: model "split" has its weights in a file of their own: pass options.weights';
    expect(await failure(() => load(wasm))).toBe(message);
    expect(await failure(() => load(fetch(`${server.url}/model.wasm`)))).toBe(message);
    const base64 = Buffer.from(wasm).toString("base64");
    expect(await failure(() => load(`data:application/wasm;base64,${base64}`))).toBe(message);
  });

  test("of the wrong size are refused, wherever they come from", async () => {
    const expected = `expected ${byteLength} bytes of weights, got`;
    const message = (weights: LoadOptions["weights"]) => failure(() => load(wasm, { weights }));
    expect(await message(bytes.subarray(1))).toBe(`E_WEIGHTS: the bytes: ${expected} ${byteLength - 1}`);
    expect(await message(new Uint8Array(byteLength + 1))).toBe(`E_WEIGHTS: the bytes: ${expected} more`);
    expect(await message(new Response(null))).toBe(`E_WEIGHTS: the Response: ${expected} 0`);
    const short = join(folder, "short.weights");
    expect(await message(short)).toBe(`E_WEIGHTS: ${short}: ${expected} ${byteLength - 1}`);
    const long = join(folder, "long.weights");
    expect(await message(long)).toBe(`E_WEIGHTS: ${long}: ${expected} more`);
    const { url } = server;
    expect(await message(`${url}/long.weights`)).toBe(`E_WEIGHTS: ${url}/long.weights: ${expected} more`);
    expect(await message(`${url}/page.weights`)).toBe(
      `E_WEIGHTS: ${url}/page.weights: ${expected} ${html.length} ` +
        "(it is an HTML page: the server answers unknown paths with a page)",
    );
  });

  test("that are missing are told by their URL", async () => {
    const alone = join(folder, "alone.wasm");
    expect(await failure(() => load(alone))).toMatch(
      `E_LOAD: cannot read ${join(folder, "alone.weights")}: ENOENT`,
    );
    const gone = `${server.url}/gone.weights`;
    expect(await failure(() => load(wasm, { weights: gone }))).toBe(
      `E_LOAD: ${gone}: the server answered 404 Not Found`,
    );
  });

  test("that break off are told as such", async () => {
    const body = new ReadableStream({
      pull(controller) {
        controller.error(new Error("connection lost"));
      },
    });
    expect(await failure(() => load(wasm, { weights: new Response(body) }))).toBe(
      "E_LOAD: cannot read the Response: connection lost",
    );
  });

  test("stop arriving when loading is aborted", async () => {
    const abort = new AbortController();
    let cancel = () => {};
    const cancelled = new Promise<void>((resolve) => {
      cancel = resolve;
    });
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(10));
        if (++chunks === 3) abort.abort("enough");
      },
      cancel: () => cancel(),
    });
    const loading = load(wasm, { weights: new Response(body), signal: abort.signal });
    await expect(loading).rejects.toBe("enough");
    await cancelled;
  });

  test("are ignored where the module has its own", async () => {
    const model = await load(splitModule({ embedded: true }), { weights: "no such file" });
    expect(model.runSync({}).y!.data).toEqual(Uint8Array.of(0));
  });
});

describe("verifyWeights", () => {
  test("accepts the right bytes", async () => {
    await expectLoads(wasm, { weights: bytes, verifyWeights: true });
  });

  test("refuses others of the same size, which are accepted otherwise", async () => {
    const other = bytes.slice();
    other[5]! ^= 1;
    const got = createHash("sha256").update(other).digest("hex");
    expect(await failure(() => load(wasm, { weights: other, verifyWeights: true }))).toBe(
      `E_WEIGHTS: weights: expected sha256 ${sha256}, got ${got}`,
    );
    await load(wasm, { weights: other });
  });

  test("checks embedded weights too", async () => {
    const zeros = createHash("sha256").update(new Uint8Array(byteLength)).digest("hex");
    await load(splitModule({ embedded: true, sha256: zeros }), { verifyWeights: true });
    expect(await failure(() => load(splitModule({ embedded: true }), { verifyWeights: true }))).toMatch(
      /^E_WEIGHTS: weights: expected sha256/,
    );
  });

  test("says so where the engine cannot hash", async () => {
    vi.stubGlobal("crypto", undefined);
    try {
      expect(await failure(() => load(wasm, { weights: bytes, verifyWeights: true }))).toBe(
        "E_WEIGHTS: verifyWeights needs crypto.subtle: a secure context",
      );
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
