/** The cache of compiled models, which sessions in Node and the Vite plugin share. */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type CacheableOptions, compileCached } from "../../compiler/cache.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { env, InferenceSession } from "../../compiler/ort/index.js";
import { dense, denseWithFile, unknown } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";

let folder: string;
let compilations: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kiln-cache-"));
  compilations = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = buildModel(dense);
const noData = (): never => {
  throw new Error("there is no external data");
};

function cached(options: CacheableOptions = {}, model = { bytes, externalData: noData as () => Uint8Array }) {
  const onCompile = (): void => void compilations++;
  return compileCached(model, { name: "m", ...options }, { folder: join(folder, "cache"), onCompile });
}

describe("an entry", () => {
  test("is made once, and lies whole under its name", async () => {
    const entry = await cached();
    expect(await cached()).toEqual(entry);
    expect(compilations).toBe(1);
    expect(WebAssembly.validate(readFileSync(entry.module))).toBe(true);
    const [home, ...others] = readdirSync(join(folder, "cache"));
    expect(others).toEqual([]);
    expect(readdirSync(join(folder, "cache", home!)).sort()).toEqual([
      "m.d.mts",
      "m.mjs",
      "m.wasm",
      "sizes.json",
    ]);
  });

  test.each([
    ["cut short", (module: string) => writeFileSync(module, readFileSync(module).subarray(0, 100))],
    ["gone", (module: string) => rmSync(module)],
  ])("is made again where its module is %s", async (_, damage) => {
    const { module } = await cached();
    const whole = readFileSync(module);
    damage(module);
    expect(await cached()).toMatchObject({ module });
    expect(compilations).toBe(2);
    expect(Buffer.compare(readFileSync(module), whole)).toBe(0);
  });

  test("is made once for all who ask for it meanwhile", async () => {
    const [first, second] = await Promise.all([cached(), cached()]);
    expect(first).toEqual(second);
    expect(compilations).toBe(1);
  });

  test("belongs to its options, name and model", async () => {
    const other = buildModel({ ...dense, name: "other" });
    const entries = [
      await cached(),
      await cached({ optimize: 0 }),
      await cached({ name: "n" }),
      await cached({}, { bytes: other, externalData: noData }),
    ];
    expect(new Set(entries.map(({ module }) => module)).size).toBe(4);
    expect(compilations).toBe(4);
  });

  test("is not left in parts by a model that cannot be compiled", async () => {
    const refused = { bytes: buildModel(unknown), externalData: noData };
    await expect(cached({}, refused)).rejects.toThrow(/Frobnicate/);
    await expect(cached({}, refused)).rejects.toThrow(/Frobnicate/);
    expect(compilations).toBe(2);
    await cached();
    expect(readdirSync(join(folder, "cache"))).toHaveLength(1);
  });

  test("that was not used for a month is removed when another is made, and nothing else is", async () => {
    await cached();
    await cached({ optimize: 0 });
    const cache = join(folder, "cache");
    const others = ["mine", `${"0".repeat(32)}.txt`];
    const halfWritten = `${"0".repeat(32)}.0123456789ab.tmp`;
    for (const name of [...others, halfWritten]) mkdirSync(join(cache, name));
    const old = new Date(Date.now() - 31 * 24 * 60 * 60 * 1000);
    for (const name of readdirSync(cache)) utimesSync(join(cache, name), old, old);
    const used = await cached();
    const made = await cached({ optimize: 1 });
    const left = [used, made].map(({ module }) => basename(dirname(module)));
    expect(readdirSync(cache).sort()).toEqual([...left, ...others].sort());
  });

  test("belongs to the external data of its model", async () => {
    const external = buildModel(denseWithFile("w"));
    const withData = (values: number[]) =>
      cached(
        {},
        {
          bytes: external,
          externalData: () =>
            new Uint8Array((tensorOf("float32", [2, 2], values).data as Float32Array).slice().buffer),
        },
      );
    const [one, same, other] = await Promise.all([
      withData([1, -1, 3, -1]),
      withData([1, -1, 3, -1]),
      withData([1, 1, 1, 1]),
    ]);
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
    expect(compilations).toBe(2);
    expect(await withData([1, -1, 3, -1])).toEqual(one);
    expect(await withData([1, 1, 1, 1])).toEqual(other);
    expect(compilations).toBe(2);
  });
});

describe("sessions", () => {
  const entries = (name: string) => readdirSync(join(folder, name));
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    delete env.kiln.cacheFolder;
  });

  test("keep what they compile where KILN_CACHE or env.kiln.cacheFolder says", async () => {
    vi.stubEnv("KILN_CACHE", join(folder, "named"));
    await InferenceSession.create(bytes);
    expect(entries("named")).toHaveLength(1);
    env.kiln.cacheFolder = join(folder, "set");
    await InferenceSession.create(bytes);
    expect(entries("set")).toHaveLength(1);
  });

  test("keep it in the system's folder by default", async () => {
    vi.stubEnv("XDG_CACHE_HOME", folder);
    await InferenceSession.create(bytes);
    if (process.platform === "linux") expect(entries("onnx-kiln")).toHaveLength(1);
  });

  test("keep nothing where that is asked for", async () => {
    vi.stubEnv("KILN_CACHE", join(folder, "named"));
    env.kiln.cacheFolder = false;
    expect((await InferenceSession.create(bytes)).inputNames).toEqual(["x"]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("say once that a folder cannot be written, and do without", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.stubEnv("KILN_CACHE", "/proc/nowhere");
    expect((await InferenceSession.create(bytes)).inputNames).toEqual(["x"]);
    expect((await InferenceSession.create(bytes)).inputNames).toEqual(["x"]);
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("KILN_CACHE names another folder"));
  });

  test("run what they compiled where it cannot be written", async () => {
    // That it is not kept is said once in a process, so perhaps not here.
    vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.stubEnv("KILN_CACHE", folder);
    await InferenceSession.create(bytes);
    const [name] = readdirSync(folder);
    rmSync(join(folder, name!), { recursive: true });
    // In the place of a full disk, which a test cannot have.
    writeFileSync(join(folder, name!), "");
    expect((await InferenceSession.create(bytes)).inputNames).toEqual(["x"]);
  });

  test("tell what is compiled where the level of the log asks for it", async () => {
    const info = vi.spyOn(console, "info").mockImplementation(() => {});
    vi.stubEnv("KILN_CACHE", folder);
    env.logLevel = "info";
    await InferenceSession.create(bytes);
    await InferenceSession.create(bytes);
    env.logLevel = "warning";
    expect(info.mock.calls.flat()).toEqual([
      "onnx-kiln: compiling model",
      expect.stringMatching(/^onnx-kiln: compiled model in /),
    ]);
  });
});
