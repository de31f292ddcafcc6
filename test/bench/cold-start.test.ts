/** Cold starts: processes that load what is built and answer with a time. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";
import { coldStartRatio, measureColdStarts } from "../../compiler/bench/cold-start.js";
import { compile } from "../../compiler/index.js";
import { buildModel } from "../onnx/build-model.js";

const repository = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "kiln-cold-start-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The scripts as JavaScript. */
function build(): { child: string; runtime: string } {
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const runtime = readdirSync(join(repository, "runtime")).filter((name) => name.endsWith(".ts"));
  const child = "compiler/bench/cold-start-child";
  const own = ["engines.ts", "temporary-folder.ts"].map((name) => `compiler/bench/${name}`);
  const files = [`${child}.ts`, ...own, ...runtime.map((name) => `runtime/${name}`)];
  for (const name of files) {
    const { outputText } = ts.transpileModule(readFileSync(join(repository, name), "utf8"), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 },
    });
    const path = join(folder, name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, outputText);
  }
  return {
    child: join(folder, `${child}.js`),
    runtime: pathToFileURL(join(folder, "runtime/index.js")).href,
  };
}

const model = buildModel({
  inputs: { x: ["float32", [200, 300]] },
  outputs: { y: ["float32", [200, 300]] },
  nodes: [{ op: "Softmax", inputs: ["x"], outputs: ["y"] }],
});
const feeds = { x: { type: "float32" as const, dims: [200, 300], data: new Float32Array(60_000) } };

test("every module, and the rival on as many threads", async () => {
  const plain = { label: "plain", threads: 1, wasm: (await compile(model)).wasm };
  const { wasm } = await compile(model, { features: { threads: true } });
  const modules = [plain, { label: "threads", threads: 2, wasm }];
  const starts = await measureColdStarts({ modules, model, feeds, starts: 1, scripts: build() });
  expect(starts.kiln.map(({ label }) => label)).toEqual(["plain", "threads"]);
  for (const { medianMs, memoryBytes } of [...starts.kiln, starts.rival!]) {
    expect(medianMs).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(200 * 300 * 4);
  }
});

test("the ratio is that of the fastest module", () => {
  const start = (label: string, medianMs: number) => ({ label, medianMs, memoryBytes: 1 });
  const kiln = [start("plain", 20), start("threads", 8)];
  expect(coldStartRatio({ kiln, rival: start("rival", 40) })).toBe(5);
  expect(coldStartRatio({ kiln, rival: null })).toBeNull();
});

test("a start that fails says whose, and why", async () => {
  const modules = [{ label: "broken", threads: 1, wasm: new Uint8Array(8) }];
  await expect(measureColdStarts({ modules, model, feeds, starts: 1, scripts: build() })).rejects.toThrow(
    /^cold start of kiln: .*not a WebAssembly module/,
  );
});
