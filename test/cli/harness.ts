/** Runs the command line in this process, on files in a folder of its own. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { main } from "../../compiler/cli/command-line.js";
import { type Io, Terminal } from "../../compiler/cli/terminal.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command writes, kept; and the terminal over it. */
export function capture(io: Partial<Io> = {}): {
  io: Io;
  terminal: Terminal;
  stdout: string;
  stderr: string;
} {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write(chunk: string | Uint8Array) {
      written[name] += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    },
  });
  const captured: Io = { stdout: output("stdout"), stderr: output("stderr"), env: {}, ...io };
  return Object.assign(written, { io: captured, terminal: new Terminal(captured) });
}

export async function kiln(...args: string[]): Promise<Result> {
  return kilnWith({}, ...args);
}

export async function kilnWith(io: Partial<Io>, ...args: string[]): Promise<Result> {
  const captured = capture(io);
  const code = await main(args, captured.io);
  return { code, stdout: captured.stdout, stderr: captured.stderr };
}

/** A folder that is empty at the start of every test of the file, and gone at its end. */
export function useFolder(): { path(name: string): string; write: typeof writeInto; list(): string[] } {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kiln-cli-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  return {
    path: (name) => join(folder, name),
    write: (name, content) => writeInto(join(folder, name), content),
    list: () => readdirSync(folder).sort(),
  };
}

/** Writes bytes, text or a model; returns the path. */
function writeInto(path: string, content: Uint8Array | string | ModelSpec): string {
  const isModel = typeof content === "object" && "nodes" in content;
  writeFileSync(path, isModel ? buildModel(content) : content);
  return path;
}
