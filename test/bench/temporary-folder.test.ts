import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { inTemporaryFolder } from "../../compiler/bench/temporary-folder.js";

test("a temporary folder is gone afterwards, also where what it was for fails", async () => {
  const folders: string[] = [];
  const failing = inTemporaryFolder("kiln-test-", async (folder) => {
    folders.push(folder);
    expect(existsSync(folder)).toBe(true);
    throw new Error("failed");
  });
  await expect(failing).rejects.toThrow("failed");
  expect(folders.map(existsSync)).toEqual([false]);
});

test.each(["SIGINT", "SIGTERM"] as const)("and on %s, which ends the process", async (signal) => {
  const source = readFileSync(join(import.meta.dirname, "../../compiler/bench/temporary-folder.ts"), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 },
  });
  const use = "(folder) => { console.log(folder); return new Promise((done) => setTimeout(done, 60_000)); }";
  const script = `${outputText}\nawait inTemporaryFolder("kiln-test-", ${use});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  const [chunk] = await once(child.stdout, "data");
  const folder = String(chunk).trim();
  expect(existsSync(folder)).toBe(true);
  child.kill(signal);
  expect(await once(child, "exit")).toEqual([null, signal]);
  expect(existsSync(folder)).toBe(false);
});
