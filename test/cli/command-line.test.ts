import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { kiln, kilnWith, useFolder } from "./harness.js";
import { dense } from "./models.js";

const folder = useFolder();
const commands = ["compile", "run", "inspect", "check", "ops"];

describe("help", () => {
  test("is what kiln alone prints", async () => {
    const { code, stdout, stderr } = await kiln();
    expect([code, stderr]).toEqual([0, ""]);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(await kiln("--help")).toEqual({ code, stdout, stderr });
    expect(await kiln("help")).toEqual({ code, stdout, stderr });
  });

  test.each(commands)("of %s has its flags in groups", async (command) => {
    const { code, stdout, stderr } = await kiln(command, "--help");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^Usage: kiln ${command} `));
    expect(stdout).toMatch(/^General:\n {2}--json .* -h, --help /ms);
    expect(stdout).toContain("\nExamples:\n  kiln ");
    expect(stdout).not.toContain("undefined");
    expect(await kiln("help", command)).toEqual({ code, stdout, stderr });
  });

  test.each(["compile", "run", "inspect"])("of %s shows all that is common", async (command) => {
    const { stdout } = await kiln(command, "--help");
    const flags =
      "--dim --input-shape --features -O --strict --weights --max-memory --external-data-root --print-ir-after " +
      "--print-ir-after-all --dump-ir --list-passes --json -q, -v, --color";
    for (const flag of flags.split(" ")) expect(stdout).toContain(`  ${flag} `);
  });

  test("is bold in a terminal", async () => {
    const text: string[] = [];
    const stdout = {
      write: (chunk: string | Uint8Array) => text.push(String(chunk)),
      isTTY: true,
      columns: 80,
    };
    expect((await kilnWith({ stdout }, "--help")).code).toBe(0);
    expect(text.join("")).toContain("\u001b[1mUsage:\u001b[22m");
  });
});

test("--version is that of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(await kiln("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  expect((await kiln("-V")).stdout).toBe(`${version}\n`);
});

describe("wrong usage exits with 2, and says what is wrong", () => {
  test.each([
    [["fly"], "unknown command 'fly'"],
    [["chek"], "(Did you mean check?)"],
    [["--fly"], "unknown option '--fly'"],
    [["compile", "m.onnx", "--fly"], "unknown option '--fly'"],
    [["help", "fly"], "unknown command 'fly'"],
    [["chek", "--help"], "(Did you mean check?)"],
    [["compile"], "missing required argument 'model'\n(see --help)"],
    [["run"], "missing required argument 'model'\n(see --help)"],
    [["inspect"], "missing required argument 'model'\n(see --help)"],
    [["check"], "missing required argument 'model'\n(see --help)"],
    [["replay"], "missing required argument 'file'\n(see --help)"],
    [["compile", "a.onnx", "b.onnx"], "too many arguments"],
    [["compile", "m.onnx", "-o"], "option '-o, --output <path>' argument missing"],
    [["compile", "m.onnx", "-o", "-"], "-o needs a file or folder"],
    [["compile", "m.onnx", "-o", "/dev/null"], "-o /dev/null is neither a file nor a folder"],
    [["compile", "m.onnx", "-o", ""], "-o needs a file or folder"],
    [["compile", "m.onnx", "-O4"], "expected 0, 1, 2, 3 or s"],
    [["compile", "m.onnx", "--dim", "n"], "expected NAME=N or NAME=MIN..MAX"],
    [["compile", "m.onnx", "--dim", "n=1", "--dim", "n=2"], '"n" is given twice'],
    [["compile", "m.onnx", "--input-shape", "x:1xN"], "expected NAME:SHAPE"],
    [
      ["compile", "m.onnx", "--features", "avx"],
      'unknown feature "avx"; known: simd, relaxed-simd, threads, scalar',
    ],
    [["compile", "m.onnx", "--weights", "gone"], "expected embed or split"],
    [["compile", "m.onnx", "--max-memory", "lots"], "expected a number of bytes"],
    [["run", "m.onnx", "--layout", "chwn"], "Allowed choices are nchw, nhwc"],
    [["run", "m.onnx", "--repeat", "0"], "expected a whole number from 1 on"],
    [["inspect", "m.onnx", "--graph", "x.jpg"], "must end in .svg or .dot"],
  ])("%j", async (args, message) => {
    // The model is there, so that nothing else can be wrong.
    const model = folder.write("m.onnx", dense);
    const { code, stdout, stderr } = await kiln(...args.map((arg) => (arg === "m.onnx" ? model : arg)));
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(message);
  });

  test("a pass that is none", async () => {
    const model = folder.write("m.onnx", dense);
    for (const command of ["compile", "inspect", "run"]) {
      const { code, stderr } = await kiln(command, model, "--print-ir-after", "fold");
      expect([command, code]).toEqual([command, 2]);
      expect(stderr).toMatch(/^error: no pass is named "fold"\n {2}hint: passes: import, fold-constants, /);
    }
    expect(folder.list()).toEqual(["m.onnx"]);
  });
});

describe("levels and lists of passes", () => {
  test("need no model", async () => {
    for (const command of ["compile", "inspect", "run"]) {
      const { code, stdout, stderr } = await kiln(command, "--list-passes");
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/^ # {2}pass +ir +summary\n00 {2}import +graph {2}the model/);
      expect(stdout).toMatch(/^\d\d {2}fuse +graph {2}/m);
      expect(stdout).toMatch(/^\d\d {2}vectorize +loop/m);
    }
  });

  test("differ by level, and come as JSON", async () => {
    const passes = async (level: string): Promise<{ index: number; name: string }[]> =>
      JSON.parse((await kiln("inspect", "--list-passes", level, "--json")).stdout);
    expect((await passes("-O0")).map(({ name }) => name)).not.toContain("fuse");
    expect((await passes("-Os")).map(({ name }) => name)).toContain("fuse");
    expect((await passes("-O3"))[0]).toMatchObject({ index: 0, name: "import", ir: "graph" });
  });
});
