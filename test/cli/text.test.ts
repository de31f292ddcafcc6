import { describe, expect, test } from "vitest";
import { CommandError, fileError, reportFailure } from "../../compiler/cli/failure.js";
import { formatFacts, formatTable, left, right } from "../../compiler/cli/table.js";
import { printable, Terminal, usesColor } from "../../compiler/cli/terminal.js";
import { formatBytes, formatCount, formatNumber, formatTime, plural } from "../../compiler/cli/units.js";
import { KilnError } from "../../compiler/diagnostics.js";
import { KilnRuntimeError } from "../../runtime/errors.js";
import { capture } from "./harness.js";

describe("units", () => {
  test.each([
    [0, "0"],
    [999, "999"],
    [1000, "1.00 k"],
    [12345, "12.3 k"],
    [123456, "123 k"],
    [999499, "999 k"],
    [999500, "1.00 M"],
    [8.214e9, "8.21 G"],
    [99.96e6, "100 M"],
    [9.996e6, "10.0 M"],
  ])("a count of %d", (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  test("bytes, times, numbers, plurals", () => {
    expect([0, 512, 4_951_234].map(formatBytes)).toEqual(["0 B", "512 B", "4.95 MB"]);
    expect([0.123, 12.34, 123.4, 999.6, 61234].map(formatTime)).toEqual([
      "0.12 ms",
      "12.3 ms",
      "123 ms",
      "1.00 s",
      "61.23 s",
    ]);
    expect([1 / 3, 12, -1e-9, 1e21, 5n, Number.NaN, -Infinity].map(formatNumber)).toEqual([
      "0.333333",
      "12",
      "-1e-9",
      "1e+21",
      "5",
      "NaN",
      "-Infinity",
    ]);
    expect([plural(1, "node"), plural(2, "node")]).toEqual(["1 node", "2 nodes"]);
  });
});

describe("tables", () => {
  const { colors } = capture().terminal;

  test("have no lines, and nothing at the ends of rows", () => {
    const table = formatTable(
      [left("name"), right("count")],
      [
        ["a", 10],
        ["longer", ""],
      ],
      colors,
    );
    expect(table).toBe("name    count\na          10\nlonger");
  });

  test("show no control character of a name", () => {
    expect(formatTable([left("n")], [["a\u001b[2Jb\nc"]], colors)).toBe("n\na\\u001b[2Jb c");
    expect(
      formatFacts(
        [
          ["model", "x\u0007"],
          ["io", "y"],
        ],
        colors,
      ),
    ).toBe("model  x\\u0007\nio     y");
  });
});

describe("the terminal", () => {
  test("writes data to stdout and all else to stderr", () => {
    const written = capture();
    const { terminal } = written;
    terminal.print("data");
    terminal.printJson({ a: [1] });
    terminal.note("note");
    terminal.warn("careful");
    terminal.detail("detail");
    terminal.error("bad\u001b[31m");
    expect(written.stdout).toBe('data\n{\n  "a": [\n    1\n  ]\n}\n');
    expect(written.stderr).toBe("note\nwarning: careful\nerror: bad\\u001b[31m\n");
  });

  test("is quiet or verbose as asked", () => {
    const written = capture();
    const quiet = new Terminal(written.io, { quiet: true });
    quiet.note("note");
    quiet.warn("careful");
    quiet.error("bad");
    new Terminal(written.io, { verbose: true }).detail("detail");
    expect(written.stderr).toBe("error: bad\ndetail\n");
  });

  test("colours where a person looks, or as told", () => {
    const tty = { write: () => true, isTTY: true };
    const { io } = capture();
    expect(usesColor(io, io.stdout, {})).toBe(false);
    expect(usesColor(io, tty, {})).toBe(true);
    expect(usesColor({ ...io, env: { TERM: "dumb" } }, tty, {})).toBe(false);
    expect(usesColor({ ...io, env: { NO_COLOR: "1", FORCE_COLOR: "1" } }, tty, {})).toBe(false);
    expect(usesColor({ ...io, env: { NO_COLOR: "" } }, tty, {})).toBe(true);
    expect(usesColor({ ...io, env: { FORCE_COLOR: "1" } }, io.stdout, {})).toBe(true);
    expect(usesColor({ ...io, env: { FORCE_COLOR: "0" } }, io.stdout, {})).toBe(false);
    expect(usesColor({ ...io, env: { NO_COLOR: "1" } }, io.stdout, { color: true })).toBe(true);
    expect(usesColor(io, tty, { color: false })).toBe(false);
    new Terminal(io, { color: true }).error("bad");
  });

  test("marks text that would turn around or move the cursor", () => {
    expect(printable("a\tb\nc\u202ed\u009be")).toBe("a\tb\nc\\u202ed\\u009be");
  });
});

describe("failures", () => {
  /** What is written for the error, and the exit code. */
  function report(error: unknown, flags = {}): { code: number; text: string } {
    const written = capture();
    const code = reportFailure(error, new Terminal(written.io, flags));
    expect(written.stdout).toBe("");
    return { code, text: written.stderr };
  }

  test("of the model, of the run and of the command are one message without a stack", () => {
    const kiln = new KilnError("E_SHAPE", "does not fit", { node: "n", operator: "Add", hint: "mend it" });
    expect(report(kiln)).toEqual({ code: 1, text: 'error: node "n" (Add): does not fit\n  hint: mend it\n' });
    expect(report(new KilnRuntimeError("E_FEED", "no feed"))).toEqual({ code: 1, text: "error: no feed\n" });
    expect(report(new CommandError("no file", { hint: "look" }))).toEqual({
      code: 1,
      text: "error: no file\n  hint: look\n",
    });
    expect(report(new CommandError("no flag", { exitCode: 2 })).code).toBe(2);
  });

  test("show code and stack where asked to", () => {
    expect(report(new KilnError("E_SHAPE", "bad"), { verbose: true }).text).toMatch(
      /^error: bad\nE_SHAPE\nKilnError: bad\n {4}at /,
    );
  });

  test("of the compiler itself say where to report them", () => {
    for (const bug of [
      new TypeError("x is undefined"),
      new KilnError("E_INTERNAL", "invariant broken"),
      "text",
    ]) {
      const { code, text } = report(bug);
      expect(code).toBe(1);
      expect(text).toMatch(/^internal error: .*(x is undefined|invariant broken|text)/);
      expect(text).toMatch(/This is a bug in Kiln\. Please report it .* onnx-kiln 0\.1\.0, Node v\d/);
    }
  });

  test("of files are one line", () => {
    const missing = Object.assign(new Error("ENOENT: no such file, open 'x'"), { code: "ENOENT" });
    expect(fileError("read", "x", missing).message).toBe("cannot read x: no such file or folder");
    expect(fileError("read", "x", new Error("odd")).message).toBe("cannot read x: odd");
    const own = new CommandError("said already");
    expect(fileError("read", "x", own)).toBe(own);
  });
});
