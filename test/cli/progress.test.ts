import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Progress } from "../../compiler/cli/progress.js";
import { type CommonFlags, Terminal } from "../../compiler/cli/terminal.js";
import { capture } from "./harness.js";

let now = 0;
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.stubEnv("CI", undefined);
  vi.stubEnv("TERM", "xterm");
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** A terminal that keeps what is written to it, and tells when a line was cleared. */
function fakeTerminal(flags: CommonFlags = {}): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const stderr = {
    isTTY: true,
    columns: 80,
    write: (chunk: string | Uint8Array) => written.push(String(chunk)) > 0,
    cursorTo: () => true,
    moveCursor: () => true,
    clearLine: () => written.push("CLEAR") > 0,
  };
  return { terminal: new Terminal({ ...capture().io, stderr }, flags), written };
}

test("names the stage once a second has gone by, and clears the line", () => {
  const { terminal, written } = fakeTerminal();
  const progress = new Progress(terminal, "compiling");
  progress.stage("import");
  now = 999;
  progress.stage("fuse");
  expect(written).toEqual([]);
  now = 1001;
  progress.stage("lower");
  expect(written.join("")).toContain("compiling: lower");
  progress.stage("vectorize");
  expect(written.join("")).toContain("compiling: vectorize");
  progress.stop();
  expect(written.at(-1)).toBe("CLEAR");
  progress.stage("emit"); // shown again after an interruption
  expect(written.join("")).toContain("compiling: emit");
  progress[Symbol.dispose]();
  expect(written.at(-1)).toBe("CLEAR");
});

test("never hides the cursor, and leaves signals alone", () => {
  const { terminal, written } = fakeTerminal();
  const listeners = process.listenerCount("SIGINT");
  using progress = new Progress(terminal, "compiling");
  now = 2000;
  progress.stage("fuse");
  expect(written.join("")).not.toContain("\u001b[?25l");
  expect(process.listenerCount("SIGINT")).toBe(listeners);
});

test("is silent under -q and outside of terminals, and plain lines under -v", () => {
  const quiet = fakeTerminal({ quiet: true });
  const verbose = fakeTerminal({ verbose: true, color: false });
  const piped = capture();
  for (const terminal of [quiet.terminal, verbose.terminal, piped.terminal]) {
    now = 0;
    using progress = new Progress(terminal, "compiling");
    now = 2500;
    progress.stage("fuse");
  }
  expect(quiet.written).toEqual([]);
  expect(piped.stderr).toBe("");
  expect(verbose.written).toEqual(["   2.500 s  fuse\n"]);
});
