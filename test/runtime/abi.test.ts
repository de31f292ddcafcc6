import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { encodeMetadata } from "../../compiler/wasm/metadata.js";
import { load } from "../../runtime/index.js";
import { decodeMetadata, type ModelMetadata } from "../../runtime/metadata.js";
import { failure } from "./errors.js";
import {
  assemble,
  binding,
  doubling,
  doublingModule,
  kilnModule,
  metadataOf,
  withSection,
} from "./module.js";

const sound = metadataOf({
  name: "naïve 模型",
  features: ["simd128"],
  inputs: [binding("x", "float32", [2, 2], 16)],
  outputs: [binding("y", "int64", [], 32)],
  weights: { address: 64, byteLength: 8, embedded: true, sha256: "00" },
  arena: { address: 128, byteLength: 256 },
});

describe("metadata", () => {
  test("are what was encoded, and the same bytes every time", () => {
    const payload = encodeMetadata(sound);
    expect(decodeMetadata(payload)).toEqual(sound);
    expect(encodeMetadata(sound)).toEqual(payload);
    expect(new TextDecoder().decode(payload)).toMatch(
      /^\{"abi":2,"producer":"onnx-kiln 0\.1\.0","name":"naïve/,
    );
  });

  test("of another ABI are refused, saying which one is read", async () => {
    for (const abi of [1, 0, "2", undefined]) {
      const payload = encodeMetadata({ ...sound, abi } as unknown as ModelMetadata);
      expect(await failure(() => decodeMetadata(payload))).toBe(
        `E_ABI: the module follows Kiln ABI version ${abi}, this runtime reads version 2: ` +
          "use the onnx-kiln that compiled it, or compile it again",
      );
    }
  });

  const x = sound.inputs[0]!;
  test.each([
    [{ name: 5 }, "name"],
    [{ features: "simd128" }, "features"],
    [{ features: [1] }, "features"],
    [{ weights: undefined }, "weights"],
    [{ weights: { address: 0, byteLength: 8 } }, "weights"],
    [{ weights: { address: -1, byteLength: 8, embedded: true } }, "weights"],
    [{ arena: { address: 0.5, byteLength: 8 } }, "arena"],
    [{ inputs: undefined }, "inputs"],
    [{ outputs: {} }, "outputs"],
    [{ inputs: [null] }, "name of a tensor"],
    [{ inputs: [{ ...x, name: undefined }] }, "name of a tensor"],
    [{ inputs: [{ ...x, type: "string" }] }, 'type of tensor "x"'],
    [{ inputs: [{ ...x, type: "constructor" }] }, 'type of tensor "x"'],
    [{ inputs: [{ ...x, dims: "2,2" }] }, 'dims of tensor "x"'],
    [{ inputs: [{ ...x, dims: [-2, -2] }] }, 'dims of tensor "x"'],
    [{ inputs: [{ ...x, dims: [4, 4] }] }, 'memory of tensor "x"'],
    [{ inputs: [{ ...x, address: undefined }] }, 'memory of tensor "x"'],
    [{ outputs: [{ ...x, byteLength: 15 }] }, 'memory of tensor "x"'],
    [{ symbols: undefined }, "symbols"],
    [{ symbols: [{ name: "n", cell: -4 }] }, "symbols"],
    [{ errors: undefined }, "errors"],
    [{ inputs: [{ ...x, dims: ["n", 2], cells: { address: 8, dims: [12, null] } }] }, 'dims of tensor "x"'],
    [
      { outputs: [{ ...x, dims: ["n", 2], cells: { address: 8, dims: [null, null] } }] },
      'cells of tensor "x"',
    ],
    [{ outputs: [{ ...x, dims: ["n", 2], cells: { address: 8, dims: [12] } }] }, 'cells of tensor "x"'],
  ])("damaged by %o are refused", async (fields, what) => {
    const payload = encodeMetadata({ ...sound, ...fields } as unknown as ModelMetadata);
    expect(await failure(() => decodeMetadata(payload))).toBe(
      `E_ABI: metadata of the module are damaged: ${what}`,
    );
  });

  test("that are no JSON object are refused", async () => {
    const decode = (text: string) => failure(() => decodeMetadata(new TextEncoder().encode(text)));
    expect(await decode("{")).toBe('E_ABI: section "kiln" is not JSON');
    expect(await decode("null")).toMatch(/^E_ABI: the module follows Kiln ABI version undefined/);
    expect(await decode("7")).toMatch(/^E_ABI: the module follows Kiln ABI version undefined/);
  });
});

test("the host that ABI.md shows runs a module with split weights", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../runtime/ABI.md"), "utf8");
  const code = /```js\n([\s\S]*?)```/.exec(page)![1]!;
  const wasm = kilnModule(
    `(module (memory (export "memory") 1 1)
      (func (export "run") (f32.store (i32.const 8) (f32.mul (f32.load (i32.const 4)) (f32.load (i32.const 0))))))`,
    {
      inputs: [binding("x", "float32", [], 4)],
      outputs: [binding("y", "float32", [], 8)],
      weights: { address: 0, byteLength: 4, embedded: false, sha256: "" },
    },
  );
  const weights = new Uint8Array(Float32Array.of(3).buffer);
  const y = runInNewContext(`${code}; y[0]`, {
    WebAssembly,
    TextDecoder,
    wasm,
    weights,
    x: Float32Array.of(7),
  });
  expect(y).toBe(21);
});

describe("modules that do not keep to the ABI", () => {
  test("no section kiln", async () => {
    const message = 'E_ABI: not a module of Kiln: it has no section "kiln"';
    expect(await failure(() => load(assemble(doubling.wat)))).toBe(message);
    const other = withSection(assemble(doubling.wat), "klin", encodeMetadata(sound));
    expect(await failure(() => load(other))).toBe(message);
  });

  test("exports missing or of another kind", async () => {
    const message = 'E_ABI: model "test" does not export memory and run';
    for (const wat of [
      "(module)",
      `(module (memory (export "memory") 1 1))`,
      `(module (func (export "run")))`,
      `(module (func (export "run")) (func (export "memory")))`,
      `(module (memory (export "memory") 1 1) (global (export "run") i32 (i32.const 1)))`,
    ]) {
      expect(await failure(() => load(kilnModule(wat, {})))).toBe(message);
    }
  });

  test("tensors, weights or arena outside the memory", async () => {
    const message = 'E_ABI: model "test" places a tensor outside its memory of 65536 bytes';
    const edge = 65536 - 16;
    for (const fields of [
      { inputs: [binding("x", "float32", [4], edge + 1)] },
      { outputs: [binding("y", "float32", [4], 2 ** 40)] },
      { weights: { address: edge, byteLength: 17, embedded: false, sha256: "" } },
      { arena: { address: 65537, byteLength: 0 } },
    ]) {
      expect(await failure(() => load(doublingModule(fields)))).toBe(message);
    }
    const model = await load(doublingModule({ inputs: [binding("x", "float32", [4], edge)], outputs: [] }));
    expect(model.runSync({ x: new Float32Array(4) })).toEqual({});
  });

  test("imports, and a start function that traps", async () => {
    const importing = kilnModule(`(module (import "env" "memory" (memory 1)))`, { name: "needy" });
    expect(await failure(() => load(importing))).toMatch(/^E_LOAD: model "needy" cannot be instantiated: /);
    const starting = kilnModule("(module (func $f unreachable) (start $f))", { name: "rash" });
    expect(await failure(() => load(starting))).toBe(
      'E_LOAD: model "rash" cannot be instantiated: unreachable',
    );
  });
});

describe("modules that the engine refuses", () => {
  /** The doubling module, its multiplication replaced by an opcode that no engine has. */
  function foreign(features: string[]): Uint8Array<ArrayBuffer> {
    const bytes = doublingModule({ features });
    const multiplication = bytes.indexOf(0x94);
    bytes[multiplication] = 0xff;
    return bytes;
  }

  test("say which features they need, and how to do without", async () => {
    expect(await failure(() => load(foreign(["simd128", "relaxed-simd"])))).toMatch(
      /^E_LOAD: the bytes: the engine cannot compile the module: WebAssembly\.compile\(\): .*\. It needs the features simd128, relaxed-simd: where the engine lacks one, compile the model without it \(features: \{ relaxedSimd: false \}\)$/,
    );
    expect(await failure(() => load(new Response(foreign(["simd128"]))))).toMatch(
      /It needs the features simd128: .* \(features: \{ simd: false \}\)$/,
    );
    const scalar = await failure(() => load(foreign([])));
    expect(scalar).toMatch(/^E_LOAD: the bytes: the engine cannot compile the module: /);
    expect(scalar).not.toMatch("features");
  });

  test("relaxed SIMD on an engine without it", async () => {
    const relaxed = kilnModule(
      `(module (memory (export "memory") 1 1)
        (func (export "run")
          (v128.store (i32.const 16) (f32x4.relaxed_madd
            (v128.load (i32.const 0)) (v128.load (i32.const 0)) (v128.load (i32.const 0))))))`,
      {
        features: ["simd128", "relaxed-simd"],
        inputs: [binding("x", "float32", [4], 0)],
        outputs: [binding("y", "float32", [4], 16)],
      },
    );
    if (WebAssembly.validate(relaxed)) {
      const { y } = (await load(relaxed)).runSync({ x: Float32Array.of(0, 1, 2, 3) });
      expect(y!.data).toEqual(Float32Array.of(0, 2, 6, 12));
    } else {
      expect(await failure(() => load(relaxed))).toMatch("needs the features simd128, relaxed-simd");
    }
  });

  test("with damaged bytes or metadata keep the engine's message", async () => {
    const truncated = foreign(["simd128"]);
    for (const end of [8, 9, 10, 20, truncated.length - 40]) {
      // Any cut ends in a typed error: from the engine, or for want of the section.
      expect(await failure(() => load(truncated.subarray(0, end)))).toMatch(/^E_(LOAD|ABI): /);
    }
    const wasm = withSection(assemble(doubling.wat), "kiln", new TextEncoder().encode("{"));
    wasm[wasm.indexOf(0x94)] = 0xff;
    expect(await failure(() => load(wasm))).toMatch(
      /^E_LOAD: the bytes: the engine cannot compile the module: /,
    );
  });

  test("because of a Content-Security-Policy say what it must allow", async () => {
    const compile = vi
      .spyOn(WebAssembly, "compile")
      .mockRejectedValue(new WebAssembly.CompileError("Wasm code generation disallowed by embedder"));
    try {
      expect(await failure(() => load(doublingModule({ features: ["simd128"] })))).toBe(
        "E_LOAD: the bytes: the engine cannot compile the module: Wasm code generation disallowed by embedder. " +
          "The page's Content-Security-Policy must allow 'wasm-unsafe-eval' in script-src; " +
          "where code cannot be compiled at all, import the WebAssembly.Module and pass it",
      );
    } finally {
      compile.mockRestore();
    }
  });
});
