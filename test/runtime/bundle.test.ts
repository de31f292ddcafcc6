/** What the runtime is as code: its size, and the things that would keep it from running somewhere. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import ts from "typescript";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../runtime");
const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));

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
  for (const code of usual) expect(code).not.toContain("./profile.js");
  const code = usual.join("");
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(8000);
});

test.each(files)("%s imports only its neighbours and evaluates nothing", (file) => {
  const code = javascript(file);
  const imports = [...code.matchAll(/^(?:import|export) .* from "(.*)";$/gm)].map((match) => match[1]!);
  for (const path of imports) expect(path).toMatch(/^\.\/[a-z]+\.js$/);
  expect(code.match(/^import /gm)?.length ?? 0).toBeLessThanOrEqual(imports.length);
  for (const forbidden of [/\bimport\(/, /\bimport\.meta\b/, /\beval\(/, /\bFunction\(/, /^await /m]) {
    expect(code).not.toMatch(forbidden);
  }
  expect(code).not.toMatch(/globalThis(\.\w+|\[.*\]) = /);
});
