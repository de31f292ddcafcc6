/** What the runtime is as code: its size, and the things that would keep it from running somewhere. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import ts from "typescript";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../runtime");
const sourcesIn = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith(".ts"));
const files = sourcesIn(folder);
/** The interface of onnxruntime is an entry of its own too. */
const ortFiles = sourcesIn(join(folder, "ort")).map((name) => `ort/${name}`);

/** The file as JavaScript without comments; not minified, so a bundle is smaller still. */
const javascript = (file: string): string =>
  ts.transpileModule(readFileSync(join(folder, file), "utf8"), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      removeComments: true,
    },
  }).outputText;

test("the runtime is below 8 kB gzipped", () => {
  expect(files).toContain("index.ts");
  // Profiling is an entry of its own, which the others do not import.
  const usual = files.filter((name) => name !== "profile.ts").map(javascript);
  for (const code of usual) expect(code).not.toMatch(/\.\/(profile\.js|ort\/)/);
  expect(gzipped(usual)).toBeLessThan(8000);
});

test("the interface of onnxruntime adds less than 7 kB gzipped", () => {
  expect(ortFiles).toContain("ort/index.ts");
  expect(gzipped(ortFiles.map(javascript))).toBeLessThan(7000);
});

const gzipped = (code: readonly string[]): number => gzipSync(code.join(""), { level: 9 }).length;

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
