/** What the runtime is as code: its size, and the things that would keep it from running somewhere. */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import ts from "typescript";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../runtime");
const sourcesIn = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith(".ts"));
const files = sourcesIn(folder);
/** The interface of onnxruntime is an entry of its own too. */
const ortFiles = sourcesIn(join(folder, "ort")).map((name) => `ort/${name}`);

/** The file as JavaScript without comments. */
const javascript = (file: string): string =>
  ts.transpileModule(readFileSync(join(folder, file), "utf8"), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      removeComments: true,
    },
  }).outputText;

// Measured is what applications ship. It was all files without comments, unminified, below 8000; minified these are
// 6.5 kB, and 10.7 with the interface of onnxruntime.
/** Bytes of an entry as a page ships it, in one file, minified and gzipped; `with` names the files that are in it. */
async function shipped(entry: string): Promise<{ bytes: number; with: string[] }> {
  const options = { bundle: true, minify: true, format: "esm", write: false, metafile: true } as const;
  const built = await build({ ...options, entryPoints: [join(folder, entry)] });
  const names = Object.keys(built.metafile.inputs).map((path) => relative(folder, path));
  return { bytes: gzipSync(built.outputFiles[0]!.contents, { level: 9 }).length, with: names };
}

test("the runtime is below 7 kB gzipped, without profiling and the interface of onnxruntime", async () => {
  const runtime = await shipped("index.ts");
  expect(runtime.bytes).toBeLessThan(7000);
  expect(runtime.with).toContain("model.ts");
  expect(runtime.with.filter((name) => /profile|ort\//.test(name))).toEqual([]);
});

test("with the interface of onnxruntime it is below 11.5 kB", async () => {
  expect((await shipped("ort/index.ts")).bytes).toBeLessThan(11_500);
});

test.each([...files, ...ortFiles])("%s imports only its neighbours and evaluates nothing", (file) => {
  const code = javascript(file);
  const imports = [...code.matchAll(/^(?:import|export) .* from "(.*)";$/gm)].map((match) => match[1]!);
  const neighbour = file.startsWith("ort/") ? /^\.\.?\/[a-z-]+\.js$/ : /^\.\/[a-z]+\.js$/;
  for (const path of imports) expect(path).toMatch(neighbour);
  expect(code.match(/^import /gm)?.length ?? 0).toBeLessThanOrEqual(imports.length);
  for (const forbidden of [/\bimport\(/, /\bimport\.meta\b/, /\beval\(/, /\bFunction\(/, /^await /m]) {
    expect(code).not.toMatch(forbidden);
  }
  expect(code).not.toMatch(/globalThis(\.\w+|\[.*\]) = /);
});
