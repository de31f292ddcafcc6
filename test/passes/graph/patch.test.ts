/** Patches compute the same bits as the whole, in less memory; where they cannot, the error says what is in the way. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile, KilnError } from "../../../compiler/index.js";
import type { Graph } from "../../../compiler/ir/graph.js";
import { elementCount, elementsOfBytes, tensor, tensorBytes } from "../../../compiler/ir/tensor.js";
import { verifyGraph } from "../../../compiler/ir/verify.js";
import { runProgram } from "../../../compiler/loop/interpret.js";
import { Pipeline } from "../../../compiler/stages.js";
import { LocalNode } from "../../../passes/graph/patch/local-node.js";
import { patchedNodes } from "../../../passes/graph/patch/rewrite.js";
import { Segment } from "../../../passes/graph/patch/segment.js";
import { tilingOf } from "../../../passes/graph/patch/tiling.js";
import { expectTensors, runCompiled, runOnnxruntime, type Tensors } from "../../harness.js";
import { sweep } from "../../harness-random.js";
import { Net } from "./patch-nets.js";

const pads = (n: number): { pads: number[] } => ({ pads: [n, n, n, n] });

/** Expects the module within the limit to compute what the one without computes, bit by bit. */
async function expectSame(net: Net, output: string, share: number): Promise<void> {
  const model = net.model(output);
  // The whole alone is large enough for Winograd's algorithm, which rounds differently.
  const strict = true;
  const whole = await compile(model, { strict });
  const arenaBytes = Math.floor(whole.report.arenaBytes * share);
  const { report } = await compile(model, { arenaBytes, strict });
  expect(report.arenaBytes).toBeLessThanOrEqual(arenaBytes);
  expect(report.patches).toMatchObject({ arenaBytesBefore: whole.report.arenaBytes });
  const patched = await runCompiled(model, net.feeds(), { arenaBytes, strict });
  expectTensors(patched, await runCompiled(model, net.feeds(), { strict }), {}, "the module without patches");
  const reference = await runOnnxruntime(model, net.feeds());
  expectTensors(patched, reference, { absolute: 1e-4, relative: 1e-4 }, "onnxruntime");
}

describe("within a limit", () => {
  test("inverted residuals: strides, depthwise, an operand that skips", async () => {
    const net = new Net([1, 3, 33, 29]);
    let x = net.layer("Relu", [net.conv("x", 8, [3, 3], { strides: [2, 2], ...pads(1) })]);
    const wide = net.layer("Relu", [net.conv(x, 48, [1, 1])]);
    const deep = net.layer("Relu", [net.conv(wide, 48, [3, 3], { group: 48, ...pads(1) })]);
    x = net.layer("Add", [x, net.conv(deep, 8, [1, 1])]);
    x = net.conv(net.layer("Relu", [net.conv(x, 48, [1, 1])]), 8, [3, 3], { strides: [2, 2], ...pads(1) });
    // The second wide value stays whole, with a border for its dense convolution: two thirds of the arena.
    await expectSame(net, net.layer("GlobalAveragePool", [x]), 0.67);
  });

  test("SAME padding on odd extents, dilations, groups, pools", async () => {
    const net = new Net([1, 4, 21, 23]);
    let x = net.conv("x", 24, [3, 3], { auto_pad: "SAME_UPPER", strides: [2, 2] });
    x = net.conv(net.layer("Tanh", [x]), 24, [3, 3], { dilations: [2, 2], ...pads(2), group: 2 });
    x = net.layer("MaxPool", [x], 24, { kernel_shape: [3, 3], strides: [1, 1], ...pads(1) });
    x = net.layer("AveragePool", [x], 24, { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 });
    await expectSame(net, net.conv(x, 2, [1, 1]), 0.75);
  });

  test("concatenated channels, written in place in every patch", async () => {
    const net = new Net([2, 4, 24, 20]);
    const squeezed = net.layer("Relu", [net.conv("x", 4, [1, 1])]);
    const left = net.layer("Relu", [net.conv(squeezed, 16, [1, 1])]);
    const right = net.layer("Relu", [net.conv(squeezed, 16, [3, 3], pads(1))]);
    const both = net.layer("Concat", [left, right], 32, { axis: 1 });
    await expectSame(net, net.layer("MaxPool", [both], 32, { kernel_shape: [3, 3], strides: [4, 4] }), 0.6);
  });

  test("one spatial dim", async () => {
    const net = new Net([1, 2, 200]);
    const wide = net.layer("Relu", [net.conv("x", 32, [5], { pads: [2, 2] })]);
    await expectSame(net, net.conv(wide, 2, [3], { strides: [2] }), 0.5);
  });
});

describe("without a limit", () => {
  /** A stage of 1.6 MB between others of 0.4 MB, with channels in the middle. */
  const build = (size: number, kernel: [number, number]) => {
    const net = new Net([1, 16, size, size]);
    const wide = net.layer("Relu", [net.conv("x", 96, [1, 1])]);
    const deep = net.layer("Relu", [
      net.conv(wide, 96, kernel, { group: kernel[0] > 3 ? 1 : 96, ...pads((kernel[0] - 1) / 2) }),
    ]);
    return { net, model: net.model(net.conv(deep, 16, [1, 1], { strides: [2, 2] })) };
  };

  test("stages are computed in patches, with the same bits", async () => {
    const { net, model } = build(80, [3, 3]);
    const whole = await compile(model, { patches: false });
    expect(whole.report.patches).toBeUndefined();
    const { report } = await compile(model);
    expect(report.arenaBytes).toBeLessThan(0.6 * whole.report.arenaBytes);
    expect(report.patches).toMatchObject({ arenaBytesBefore: whole.report.arenaBytes });
    expect(report.patches!.repeatedShare).toBeLessThan(0.02);
    const results = await runCompiled(model, net.feeds());
    expectTensors(results, await runCompiled(model, net.feeds(), { patches: false }), {}, "the whole");
    const tolerance = { absolute: 1e-4, relative: 1e-4 };
    expectTensors(results, await runOnnxruntime(model, net.feeds()), tolerance, "onnxruntime");
  });

  test("a listener hears of the decisions for patches, not of those for the whole", async () => {
    const keys: string[] = [];
    const onChoice = ({ key }: { key: string }) => {
      keys.push(key);
      return undefined;
    };
    const { model } = build(80, [3, 3]);
    await compile(model, { onChoice, patches: false });
    const [first] = keys.splice(0);
    await compile(model, { onChoice });
    expect(keys.length).toBeGreaterThan(0);
    expect(keys).not.toContain(first);
  });

  test("in a network so deep that the search is given up: none", async () => {
    const deep = async (layers: number) => {
      const net = new Net([1, 8, 128, 128]);
      let x = "x";
      for (let i = 0; i < layers; i++) {
        const wide = net.layer("Relu", [net.conv(x, 64, [1, 1])]);
        x = net.conv(wide, 8, [1, 1]);
      }
      return (await compile(net.model(x))).report.patches;
    };
    expect(await deep(4)).toBeDefined();
    expect(await deep(100)).toBeUndefined();
  });

  test("a small arena: none, whatever it would cost", async () => {
    const build = (size: number) => {
      const net = new Net([1, 16, size, size]);
      const wide = net.layer("Relu", [net.conv("x", 256, [1, 1])]);
      const deep = net.layer("Relu", [net.conv(wide, 256, [1, 1])]);
      return net.model(net.conv(deep, 16, [1, 1]));
    };
    expect((await compile(build(17))).report.patches).toBeDefined();
    expect((await compile(build(15))).report.patches).toBeUndefined();
  });

  test.each([
    ["dense windows", 80, [5, 5], {}],
    ["threads", 80, [3, 3], { features: { threads: true } }],
    ["small code", 80, [3, 3], { optimize: "s" }],
    ["no optimisation", 80, [3, 3], { optimize: 0 }],
  ] as const)("%s: none", async (_, size, kernel, options) => {
    const { report } = await compile(build(size, [...kernel]).model, options);
    expect(report.patches).toBeUndefined();
  });
});

describe("what cannot be", () => {
  const net = new Net([1, 16, 16, 16]);
  const model = net.model(net.conv("x", 16, [3, 3], pads(1)));

  test("names the tensors that stand in the way, their bytes and the way round", async () => {
    const error: Error = await compile(model, { arenaBytes: 30_000 }).catch((e) => e);
    expect(error).toMatchObject({ code: "E_LIMIT" });
    const there = 'the limit is 30000: at once there must be "x" (16384 bytes), "conv2" (16384 bytes)';
    expect(error.message).toContain(there);
    const [, needed] = /hint: allow (\d+) bytes/.exec(error.message)!;
    const { report } = await compile(model, { arenaBytes: Number(needed) });
    expect(report.arenaBytes).toBe(Number(needed));
  });

  test("open dims have no limit", async () => {
    const open = new Net([1, 4, 8, 8]);
    const bytes = open.model(open.conv("x", 4, [3, 3], pads(1)));
    const options = { arenaBytes: 1 << 20, inputShapes: { x: [1, 4, -1, 8] } };
    await expect(compile(bytes, options)).rejects.toMatchObject({ code: "E_INPUT" });
  });

  test("without need nothing is done", async () => {
    const { report } = await compile(model, { arenaBytes: 1 << 20 });
    expect(report.patches).toBeUndefined();
  });
});

// ---------------------------------------------------------------------------------------------- any tiling

interface Layer {
  readonly kind: "conv" | "depthwise" | "pool" | "skip" | "relu" | "concat";
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilation: number;
  readonly padding: "same" | "valid" | "given";
}

const pair = (low: number, high: number) =>
  fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }));

const layers = fc.array(
  fc.record<Layer>({
    kind: fc.constantFrom("conv", "conv", "depthwise", "pool", "skip", "relu", "concat"),
    kernel: pair(1, 3),
    strides: pair(1, 2),
    dilation: fc.integer({ min: 1, max: 2 }),
    padding: fc.constantFrom("same", "valid", "given"),
  }),
  { minLength: 2, maxLength: 5 },
);

function add(net: Net, x: string, { kind, kernel, strides, dilation, padding }: Layer): string {
  const window = {
    strides: [...strides],
    ...(padding === "given" && { pads: [...kernel.map((k) => k - 1), ...kernel.map((k) => k >> 1)] }),
    ...(padding === "same" ? { auto_pad: "SAME_LOWER" } : { dilations: [dilation, dilation] }),
  };
  switch (kind) {
    case "conv":
      return net.conv(x, 4, kernel, window);
    case "depthwise":
      return net.conv(x, 4, kernel, { ...window, group: 4 });
    case "pool":
      return net.layer("AveragePool", [x], 4, {
        kernel_shape: [...kernel],
        strides: [...strides],
        ...(padding === "same"
          ? { auto_pad: "SAME_LOWER" }
          : padding === "given"
            ? { pads: [0, 0, ...kernel.map((k) => k - 1)] }
            : {}),
        count_include_pad: dilation - 1,
      });
    case "skip":
      return net.layer("Add", [x, net.conv(x, 4, [3, 3], pads(1))]);
    case "relu":
      return net.layer("Relu", [x]);
    case "concat": {
      const left = net.conv(x, 3, [1, 3], { pads: [0, 1, 0, 1] });
      return net.conv(net.layer("Concat", [left, net.layer("Relu", [x])], 7, { axis: 1 }), 4, [1, 1]);
    }
  }
}

test("any chain in patches of any size computes the same bits", async () => {
  const cases = fc.record({
    chain: layers,
    size: pair(9, 15),
    batch: fc.constantFrom(1, 1, 2),
    height: fc.integer({ min: 1, max: 8 }),
    width: fc.integer({ min: 2, max: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ chain, size, batch, height, width }) => {
      const net = new Net([batch, 4, ...size]);
      const last = chain.reduce((x, layer) => add(net, x, layer), net.conv("x", 4, [1, 1]));
      const model = net.model(last);
      // Chains may get smaller than their next window.
      const whole = await runTiled(model, net.feeds(), null).catch((e: KilnError) => e);
      fc.pre(!(whole instanceof KilnError && whole.code === "E_SHAPE"));
      if (whole instanceof Error) throw whole;
      const patched = await runTiled(model, net.feeds(), (graph) => {
        const segment = Segment.of(graph.nodes.map((node) => LocalNode.of(node)!));
        graph.nodes = patchedNodes(tilingOf(segment!, height, width));
        verifyGraph(graph);
      });
      expectTensors(patched, whole, {}, "the whole");
    }),
    sweep(8),
  );
});

async function runTiled(
  model: Uint8Array,
  feeds: Tensors,
  change: ((graph: Graph) => void) | null,
): Promise<Tensors> {
  const pipeline = new Pipeline({ verify: true, strict: true });
  const graph = pipeline.runGraphPasses(await pipeline.importGraph(model));
  change?.(graph);
  const program = pipeline.runLoopPasses(pipeline.lower(graph));
  const inputs = new Map(program.inputs.map(({ name }) => [name, tensorBytes(feeds[name]!)]));
  const results = runProgram(program, inputs);
  return Object.fromEntries(
    graph.outputs.map(({ name, dtype }, i) => {
      const { bytes, dims } = results[i]!;
      return [name, tensor(dtype, dims, elementsOfBytes(dtype, elementCount(dims), bytes))];
    }),
  );
}
