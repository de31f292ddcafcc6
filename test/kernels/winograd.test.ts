/** Winograd's filtering, against onnxruntime-web at every level, and where it is chosen. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { CompileOptions, CompileReport } from "../../compiler/options.js";
import { expectLevels } from "../harness.js";
import { randomTensor, sweep } from "../harness-random.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";

interface Geometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly extent: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly number[];
  /** What is made of the result. */
  readonly after: "nothing" | "relu" | "hard-swish" | "residual";
  /** Batch, rows and columns are known only at run time. */
  readonly open?: boolean;
  readonly threads?: boolean;
}

/**
 * The transforms of F(4 x 4, 3 x 3) have factors of up to 8, so rounding counts for more than in the direct way: over 40
 * geometries as these the convolution's largest error was 8.7e-5, that of the direct way 1.4e-5.
 */
const tolerance = { absolute: 1.2e-4, relative: 2e-5 };

const epilogues: Record<Geometry["after"], ModelSpec["nodes"]> = {
  nothing: [{ op: "Identity", inputs: ["c"], outputs: ["y"] }],
  relu: [{ op: "Relu", inputs: ["c"], outputs: ["y"] }],
  "hard-swish": [
    { op: "HardSwish", inputs: ["c"], outputs: ["s"] },
    { op: "Add", inputs: ["s", "c"], outputs: ["y"] },
  ],
  residual: [
    { op: "Add", inputs: ["c", "r"], outputs: ["s"] },
    { op: "Relu", inputs: ["s"], outputs: ["y"] },
  ],
};

function modelOf(g: Geometry): { model: ModelSpec; feeds: Record<string, ReturnType<typeof randomTensor>> } {
  const out = g.extent.map((extent, i) => extent + g.pads[i]! + g.pads[i + 2]! - 2);
  const x = randomTensor(1, [g.batch, g.inChannels, ...g.extent]);
  const r = randomTensor(4, [g.batch, g.outChannels, ...out]);
  const fed = { x, ...(g.after === "residual" && { r }) };
  const shapeOf = (name: string, dims: readonly number[]): (number | string)[] =>
    g.open ? [`${name}_n`, dims[1]!, `${name}_h`, `${name}_w`] : [...dims];
  const model: ModelSpec = {
    inputs: Object.fromEntries(
      Object.entries(fed).map(([name, { dims }]) => [name, ["float32", shapeOf(name, dims)]]),
    ),
    outputs: { y: ["float32"] },
    initializers: {
      w: randomTensor(2, [g.outChannels, g.inChannels, 3, 3]),
      b: randomTensor(3, [g.outChannels]),
    },
    nodes: [
      { op: "Conv", inputs: ["x", "w", "b"], outputs: ["c"], attributes: { pads: g.pads } },
      ...epilogues[g.after],
    ],
  };
  return { model, feeds: fed };
}

async function check(g: Geometry): Promise<void> {
  const { model, feeds } = modelOf(g);
  const options = { features: { threads: g.threads === true } };
  await expectLevels(model, feeds, { levels: ["loops-O3", "wasm"], tolerance, compile: options });
}

async function reportOf(g: Geometry, options: { strict?: boolean } = {}): Promise<CompileReport> {
  const features = { threads: g.threads === true };
  return (await compile(buildModel(modelOf(g).model), { ...options, features })).report;
}

/** Names of the kernels of the compiled model. */
async function kernelsOf(g: Geometry, options: { strict?: boolean } = {}): Promise<string[]> {
  return (await reportOf(g, options)).kernels.map(({ name }) => name);
}

const usual: Geometry = {
  batch: 1,
  inChannels: 32,
  outChannels: 32,
  extent: [28, 28],
  pads: [1, 1, 1, 1],
  after: "nothing",
};

describe("results", () => {
  test("random geometries", () => {
    const pad = fc.integer({ min: 0, max: 2 });
    const geometry: fc.Arbitrary<Geometry> = fc.record({
      batch: fc.constantFrom(1, 1, 2),
      inChannels: fc.constantFrom(16, 20, 32),
      outChannels: fc.constantFrom(16, 24, 28),
      extent: fc.tuple(fc.integer({ min: 3, max: 17 }), fc.integer({ min: 3, max: 17 })),
      pads: fc.tuple(pad, pad, pad, pad),
      after: fc.constantFrom<Geometry["after"]>("nothing", "relu", "hard-swish", "residual"),
      open: fc.boolean(),
      threads: fc.boolean(),
    });
    return fc.assert(fc.asyncProperty(geometry, check), sweep(10));
  });

  test("rows of tiles longer than a block", () => check({ ...usual, inChannels: 16, extent: [9, 130] }));
  test("blocks of tiles of several rows, where the run alone knows how many there are", async () => {
    const open = { ...usual, inChannels: 16, open: true };
    await check({ ...open, extent: [9, 130] });
    await check({ ...open, batch: 2, extent: [3, 3], pads: [0, 0, 0, 0] });
    expect(await kernelsOf(open)).toContainEqual(expect.stringMatching(/^conv_winograd_4x4/));
  });
  test("F(2 x 2, 3 x 3), where F(4 x 4, 3 x 3) would take much more memory", () =>
    check({ ...usual, inChannels: 192, outChannels: 192, extent: [10, 11] }));
});

describe("with threads all of them take part", () => {
  test.each<[string, Partial<Geometry>]>([
    ["by channels and frequencies where there are few blocks of tiles", {}],
    ["by blocks of tiles, the last columns being fewer", { extent: [55, 55], inChannels: 16 }],
    [
      "where the last columns of wide rows are fewer",
      { extent: [24, 131], inChannels: 16, pads: [0, 0, 1, 0] },
    ],
    ["and what follows goes through memory", { inChannels: 16, outChannels: 64, after: "hard-swish" }],
  ])("%s", async (_, changes) => {
    const geometry = { ...usual, ...changes, threads: true };
    await check(geometry);
    const { kernels } = await reportOf(geometry);
    // The weights of these few channels are transformed faster than a worker would be woken.
    const large = kernels.filter(({ name }) => /^conv_winograd/.test(name));
    expect(large.length).toBeGreaterThan(0);
    expect(large.filter(({ isShared }) => !isShared)).toEqual([]);
  });
});

describe("the first run transforms the weights", () => {
  /** Convolutions of 16 to 48 to 20 to 16 channels, in an order in which their weights meet in memory. */
  const widths = [16, 48, 20, 16];
  const chain: ModelSpec = {
    inputs: { t0: ["float32", [1, 16, 13, 14]] },
    outputs: { t3: ["float32"] },
    initializers: Object.fromEntries(
      widths.slice(1).map((width, i) => [`w${i}`, randomTensor(i, [width, widths[i]!, 3, 3])]),
    ),
    nodes: widths.slice(1).map((_, i) => ({
      op: "Conv",
      inputs: [`t${i}`, `w${i}`],
      outputs: [`t${i + 1}`],
      attributes: { pads: [1, 1, 1, 1] },
    })),
  };
  const feeds = { t0: randomTensor(9, [1, 16, 13, 14]) };
  // Sums of hundreds of products, three times over: results are of several hundred.
  const loose = { absolute: 4e-3, relative: 1e-5 };

  test.each<[string, CompileOptions]>([
    ["in the module", {}],
    ["in a file of their own", { weights: "split" }],
    ["on several threads", { features: { threads: true } }],
  ])("%s", async (_, options) => {
    await expectLevels(chain, feeds, { levels: ["loops-O3", "wasm"], tolerance: loose, compile: options });
  });

  test("and many weights are shared out", async () => {
    const wide = { ...usual, inChannels: 64, outChannels: 128, threads: true };
    const kernels = (await reportOf(wide)).kernels.filter(({ name }) => /^winograd_4x4_weights/.test(name));
    expect(kernels.map(({ isShared }) => isShared)).toEqual([true]);
  });

  test("the module has the model's own", async () => {
    const model = buildModel(chain);
    const { wasm, metadata, report } = await compile(model);
    expect(report.kernels.filter(({ name }) => /winograd_4x4_weights/.test(name))).not.toEqual([]);
    const own = 4 * 9 * (16 * 48 + 48 * 20 + 20 * 16);
    // Of 20 columns four are alone in their panel.
    expect(metadata.weights.byteLength).toBeLessThan(1.01 * own);
    expect(wasm.length).toBeLessThan(1.01 * own + report.codeBytes);
    // What they become takes its own memory, and that of the first of them.
    const transformed = 4 * own;
    const memory = metadata.arena.address - metadata.weights.address;
    expect(memory).toBeGreaterThanOrEqual(transformed);
    expect(memory).toBeLessThan(1.02 * transformed + 4 * 9 * 16 * 48);
  });
});

describe("choice", () => {
  test("by the size of the transformed weights", async () => {
    expect(await kernelsOf(usual)).toContainEqual(expect.stringMatching(/^conv_winograd_4x4/));
    const kernels = (channels: number, side: number) =>
      kernelsOf({ ...usual, inChannels: channels, outChannels: channels, extent: [side, side] });
    expect(await kernels(256, 14)).toContainEqual(expect.stringMatching(/^conv_winograd_2x2/));
    // What pays for much more memory.
    expect(await kernels(192, 28)).toContainEqual(expect.stringMatching(/^conv_winograd_4x4/));
    expect(await kernels(512, 7)).toContainEqual(expect.stringMatching(/^conv_3x3/));
  });

  test("not for few channels, nor where strict", async () => {
    const winograd = expect.stringMatching(/winograd/);
    expect(await kernelsOf({ ...usual, inChannels: 8 })).not.toContainEqual(winograd);
    expect(await kernelsOf(usual, { strict: true })).not.toContainEqual(winograd);
  });
});
