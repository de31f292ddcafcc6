/** The runtime as an app has it: built, and found as the package `onnx-kiln` in node_modules. */

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";

const repository = join(import.meta.dirname, "../..");

/** A fresh folder with the runtime installed. The caller removes it. */
export function installRuntime(): string {
  const folder = mkdtempSync(join(tmpdir(), "kiln-app-"));
  const home = join(folder, "node_modules/onnx-kiln");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), readFileSync(join(repository, "package.json")));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...tsconfig(), outDir: join(home, "dist"), rootDir: repository, noEmit: false, types: [] },
    repository,
  );
  const entries = ["index.ts", "ort/index.ts"].map((name) => join(repository, "runtime", name));
  const program = ts.createProgram(entries, options);
  const { diagnostics } = program.emit();
  const problems = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (problems.length > 0) throw new Error(formatDiagnostics(problems));
  return folder;
}

function tsconfig(): object {
  const { config } = ts.readConfigFile(join(repository, "tsconfig.json"), ts.sys.readFile);
  return (config as { compilerOptions: object }).compilerOptions;
}

/** What TypeScript says of the files, as an app with strict settings compiles them; "" where nothing. */
export function typeErrors(files: string[]): string {
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.esnext.disposable.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: [],
  });
  return formatDiagnostics(ts.getPreEmitDiagnostics(program));
}

const formatDiagnostics = (diagnostics: readonly ts.Diagnostic[]): string =>
  ts.formatDiagnostics(diagnostics, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => "/",
    getNewLine: () => "\n",
  });
