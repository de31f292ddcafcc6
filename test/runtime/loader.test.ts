import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateLoader } from "../../compiler/loader.js";
import type { ModelMetadata } from "../../runtime/metadata.js";
import { installRuntime, typeErrors } from "./installed.js";
import { binding, doubling, doublingModule, kilnModule, metadataOf } from "./module.js";

let folder: string;
beforeAll(() => {
  folder = installRuntime();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the loader as the compiler's user has it: `name.mjs` with its declaration beside it. */
function writeLoader(metadata: ModelMetadata, name: string): void {
  const { js, dts } = generateLoader(metadata, `${name}.wasm`);
  writeFileSync(join(folder, `${name}.mjs`), js);
  writeFileSync(join(folder, `${name}.d.mts`), dts);
}

/** What the script prints, as JSON, in a Node of its own. */
async function run(script: string): Promise<unknown> {
  writeFileSync(join(folder, "main.mjs"), script);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "main.mjs")]);
  return JSON.parse(stdout);
}

const metadata = metadataOf({ name: "doubling", inputs: doubling.inputs, outputs: doubling.outputs });

describe("the generated module", () => {
  test("loads the .wasm beside it, and knows its inputs and outputs", async () => {
    writeFileSync(join(folder, "plain.wasm"), doublingModule());
    writeLoader(metadata, "plain");
    const result = await run(`
      import { load, metadata } from "./plain.mjs";
      const model = await load();
      const { y } = await model.run({ x: Float32Array.of(1, 2, 3, 4) });
      console.log(JSON.stringify({ metadata, y: [...y.data], dims: y.dims }));`);
    expect(result).toEqual({
      metadata: {
        name: "doubling",
        inputs: [{ name: "x", type: "float32", dims: [2, 2] }],
        outputs: [{ name: "y", type: "float32", dims: [2, 2] }],
      },
      y: [2, 4, 6, 8],
      dims: [2, 2],
    });
  });

  test("takes another source, and passes options on", async () => {
    writeLoader(metadata, "absent");
    writeFileSync(join(folder, "elsewhere.wasm"), doublingModule());
    const result = await run(`
      import { readFileSync } from "node:fs";
      import { load } from "./absent.mjs";
      const bytes = readFileSync(new URL("elsewhere.wasm", import.meta.url));
      const x = Float32Array.of(1, 2, 3, 4);
      const results = [];
      for (const source of [bytes, await WebAssembly.compile(bytes)]) {
        results.push([...(await load({ source })).runSync({ x }).y.data]);
      }
      results.push(await load({ source: bytes, signal: AbortSignal.abort("no") }).catch((reason) => reason));
      results.push(await load().catch(({ code, message }) => code + " " + message.replace(/(read ).*?(absent)/, "$1$2")));
      console.log(JSON.stringify(results));`);
    expect(result).toEqual([
      [2, 4, 6, 8],
      [2, 4, 6, 8],
      "no",
      expect.stringMatching(/^E_LOAD cannot read absent\.wasm: ENOENT/),
    ]);
  });

  test("finds split weights by a URL of their own, whatever the source", async () => {
    const weights = { address: 8, byteLength: 4, embedded: false, sha256: "" };
    const outputs = [binding("y", "int32", [], 0)];
    const wasm = kilnModule(
      `(module (memory (export "memory") 1 1)
        (func (export "run") (i32.store (i32.const 0) (i32.load (i32.const 8)))))`,
      { weights, outputs },
    );
    const name = "split model #1"; // characters that mean something in a URL
    writeFileSync(join(folder, `${name}.wasm`), wasm);
    writeFileSync(join(folder, `${name}.weights`), Uint8Array.of(57, 48, 0, 0));
    writeLoader(metadataOf({ weights, outputs }), name);
    const result = await run(`
      import { readFileSync } from "node:fs";
      import { load } from "./split%20model%20%231.mjs";
      const source = readFileSync(new URL("split%20model%20%231.wasm", import.meta.url));
      const weights = Uint8Array.of(7, 0, 0, 0);
      const models = [await load(), await load({ source }), await load({ weights })];
      console.log(JSON.stringify(models.map((model) => model.runSync({}).y.data[0])));`);
    expect(result).toEqual([12345, 12345, 7]);
  });

  test("has one literal URL for each file, and nothing dynamic", () => {
    const { js } = generateLoader(metadata, "mnist.wasm");
    expect(js.match(/new URL\(.*?\)/g)).toEqual(['new URL("./mnist.wasm", import.meta.url)']);
    expect(js).not.toMatch(/import\(|eval|Function|^await/m);
    expect(generateLoader(metadata, "mnist")).toEqual(generateLoader(metadata, "mnist.wasm"));
    const split = generateLoader(
      metadataOf({ weights: { address: 0, byteLength: 4, embedded: false, sha256: "" } }),
      "mnist.wasm",
    );
    expect(split.js.match(/new URL\(.*?\)/g)).toEqual([
      'new URL("./mnist.wasm", import.meta.url)',
      'new URL("./mnist.weights", import.meta.url)',
    ]);
  });

  test("is not broken by hostile names", async () => {
    const hostile =
      '*/ console.log("injected") /*\n\u2028console.log("injected")//`$' + '{process.exit(1)}"\\';
    const fields = {
      name: hostile,
      producer: "kiln\nconsole.log(1)",
      inputs: [binding(hostile, "int8", [1], 0), binding("__proto__", "int8", [1], 1)],
    };
    writeFileSync(join(folder, "hostile.wasm"), kilnModule(doubling.wat, fields));
    writeLoader(metadataOf(fields), "hostile");
    const result = await run(`
      import { load, metadata } from "./hostile.mjs";
      const model = await load();
      console.log(JSON.stringify([metadata, model.inputs.map(({ name }) => name)]));`);
    const names = [hostile, "__proto__"];
    expect(result).toMatchObject([{ name: hostile, inputs: names.map((name) => ({ name })) }, names]);
    expect(typeErrors([join(folder, "hostile.d.mts")])).toBe("");
  });
});

describe("the generated declarations", () => {
  test("check feeds and give results their types", () => {
    const typed = metadataOf({
      name: "typed",
      inputs: [
        binding("image", "uint8", [1, 2, 2, 3], 0),
        binding("token ids", "int64", [1, 4], 64),
        binding("scale", "float32", [], 128),
        binding("half", "float16", [2], 144),
        binding("mask", "bool", [2], 160),
      ],
      outputs: [binding("scores", "float32", [1, 10], 256), binding("best", "int64", [], 512)],
    });
    writeLoader(typed, "typed");
    writeFileSync(
      join(folder, "consumer.ts"),
      `
import { load, metadata } from "./typed.mjs";
import { Tensor, type Model } from "onnx-kiln/runtime";

const model = await load({ weights: "x.weights", source: new Uint8Array(8), signal: AbortSignal.timeout(5) });
const feeds = {
  image: new Uint8ClampedArray(12),
  "token ids": new Tensor("int64", [1, 2, 3, 4], [1, 4]),
  scale: { type: "float32", data: Float32Array.of(1), dims: [] },
  half: new Uint16Array(2),
  mask: Uint8Array.of(0, 1),
} as const;
const { scores, best } = await model.run(feeds);
const data: Float32Array = scores.data;
const dims: readonly [1, 10] = scores.dims;
const type: "float32" = scores.type;
const index: bigint | undefined = model.runSync(feeds).best.data[0];
const name: "token ids" = metadata.inputs[1].name;
const width: 3 = metadata.inputs[0].dims[3];

// @ts-expect-error: a missing input
await model.run({ image: feeds.image });
// @ts-expect-error: an unknown input
await model.run({ ...feeds, other: feeds.scale });
// @ts-expect-error: another array
await model.run({ ...feeds, scale: Float64Array.of(1) });
// @ts-expect-error: another type
await model.run({ ...feeds, "token ids": new Tensor("int32", [1, 2, 3, 4], [1, 4]) });
// @ts-expect-error: another shape
await model.run({ ...feeds, "token ids": new Tensor("int64", [1, 2, 3, 4], [2, 2]) });
// @ts-expect-error: clamped bytes are for uint8 alone
await model.run({ ...feeds, mask: new Uint8ClampedArray(2) });
// @ts-expect-error: an unknown output
scores.unknown;
// @ts-expect-error: another type of elements
const wrong: number = best.data[0]!;

// Without a generated loader, names and shapes are checked at run time only.
declare const untyped: Model;
const results = await untyped.run({ x: new Tensor("float32", [1], [1]), y: new Int8Array(1) });
const kind: string | undefined = results.z?.type;
{
  using scoped = await load();
  scoped.dispose();
}
export { data, dims, type, index, name, width, wrong, kind };
`,
    );
    expect(typeErrors([join(folder, "consumer.ts")])).toBe("");
  });
});
