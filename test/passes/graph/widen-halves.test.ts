/** Halves that are computed as float32: where the conversions stand, and results against onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { compile } from "../../../compiler/index.js";
import { printGraph } from "../../../compiler/ir/print.js";
import { type TensorData, tensor } from "../../../compiler/ir/tensor.js";
import { decodeFloat16, encodeFloat16 } from "../../../compiler/loop/half.js";
import { decodeElements, encodeElements } from "../../../compiler/operators/numbers.js";
import { widenHalves } from "../../../passes/graph/widen-halves.js";
import { expectLevels, runCompiled, runOnnxruntime } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { buildModel, type ModelSpec } from "../../onnx/build-model.js";
import { expectUnchanged, transform } from "./text.js";

/** The nodes of the graph, without the lines around them. */
const linesOf = (text: string, strict = false): string[] =>
  printGraph(transform([widenHalves], text, { strict }))
    .split("\n")
    .slice(1, -2)
    .map((line) => line.trim());

const chain = `
      graph @g(%x: f16[2]) -> (%y: f16[2]) {
        %w: f16[2] = constant dense [15872, 16384]
        %a: f16[2] = Mul(%x, %w) from ["mul"]
        %b: f16[2] = Relu(%a)
        %y: f16[2] = Add(%b, %x) from ["add"]
        return %y
      }`;

test("conversions stand at inputs and outputs, not between nodes", () =>
  expect(linesOf(chain)).toEqual([
    '%x.float32.0: f32[2] = Cast(%x) {to=1} from ["mul"]',
    "%w.float32: f32[2] = constant dense [1.5, 2]",
    '%a: f32[2] = Mul(%x.float32.0, %w.float32) from ["mul"]',
    "%b: f32[2] = Relu(%a)",
    '%y.float16.0: f32[2] = Add(%b, %x.float32.0) from ["add"]',
    '%y: f16[2] = Cast(%y.float16.0) {to=10} from ["add"]',
  ]));

test("where rounding must not change they stay", () =>
  expect(linesOf(chain, true).slice(2)).toEqual([
    '%a: f32[2] = Mul(%x.float32.0, %w.float32) from ["mul"]',
    '%a.float16.0: f16[2] = Cast(%a) {to=10} from ["mul"]',
    "%a.float16.0.float32.0: f32[2] = Cast(%a.float16.0) {to=1}",
    "%b: f32[2] = Relu(%a.float16.0.float32.0)",
    "%b.float16.0: f16[2] = Cast(%b) {to=10}",
    '%b.float16.0.float32.0: f32[2] = Cast(%b.float16.0) {to=1} from ["add"]',
    '%y.float16.0: f32[2] = Add(%b.float16.0.float32.0, %x.float32.0) from ["add"]',
    '%y: f16[2] = Cast(%y.float16.0) {to=10} from ["add"]',
  ]));

test("what the model itself rounds stays rounded", () =>
  expect(
    linesOf(`
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %h: f16[2] = Cast(%x) {to = 10}
        %r: f16[2] = Relu(%h)
        %y: f32[2] = Cast(%r) {to = 1}
        return %y
      }`),
  ).toEqual([
    "%h: f16[2] = Cast(%x) {to=10}",
    "%h.float32.0: f32[2] = Cast(%h) {to=1}",
    "%r: f32[2] = Relu(%h.float32.0)",
    "%y: f32[2] = Cast(%r) {to=1}",
  ]));

test("a cache of halves is extended as one", () =>
  expect(
    linesOf(`
      graph @g(%past: f16[1, 4], %x: f16[1, 4]) -> (%y: f16[2, 4], %present: f16[2, 4]) {
        %new: f16[1, 4] = Relu(%x)
        %present: f16[2, 4] = Concat(%past, %new) {axis = 0}
        %y: f16[2, 4] = Neg(%present)
        return %y, %present
      }`),
  ).toEqual([
    "%x.float32.0: f32[1, 4] = Cast(%x) {to=1}",
    "%new: f32[1, 4] = Relu(%x.float32.0)",
    "%new.float16.0: f16[1, 4] = Cast(%new) {to=10}",
    "%present: f16[2, 4] = Concat(%past, %new.float16.0) {axis=0}",
    "%present.float32.0: f32[2, 4] = Cast(%present) {to=1}",
    "%y.float16.0: f32[2, 4] = Neg(%present.float32.0)",
    "%y: f16[2, 4] = Cast(%y.float16.0) {to=10}",
  ]));

test("what only moves halves is unchanged", () =>
  expectUnchanged(
    widenHalves,
    `
      graph @g(%x: f16[2, 3]) -> (%y: f16[3, 2]) {
        %y: f16[3, 2] = Transpose(%x) {perm=[1, 0]}
        return %y
      }`,
  ));

describe("results", () => {
  /** A residual block of halves, as converters write it: what is fed and fetched is float32. */
  const half = (seed: number, dims: number[]) =>
    encodeElements("float16", dims, decodeElements(randomTensor(seed, dims)));
  const conv = (x: string, w: string, y: string) => ({
    op: "Conv",
    inputs: [x, w],
    outputs: [y],
    attributes: { pads: [1, 1, 1, 1] },
  });
  const weights = { w: half(1, [16, 16, 3, 3]), v: half(2, [16, 16, 3, 3]) };
  const block: ModelSpec = {
    inputs: { x: ["float32", [1, 16, 9, 10]] },
    outputs: { y: ["float32"] },
    initializers: weights,
    nodes: [
      { op: "Cast", inputs: ["x"], outputs: ["h"], attributes: { to: 10 } },
      conv("h", "w", "c"),
      { op: "Relu", inputs: ["c"], outputs: ["r"] },
      conv("r", "v", "d"),
      { op: "Add", inputs: ["d", "h"], outputs: ["s"] },
      { op: "Cast", inputs: ["s"], outputs: ["y"], attributes: { to: 1 } },
    ],
  };
  const feeds = { x: randomTensor(3, [1, 16, 9, 10]) };
  const widened = (data: TensorData) => tensor("float32", data.dims, Float32Array.from(decodeElements(data)));

  const cast = (x: string, y: string, to: number) => ({
    op: "Cast",
    inputs: [x],
    outputs: [y],
    attributes: { to },
  });
  /** The same in float32, the picture and the weights being halves by value. */
  const inFloat32: ModelSpec = {
    ...block,
    initializers: { w: widened(weights.w), v: widened(weights.v) },
    nodes: [cast("x", "half", 10), cast("half", "h", 1), ...block.nodes.slice(1, -1), cast("s", "y", 1)],
  };

  test("are those of float32, but for the order of sums", async () => {
    const reference = await runOnnxruntime(buildModel(inFloat32), feeds);
    // They are of up to a thousand: onnxruntime-web's own of halves are off by one in a thousand.
    await expectLevels(block, feeds, {
      levels: ["wasm"],
      reference,
      tolerance: { absolute: 1e-3, relative: 1e-5 },
    });
  });

  test("are halves where rounding must not change", async () => {
    const tolerance = { absolute: 0.3, relative: 1e-3 }; // One or two in the last of eleven bits.
    await expectLevels(block, feeds, { levels: ["wasm"], tolerance, compile: { strict: true } });
    const areHalves = async (strict: boolean): Promise<boolean> => {
      const { y } = await runCompiled(buildModel(block), feeds, { strict });
      return Array.from(y!.data as Float32Array).every(
        (value) => decodeFloat16(encodeFloat16(value)) === value,
      );
    };
    expect(await areHalves(true)).toBe(true);
    expect(await areHalves(false)).toBe(false);
  });

  test("come from the kernels of float32", async () => {
    const { report } = await compile(buildModel(block));
    expect(report.kernels.map(({ name }) => name)).toContainEqual(expect.stringMatching(/^conv_winograd/));
  });
});
