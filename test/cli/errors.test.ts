/** Everything that can be wrong with what a command is given: one clear error, exit code 1, and no file left. */

import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { kiln, kilnWith, type Result, useFolder } from "./harness.js";
import { dense, negate, unknown } from "./models.js";

const folder = useFolder();

/** One error on stderr, nothing on stdout, and no stack. */
function expectError({ code, stdout, stderr }: Result, message: RegExp): void {
  expect(stderr).toMatch(/^error: /);
  expect(stderr.match(/error: /g)).toHaveLength(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect([code, stdout]).toEqual([1, ""]);
}

/** Every command that reads a model refuses this one, and `compile` leaves no file beside it. */
async function refuses(
  content: Uint8Array | string | ModelSpec,
  message: RegExp,
  ...flags: string[]
): Promise<void> {
  const model = folder.write("model.onnx", content);
  const before = folder.list();
  for (const command of ["compile", "run", "inspect"]) {
    const output = command === "compile" ? ["-o", folder.path("out/model.wasm")] : [];
    const view = command === "inspect" ? ["--memory"] : [];
    expectError(await kiln(command, model, ...flags, ...output, ...view), message);
  }
  expect(folder.list()).toEqual(before);
}

describe("the model", () => {
  test("has operators that nobody knows: all of them are named", async () => {
    await refuses(unknown, /error: 2 node\(s\) cannot be compiled:\n {2}node "first" .*\n {2}node "second" /);
  });

  test("is cut off", async () => {
    const bytes = buildModel(dense);
    for (const length of [0, 1, 10, bytes.length >> 1, bytes.length - 1]) {
      await refuses(bytes.subarray(0, length), /error: /);
    }
  });

  test("is random bytes", async () => {
    const any = fc.uint8Array({ minLength: 1, maxLength: 200 });
    const path = folder.path("model.onnx");
    const property = fc.asyncProperty(any, async (bytes) => {
      folder.write("model.onnx", bytes);
      expectError(await kiln("check", path), /error: /);
    });
    await fc.assert(property, { numRuns: 100, seed: 1 });
  });

  test("is something else", async () => {
    await refuses("version https://git-lfs.github.com/spec/v1", /Git LFS pointer/);
    await refuses("<!doctype html><title>404</title>", /a web page, not a model/);
    const wasm = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
    const path = folder.write("model.wasm", wasm);
    for (const command of ["compile", "inspect", "check"]) {
      expectError(await kiln(command, path), /model\.wasm is a compiled module, not an ONNX model/);
    }
    expectError(await kiln("run", path), /not a module of Kiln/);
  });

  test("has a cycle", async () => {
    const nodes = [
      { op: "Add", inputs: ["x", "b"], outputs: ["a"] },
      { op: "Neg", inputs: ["a"], outputs: ["b"] },
    ];
    await refuses({ inputs: { x: ["float32", [1]] }, outputs: { b: ["float32", [1]] }, nodes }, /cycle/);
  });

  test("reads an input that is not there", async () => {
    const nodes = [{ op: "Add", name: "sum", inputs: ["x", "ghost"], outputs: ["y"] }];
    const model: ModelSpec = { inputs: { x: ["float32", [1]] }, outputs: { y: ["float32", [1]] }, nodes };
    await refuses(model, /"sum".*"ghost"/);
  });

  test("has shapes that do not fit", async () => {
    const nodes = [{ op: "MatMul", name: "product", inputs: ["x", "w"], outputs: ["y"] }];
    const initializers = { w: tensorOf("float32", [3, 1], [1, 2, 3]) };
    const model: ModelSpec = {
      inputs: { x: ["float32", [1, 2]] },
      outputs: { y: ["float32"] },
      initializers,
      nodes,
    };
    await refuses(model, /node "product" \(MatMul\)/);
  });

  test("has no such dims", async () => {
    await refuses(negate, /there is no input "z"/, "--input-shape", "z:1x3");
    await refuses(negate, /"x"/, "--input-shape", "x:1x4");
    await refuses(negate, /no dim.*"length"|"length"/, "--dim", "batch=1", "--dim", "length=4");
  });
});

test("the flags ask for what cannot be had", async () => {
  const model = folder.write("model.onnx", dense);
  for (const command of ["compile", "run"]) {
    expectError(
      await kiln(command, model, "--features", "scalar,threads"),
      /scalar code is for hosts without SIMD, which have no threads either/,
    );
    const both = ["--features", "+relaxed-simd", "--strict"];
    expectError(await kiln(command, model, ...both), /strict rules out relaxed SIMD/);
  }
  expect(folder.list()).toEqual(["model.onnx"]);
});

test("the module would take more memory than is allowed", async () => {
  const model = folder.write("model.onnx", dense);
  const args = [model, "-o", folder.path("out/"), "--max-memory", "1KiB"];
  expectError(
    await kiln("compile", ...args),
    /needs 65536 bytes of memory, the limit is 1024\n {2}hint: .*--max-memory/,
  );
  expect(folder.list()).toEqual(["model.onnx"]);
});

describe("external data", () => {
  /** A model that keeps a weight in this file. */
  const keptIn = (location: string): ModelSpec => ({
    ...dense,
    initializers: {
      ...dense.initializers,
      b: {
        proto: {
          dims: [2],
          dataType: 1,
          dataLocation: 1,
          externalData: [{ key: "location", value: location }],
        },
      },
    },
  });

  test("outside the model's folder is refused", async () => {
    const secret = folder.path("secret");
    mkdirSync(folder.path("inner"));
    folder.write("secret", new Uint8Array(8));
    symlinkSync(secret, folder.path("inner/link"));
    for (const location of ["../secret", secret, "a/../../secret", "..\\secret", "link"]) {
      const model = folder.write("inner/model.onnx", keptIn(location));
      const result = await kiln("compile", model, "-o", folder.path("out/"));
      expectError(result, /external data of tensor "b" cannot be read from ".*": /);
    }
    expect([folder.list(), readdirSync(folder.path("inner")).sort()]).toEqual([
      ["inner", "secret"],
      ["link", "model.onnx"],
    ]);
  });

  test("is read from the folder, or through a link to a folder that is allowed", async () => {
    mkdirSync(folder.path("inner"));
    folder.write("inner/weights.bin", new Uint8Array(8));
    const model = folder.write("inner/model.onnx", keptIn("weights.bin"));
    expect((await kiln("check", model)).code).toBe(0);
    folder.write("blob", new Uint8Array(8));
    symlinkSync(folder.path("blob"), folder.path("inner/link"));
    const linked = folder.write("inner/linked.onnx", keptIn("link"));
    expect((await kiln("check", linked)).code).toBe(1);
    expect((await kiln("check", linked, "--external-data-root", folder.path("."))).code).toBe(0);
  });

  test("of the wrong size, or missing", async () => {
    await refuses(keptIn("weights.bin"), /no such file/);
    folder.write("weights.bin", new Uint8Array(7));
    await refuses(keptIn("weights.bin"), /has 7/);
  });

  test("of a model from stdin needs a folder", async () => {
    const stdin = async function* () {
      yield buildModel(keptIn("weights.bin"));
    };
    const message = /a model from stdin has no folder\n.*--external-data-root/;
    expectError(await kilnWith({ stdin: stdin() }, "check", "-"), message);
    folder.write("weights.bin", new Uint8Array(8));
    const root = ["--external-data-root", folder.path(".")];
    expect((await kilnWith({ stdin: stdin() }, "check", "-", ...root)).code).toBe(0);
  });
});

describe("files", () => {
  test("that are missing, folders, or may not be read", async () => {
    for (const command of ["compile", "run", "inspect", "check"]) {
      expectError(
        await kiln(command, folder.path("none.onnx")),
        /^error: cannot read .*none\.onnx: no such file or folder\n$/,
      );
      expectError(await kiln(command, folder.path(".")), /^error: cannot read .*: it is a folder\n$/);
    }
    if (process.getuid?.() === 0) return; // may read everything
    chmodSync(folder.write("locked.onnx", dense), 0);
    expectError(
      await kiln("check", folder.path("locked.onnx")),
      /^error: cannot read .*: permission denied\n$/,
    );
  });

  test("that are no models, or only a part of one, are named", async () => {
    const cut = buildModel(dense).subarray(0, 40);
    const files: [string, Uint8Array, RegExp][] = [
      ["cut.onnx", cut, /^error: cannot read .*cut\.onnx: malformed .*\n {2}hint: .*\n$/],
      ["empty.onnx", new Uint8Array(), /^error: cannot read .*empty\.onnx: the file is empty\n$/],
    ];
    for (const [name, bytes, message] of files) {
      const path = folder.write(name, bytes);
      for (const command of ["compile", "inspect", "check", "run"]) {
        expectError(await kiln(command, path), message);
      }
    }
    const stdin = Readable.from([cut]);
    expectError(
      await kilnWith({ stdin }, "check", "-"),
      /^error: cannot read the model from stdin: malformed /,
    );
  });

  test("from stdin that is empty", async () => {
    expectError(await kilnWith({}, "check", "-"), /cannot read the model from stdin: it is empty/);
  });
});

describe("an output that cannot be written", () => {
  test("is told before anything is compiled", async () => {
    const model = folder.write("model.onnx", unknown); // which would be an error of its own
    mkdirSync(folder.path("out/model.wasm"), { recursive: true });
    const targets: [string, RegExp][] = [
      [join(model, "x.wasm"), /cannot write .*x\.wasm: a part of the path is not a folder/],
      [folder.path("out/"), /cannot write .*model\.wasm: it is a folder/],
    ];
    for (const [target, message] of targets) expectError(await kiln("compile", model, "-o", target), message);
    expect(folder.list()).toEqual(["model.onnx", "out"]);
  });

  test("leaves none of the others", async () => {
    const model = folder.write("model.onnx", dense);
    mkdirSync(folder.path("out/model.d.ts"), { recursive: true });
    expectError(
      await kiln("compile", model, "-o", folder.path("out/")),
      /cannot write .*model\.d\.ts: it is a folder/,
    );
    expect(readdirSync(folder.path("out"))).toEqual(["model.d.ts"]);
    if (!existsSync("/proc/self")) return;
    expectError(
      await kiln("compile", model, "-o", "/proc/none/x.wasm"),
      /cannot write \/proc\/none\/x\.wasm/,
    );
  });

  test("of a run, a dump or a drawing", async () => {
    const model = folder.write("model.onnx", dense);
    const blocked = join(model, "x");
    const inspect = ["inspect", model];
    expectError(await kiln("run", model, "-q", "--output", `y=${blocked}`), /cannot write .*not a folder/);
    expectError(await kiln("run", model, "-q", "--output-dir", blocked), /cannot write .*not a folder/);
    expectError(await kiln(...inspect, "--dump-ir", blocked), /cannot write .*00-import\.txt/);
    expectError(await kiln(...inspect, "--graph", `${blocked}.dot`), /cannot write .*not a folder/);
    expect(readdirSync(dirname(model))).toEqual(["model.onnx"]);
  });
});
