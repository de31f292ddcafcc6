/**
 * A small decoder as onnxruntime's model builder exports language models: a table and weights of 4 bits, root mean
 * squares, grouped attention with rotation and a cache, all dims open. It is compiled once and then reads a prompt and
 * goes on from it, as onnxruntime-web does.
 */

import { expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { expectTensors, runOnnxruntime, type Tensors } from "../harness.js";
import { buildModel, type NodeSpec } from "../onnx/build-model.js";
import { ints, of } from "../operators/harness.js";
import { randomTensors } from "../operators/rival-compare.js";
import { loadArtifact, runModel } from "./compiled.js";

const { normal, uniform, whole } = randomTensors(23);
const [words, hidden, wide, heads, kept, size, most, block] = [40, 64, 96, 4, 2, 16, 32, 16];
const domain = "com.microsoft";

const initializers: Record<string, TensorData> = { zero: ints(0), one: ints(1), place: of("int64", [], [1]) };
const nodes: NodeSpec[] = [];

function node(op: string, inputs: string[], outputs: string[], attributes: NodeSpec["attributes"] = {}) {
  nodes.push({ op, inputs, outputs, attributes });
  return outputs[0]!;
}
const contrib = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: NodeSpec["attributes"] = {},
) => {
  nodes.push({ op, inputs, outputs, attributes, domain });
  return outputs[0]!;
};
const constant = (name: string, value: TensorData): string => {
  initializers[name] = value;
  return name;
};

/** A product with weights of 4 bits. */
function linear(name: string, x: string, K: number, N: number): string {
  const blocks = K / block;
  const weights = constant(`${name}.w`, whole("uint8", [N, blocks, block / 2], 0, 255));
  const scales = constant(`${name}.s`, uniform([N, blocks], 0.01, 0.03));
  const zeros = constant(`${name}.z`, whole("uint8", [N, blocks / 2], 0, 255));
  return contrib("MatMulNBits", [x, weights, scales, zeros], [name], { K, N, bits: 4, block_size: block });
}

function decoder(): Uint8Array {
  const table = constant("table.w", whole("uint8", [words, hidden / 2], 0, 255));
  const scales = constant("table.s", uniform([words, hidden / block], 0.1, 0.2));
  const x = contrib("GatherBlockQuantized", [table, "ids", scales], ["embedded"], {
    block_size: block,
    bits: 4,
  });
  const sums = node("ReduceSum", ["mask", "one"], ["sums"], { keepdims: 0 });
  const lengths = node("Cast", [node("Sub", [sums, "one"], ["less"])], ["lengths"], { to: 6 });
  const dims = node("Shape", ["mask"], ["dims"]);
  const total = node("Cast", [node("Gather", [dims, "place"], ["keys"])], ["total"], { to: 6 });
  const epsilon = { epsilon: { float: 1e-5 } };
  const gain = () => constant(`gain${nodes.length}`, uniform([hidden], 0.5, 1.5));
  const first = node("SimplifiedLayerNormalization", [x, gain()], ["norm"], { ...epsilon, axis: -1 });
  const packed = linear("qkv", first, hidden, (heads + 2 * kept) * size);
  const tables = ["cos", "sin"].map((name) => constant(name, uniform([most, size / 2], -1, 1)));
  const attended = contrib(
    "GroupQueryAttention",
    [packed, "", "", "past.key", "past.value", lengths, total, ...tables],
    ["attended", "present.key", "present.value"],
    { num_heads: heads, kv_num_heads: kept, do_rotary: 1 },
  );
  const projected = linear("projected", attended, heads * size, hidden);
  const skip = "SkipSimplifiedLayerNormalization";
  const second = contrib(skip, [x, projected, gain()], ["norm2", "", "", "sum2"], epsilon);
  const gate = linear("gate", second, hidden, wide);
  const active = node("Mul", [gate, node("Sigmoid", [gate], ["sigmoid"])], ["active"]);
  const up = node("Mul", [active, linear("up", second, hidden, wide)], ["both"]);
  const third = contrib(skip, ["sum2", linear("down", up, wide, hidden), gain()], ["norm3"], epsilon);
  linear("logits", third, hidden, words);
  const cache = ["batch", kept, "past", size] as const;
  return buildModel({
    opset: { "": 18, [domain]: 1 },
    inputs: {
      ids: ["int64", ["batch", "length"]],
      mask: ["int64", ["batch", "total"]],
      "past.key": ["float32", cache],
      "past.value": ["float32", cache],
    },
    outputs: { logits: ["float32"], "present.key": ["float32"], "present.value": ["float32"] },
    initializers,
    nodes,
  });
}

test("reads a prompt, and goes on from it", async () => {
  const bytes = decoder();
  const artifact = await compile(bytes, { verify: true });
  // Weights stay as small as they were: a number for each of them would take four times the whole module.
  const count = Object.values(initializers).reduce((sum, { data }) => sum + data.byteLength, 0);
  expect(artifact.wasm.length).toBeLessThan(count * 1.4 + artifact.report.codeBytes + 8192);
  const model = await loadArtifact(artifact);
  const empty = () => normal([2, kept, 0, size]);
  let feeds: Tensors = {
    ids: whole("int64", [2, 5], 0, words - 1),
    mask: of("int64", [2, 5], new Array(10).fill(1)),
    "past.key": empty(),
    "past.value": empty(),
  };
  for (let step = 0; step < 3; step++) {
    const expected = await runOnnxruntime(bytes, feeds);
    expectTensors(runModel(model, feeds), expected, { absolute: 1e-4, relative: 1e-4 }, `step ${step}`);
    const total = 6 + step;
    feeds = {
      ids: whole("int64", [2, 1], 0, words - 1),
      mask: of("int64", [2, total], new Array(2 * total).fill(1)),
      "past.key": expected["present.key"]!,
      "past.value": expected["present.value"]!,
    };
  }
  model.dispose();
});
