import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { load } from "../../runtime/index.js";
import { buildModel } from "../onnx/build-model.js";
import { kiln, kilnWith, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";

const folder = useFolder();

/** What the module at this path makes of [1, 2]. */
async function resultOf(path: string): Promise<number[]> {
  using model = await load(path);
  const { y } = model.runSync({ x: Float32Array.of(1, 2) });
  return Array.from(y!.data as Float32Array);
}

describe("files", () => {
  test("go where -o says, all of the same name", async () => {
    const model = folder.write("model.onnx", dense);
    const { code, stdout, stderr } = await kiln("compile", model, "-o", folder.path("out/name.wasm"));
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toMatch(/^wrote .*out\/name\.wasm \(.* k?B\) and name\.mjs, name\.d\.ts, name\.d\.mts\n$/);
    expect(readdirSync(folder.path("out")).sort()).toEqual([
      "name.d.mts",
      "name.d.ts",
      "name.mjs",
      "name.wasm",
    ]);
    const read = (name: string) => readFileSync(folder.path(`out/${name}`), "utf8");
    expect(read("name.d.mts")).toBe(read("name.d.ts"));
    expect(read("name.d.ts")).toContain('"x": Feed<"float32", readonly [1, 2]>');
    expect(read("name.mjs")).toContain('new URL("./name.wasm", import.meta.url)');
    expect(await resultOf(folder.path("out/name.wasm"))).toEqual([8, 0]);
  });

  test("take the model's name in a folder, whether it is there or ends in a slash", async () => {
    const model = folder.write("model.v2.onnx", dense);
    expect((await kiln("compile", model, "-q", "-o", folder.path("."))).code).toBe(0);
    expect((await kiln("compile", model, "-q", "-o", folder.path("new/"))).code).toBe(0);
    expect((await kiln("compile", model, "-q", "-o", folder.path("other"))).code).toBe(0);
    for (const path of ["model.v2.wasm", "new/model.v2.wasm", "other.wasm"]) {
      expect(existsSync(folder.path(path)), path).toBe(true);
    }
  });

  test("lie in this folder where nothing is said", async () => {
    const model = folder.write("inner.onnx", dense);
    const before = process.cwd();
    process.chdir(folder.path("."));
    try {
      expect((await kiln("compile", model, "-q")).code).toBe(0);
    } finally {
      process.chdir(before);
    }
    expect(folder.list()).toEqual(["inner.d.mts", "inner.d.ts", "inner.mjs", "inner.onnx", "inner.wasm"]);
  });

  test("with weights of their own", async () => {
    const model = folder.write("model.onnx", dense);
    const { code, stderr } = await kiln("compile", model, "-o", folder.path("out/"), "--weights", "split");
    expect([code, stderr]).toEqual([0, expect.stringContaining("model.weights, model.mjs")]);
    expect(readdirSync(folder.path("out"))).toContain("model.weights");
    expect(await resultOf(folder.path("out/model.wasm"))).toEqual([8, 0]);
  });

  test("are the same bytes for the same input, and those of the API", async () => {
    const model = folder.write("model.onnx", dense);
    for (const out of ["a/", "b/"]) await kiln("compile", model, "-q", "-o", folder.path(out), "-O2");
    const bytes = (path: string) => new Uint8Array(readFileSync(folder.path(path)));
    expect(bytes("a/model.wasm")).toEqual(bytes("b/model.wasm"));
    const { wasm } = await compile(buildModel(dense), { optimize: 2, name: "model" });
    expect(bytes("a/model.wasm")).toEqual(new Uint8Array(wasm));
  });

  test("come from stdin, too", async () => {
    const stdin = async function* () {
      const bytes = buildModel(dense);
      yield bytes.subarray(0, 100);
      yield bytes.subarray(100);
    };
    expect((await kilnWith({ stdin: stdin() }, "compile", "-", "-o", folder.path("out/"))).code).toBe(0);
    expect(await resultOf(folder.path("out/model.wasm"))).toEqual([8, 0]);
  });
});

describe("flags", () => {
  test("fix shapes", async () => {
    const model = folder.write("model.onnx", negate);
    const out = ["-o", folder.path("out/"), "--json"];
    for (const flags of [
      ["--dim", "batch=2"],
      ["--input-shape", "x:2x3"],
      ["--input-shape", "x:[2,3]"],
    ]) {
      const { code, stdout } = await kiln("compile", model, ...out, ...flags);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).inputs).toEqual([{ name: "x", type: "float32", dims: [2, 3] }]);
    }
  });

  test.each([["-O0"], ["-O1"], ["-Os"], ["-O", "3"], ["--strict"], ["--features", "-threads"], ["--verify"]])(
    "%s %s gives the same results",
    async (...flags) => {
      const model = folder.write("model.onnx", dense);
      const out = folder.path("out/");
      expect(
        (await kiln("compile", model, "-o", out, ...flags.filter((flag) => flag !== undefined))).code,
      ).toBe(0);
      expect(await resultOf(folder.path("out/model.wasm"))).toEqual([8, 0]);
    },
  );

  test("name the features in the metadata", async () => {
    const model = folder.write("model.onnx", dense);
    const out = ["-o", folder.path("out/"), "--json"];
    const features = async (...flags: string[]): Promise<string[]> =>
      JSON.parse((await kiln("compile", model, ...out, ...flags)).stdout).features;
    expect(await features()).toEqual(["simd128"]);
    expect(await features("--features", "+relaxed-simd")).toEqual(["simd128", "relaxed-simd"]);
  });
});

describe("reports", () => {
  test("as text", async () => {
    const model = folder.write("model.onnx", dense);
    const { code, stdout } = await kiln(
      "compile",
      model,
      "-o",
      folder.path("out/"),
      "--report",
      "--pass-timing",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model {9}model$/m);
    expect(stdout).toMatch(/^compile time {2}[\d.]+ m?s$/m);
    expect(stdout).toMatch(/^nodes {9}3 imported, \d lowered$/m);
    expect(stdout).toMatch(/^FLOPs {9}8$/m);
    expect(stdout).toMatch(/^(code|weights|memory) +[\d.]+ k?B$/m);
    expect(stdout).toMatch(/^arena +\d+ B \(lower bound \d+ B\)$/m);
    expect(stdout).toMatch(/^kernel +calls {2}code bytes\nmatmul\S+ +1 +\d+$/m);
    expect(stdout).toMatch(/^00 {2}import +[\d.]+ m?s +[\d.]+% +3$/m);
    expect(stdout).toMatch(/^ {4}total +[\d.]+ m?s$/m);
  });

  test("as JSON, with the files that were written", async () => {
    const model = folder.write("model.onnx", dense);
    const { code, stdout, stderr } = await kiln("compile", model, "-o", folder.path("out/"), "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout);
    expect(report.files).toEqual(
      [".wasm", ".mjs", ".d.ts", ".d.mts"].map((extension) => folder.path(`out/model${extension}`)),
    );
    expect(report).toMatchObject({
      name: "model",
      inputs: [{ name: "x", type: "float32", dims: [1, 2] }],
      outputs: [{ name: "y", type: "float32", dims: [1, 2] }],
      nodes: { imported: 3 },
      flops: 8,
    });
    expect(report.wasmBytes).toBe(readFileSync(folder.path("out/model.wasm")).length);
    expect(report.kernels[0]).toMatchObject({ name: expect.any(String), calls: 1 });
  });

  test("of the IR", async () => {
    const model = folder.write("model.onnx", dense);
    const out = ["-o", folder.path("out/"), "--print-ir-after", "fuse"];
    const text = await kiln("compile", model, ...out);
    expect(text.stdout).toMatch(/^\/\/ ----- \d\d after fuse\ngraph @dense\(%x: f32\[1, 2\]\)/);
    const { ir } = JSON.parse((await kiln("compile", model, ...out, "--json")).stdout);
    expect(ir).toEqual([
      { index: expect.any(Number), pass: "fuse", text: expect.stringMatching(/^graph @dense/) },
    ]);
  });

  test("of progress, where -v asks for it", async () => {
    const model = folder.write("model.onnx", dense);
    const { stderr } = await kiln("compile", model, "-o", folder.path("out/"), "-v");
    expect(stderr).toMatch(/^ +\d+\.\d{3} s {2}import\n/);
    expect(stderr).toMatch(/ s {2}fuse\n/);
    expect((await kiln("compile", model, "-o", folder.path("out/"), "-q")).stderr).toBe("");
  });
});
