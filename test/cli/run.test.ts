import { readdirSync, readFileSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readNpy, writeNpy } from "../../compiler/cli/npy.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { kiln, kilnWith, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";
import { makePng } from "./png.js";

const folder = useFolder();

const npy = (name: string, dims: number[], values: number[]): string =>
  folder.write(name, writeNpy(tensorOf("float32", dims, values)));

/** The elements of an .npy file that a run wrote. */
const stored = (name: string): number[] =>
  Array.from(readNpy(new Uint8Array(readFileSync(folder.path(name))), name).data as Float32Array);

describe("a run", () => {
  test("of a model, from .npy to .npy", async () => {
    const model = folder.write("model.onnx", dense);
    const x = npy("x.npy", [1, 2], [3, 4]);
    const result = await kiln("run", model, "--input", `x=${x}`, "--output", `y=${folder.path("out/y.npy")}`);
    expect(result).toEqual({ code: 0, stdout: "", stderr: `wrote ${folder.path("out/y.npy")}\n` });
    expect(stored("out/y.npy")).toEqual([16, 0]);
  });

  test("of a compiled module, its weights inside or beside", async () => {
    const model = folder.write("model.onnx", dense);
    const x = npy("x.npy", [1, 2], [1, 2]);
    for (const weights of ["embed", "split"]) {
      await kiln("compile", model, "-q", "-o", folder.path(`${weights}.wasm`), "--weights", weights);
      const { code, stdout } = await kiln("run", folder.path(`${weights}.wasm`), "--input", x);
      expect([code, stdout]).toEqual([0, "y: float32[1, 2]\n  min 0  max 8  mean 4\n  first 8, 0\n"]);
    }
  });

  test("of a compiled module says which file of weights is missing", async () => {
    const [model, module] = [folder.write("model.onnx", dense), folder.path("lonely.wasm")];
    await kiln("compile", model, "-q", "-o", module, "--weights", "split");
    rmSync(folder.path("lonely.weights"));
    expect(await kiln("run", module)).toEqual({
      code: 1,
      stdout: "",
      stderr: `error: the weights of ${module} are in a file of their own, and there is no ${folder.path("lonely.weights")}
  hint: put it beside the module, or compile the model with --weights embed
`,
    });
  });

  test("on threads gives the same, of a model and of a module compiled for them", async () => {
    const model = folder.write(
      "wide.onnx",
      buildModel({
        inputs: { x: ["float32", [300, 400]] },
        outputs: { y: ["float32", [300, 400]] },
        nodes: [{ op: "Softmax", inputs: ["x"], outputs: ["y"] }],
      }),
    );
    const module = folder.path("wide.wasm");
    await kiln("compile", model, "-q", "-o", module, "--features", "threads");
    const [one, ...others] = [
      await kiln("run", model, "-q", "--threads", "1"),
      await kiln("run", model, "-q", "--threads", "2", "--repeat", "2", "--json"),
      await kiln("run", module, "-q", "--threads", "3"),
      await kiln("run", module, "-q"),
    ];
    expect(others.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(others.slice(1).map(({ stdout }) => stdout)).toEqual([one!.stdout, one!.stdout]);
  });

  test("of a model from stdin", async () => {
    const stdin = async function* () {
      yield buildModel(dense);
    };
    const x = npy("x.npy", [1, 2], [1, 2]);
    const { code, stdout } = await kilnWith({ stdin: stdin() }, "run", "-", "--input", x, "--json");
    expect([code, JSON.parse(stdout).outputs[0].first]).toEqual([0, [8, 0]]);
  });

  test("of more than one input and output", async () => {
    const two: ModelSpec = {
      inputs: { a: ["float32", [2]], b: ["int64", []] },
      outputs: { "../sum": ["float32", [2]], "b/twice": ["int64", []] },
      nodes: [
        { op: "Add", inputs: ["a", "a"], outputs: ["../sum"] },
        { op: "Add", inputs: ["b", "b"], outputs: ["b/twice"] },
      ],
    };
    const model = folder.write("model.onnx", two);
    const a = npy("a.npy", [2], [1, 2]);
    const b = folder.write("b.npy", writeNpy(tensorOf("int64", [], [21])));
    const inputs = ["--input", `a=${a}`, "--input", `b=${b}`];
    expect((await kiln("run", model, ...inputs, "--output-dir", folder.path("out"))).code).toBe(0);
    expect(readdirSync(folder.path("out")).sort()).toEqual(["__sum.npy", "b_twice.npy"]);
    expect(stored("out/__sum.npy")).toEqual([2, 4]);
    expect(readNpy(new Uint8Array(readFileSync(folder.path("out/b_twice.npy"))), "")).toEqual(
      tensorOf("int64", [], [42]),
    );
    expect((await kiln("run", model, "--input", a)).code).toBe(2);
  });
});

describe("inputs that are not given", () => {
  test("are made up from the seed", async () => {
    const model = folder.write("model.onnx", negate);
    const run = async (...flags: string[]) => {
      const { code, stdout, stderr } = await kiln("run", model, "--dim", "batch=2", "--json", ...flags);
      expect(code).toBe(0);
      return { first: JSON.parse(stdout).outputs[0].first, stderr };
    };
    const { first, stderr } = await run();
    expect(stderr).toBe('made up "x" from seed 0\n');
    expect(first).toHaveLength(6);
    expect((await run("--random", "--seed", "0", "-q")).first).toEqual(first);
    expect((await run("--seed", "1")).first).not.toEqual(first);
  });

  test("of any size go where dims are open, and are not made up there", async () => {
    const model = folder.write("model.onnx", negate);
    expect((await kiln("compile", model, "-q", "-o", folder.path("."))).code).toBe(0);
    const x = npy("x.npy", [2, 3], [1, 2, 3, 4, 5, 6]);
    const y = folder.path("y.npy");
    for (const file of [model, folder.path("model.wasm")]) {
      expect((await kiln("run", file, "-q", "--input", x, "--output", y)).stderr).toBe("");
      expect(stored("y.npy")).toEqual([-1, -2, -3, -4, -5, -6]);
      const wrong = await kiln("run", file, "--input", npy("wrong.npy", [1, 2], [1, 2]));
      expect([wrong.code, wrong.stderr]).toEqual([
        1,
        expect.stringContaining('float32[1, 2], but input "x" wants float32[batch, 3]'),
      ]);
      const madeUp = await kiln("run", file);
      expect(madeUp.code).toBe(1);
      expect(madeUp.stderr).toMatch(
        /^error: the shape of input "x" is open: \[batch, 3\]\n {2}hint: .*--input-shape x:/,
      );
    }
  });

  test("are an error where they must not be", async () => {
    const model = folder.write("model.onnx", dense);
    const { code, stderr } = await kiln("run", model, "--no-random");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: no value for input "x"\n {2}hint: give one with --input NAME=FILE/);
    const x = npy("x.npy", [1, 2], [1, 2]);
    expect((await kiln("run", model, "--no-random", "--input", x)).code).toBe(0);
  });
});

describe("inputs that do not fit", () => {
  const usage: [string[], RegExp][] = [
    [["--input", "z=x.npy"], /the model has no input "z"\n {2}hint: its inputs: "x"/],
    [["--input", "x=x.npy", "--input", "x=x.npy"], /--input gives "x" twice/],
    [["--output", "z=y.npy"], /the model has no output "z"\n {2}hint: its outputs: "y"/],
  ];
  test.each(usage)("%j", async (flags, message) => {
    const model = folder.write("model.onnx", dense);
    const { code, stdout, stderr } = await kiln("run", model, ...flags);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  test("by shape, type or file", async () => {
    const model = folder.write("model.onnx", dense);
    const files: [string, RegExp][] = [
      [npy("x.npy", [2], [1, 2]), /x\.npy holds float32\[2\], but input "x" wants float32\[1, 2\]$/m],
      [
        folder.write("d.npy", writeNpy(tensorOf("float64", [1, 2], [1, 2]))),
        /d\.npy holds float64\[1, 2\], but/,
      ],
      [folder.write("x.txt", "1 2"), /cannot read .*x\.txt: neither \.npy nor PNG nor JPEG/],
      [folder.path("none.npy"), /cannot read .*none\.npy: no such file or folder/],
      [
        folder.write("x.png", makePng({ width: 1, height: 1, depth: 8, colour: 0, rows: [[1]] })),
        /hold one picture/,
      ],
    ];
    for (const [file, message] of files) {
      const { code, stdout, stderr } = await kiln("run", model, "--input", `x=${file}`);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(message);
    }
  });

  test("flags of compilation, for a module", async () => {
    const model = folder.write("model.onnx", dense);
    await kiln("compile", model, "-q", "-o", folder.path("."));
    const { code, stderr } = await kiln("run", folder.path("model.wasm"), "-O1");
    expect([code, stderr]).toEqual([2, expect.stringContaining("is compiled already")]);
  });
});

test("a picture becomes the input, as the flags say", async () => {
  const image: ModelSpec = {
    inputs: { image: ["float32", [1, 3, 1, 2]] },
    outputs: { y: ["float32", [1, 3, 1, 2]] },
    nodes: [{ op: "Neg", inputs: ["image"], outputs: ["y"] }],
  };
  const model = folder.write("model.onnx", image);
  const row = [10, 20, 30, 255, 40, 50, 60, 255];
  const picture = folder.write("x.png", makePng({ width: 2, height: 1, depth: 8, colour: 6, rows: [row] }));
  const output = ["-q", "--output", `y=${folder.path("y.npy")}`];
  const run = async (...flags: string[]): Promise<number[]> => {
    expect((await kiln("run", model, "--input", `image=${picture}`, ...output, ...flags)).code).toBe(0);
    return stored("y.npy").map((value) => -value);
  };
  expect(await run()).toEqual([10, 40, 20, 50, 30, 60].map((value) => Math.fround(value / 255)));
  expect(await run("--scale", "1", "--channels", "bgr", "--mean", "1,2,3", "--std", "2")).toEqual(
    [29, 59, 18, 48, 7, 37].map((value) => value / 2),
  );
  expect(await run("--scale", "1/10")).toEqual([1, 4, 2, 5, 3, 6]);
});

test("--repeat times the runs", async () => {
  const model = folder.write("model.onnx", dense);
  const text = await kiln("run", model, "--repeat", "4");
  expect(text.stdout).toMatch(/^median of 4 runs: [\d.]+ ms \(fastest [\d.]+ ms\)$/m);
  const { times } = JSON.parse((await kiln("run", model, "--repeat", "3", "--json")).stdout);
  expect(times).toMatchObject({ runs: 3 });
  expect(times.minMs).toBeLessThanOrEqual(times.medianMs);
});
