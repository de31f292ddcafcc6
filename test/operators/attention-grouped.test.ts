/** GroupQueryAttention, compared with onnxruntime-web where it has the form. */

import { describe, expect, test } from "vitest";
import { evaluate, expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal, uniform } = randomTensors(17);
const tolerance = { relative: 2e-5, absolute: 5e-6 };

interface Shape {
  readonly batch?: number;
  readonly queries: number;
  /** Rows of the cache, and keys of each row of the batch with the new ones. */
  readonly cache?: number;
  readonly lengths?: readonly number[];
  readonly total?: number;
  readonly packed?: boolean;
  readonly rotary?: number;
  readonly places?: readonly number[];
  readonly bias?: boolean;
  readonly sink?: boolean;
  readonly outputs?: number;
  readonly attributes?: NodeCase["attributes"];
}

// onnxruntime turns heads of multiples of 16 elements only.
const [heads, kept, size] = [4, 2, 32];

function attention(shape: Shape): NodeCase {
  const { batch = 2, queries, cache, packed, rotary, places, bias, sink, outputs = 3 } = shape;
  const lengths = shape.lengths ?? Array.from({ length: batch }, () => queries);
  const total = shape.total ?? Math.max(...lengths);
  const past = () => (cache === undefined ? null : normal([batch, kept, cache, size]));
  const table = () => (rotary === undefined ? null : uniform([16, rotary / 2], -1, 1));
  const separate = [heads, kept, kept].map((count) => normal([batch, queries, count * size]));
  const inputs = [
    ...(packed ? [normal([batch, queries, (heads + 2 * kept) * size]), null, null] : separate),
    ...[past(), past()],
    of(
      "int32",
      [batch],
      lengths.map((length) => length - 1),
    ),
    of("int32", [1], [total]),
    ...[table(), table()],
    places === undefined ? null : of("int64", [batch, queries], places),
    bias ? normal([batch, 1, queries, total]) : null,
    sink ? normal([heads]) : null,
  ];
  return {
    op: "GroupQueryAttention",
    domain: "com.microsoft",
    inputs,
    outputs,
    attributes: {
      num_heads: heads,
      kv_num_heads: kept,
      ...(rotary !== undefined && { do_rotary: 1 }),
      ...shape.attributes,
    },
  };
}

const open = [0, 1, 2, 3, 4, 5];

describe("GroupQueryAttention", () => {
  const prompt = { queries: 5 };
  const step = { queries: 1, cache: 9, lengths: [4, 7] };
  const cases: [what: string, shape: Shape][] = [
    ["a prompt", prompt],
    ["a prompt into a longer cache", { ...prompt, cache: 9 }],
    ["packed", { ...prompt, packed: true }],
    ["a step into a longer cache", step],
    ["a step into a cache without room", { queries: 1, cache: 6, lengths: [7, 7] }],
    ["several queries behind a past", { batch: 1, queries: 3, cache: 8, lengths: [6] }],
    ["rotation of a prompt", { ...prompt, rotary: 32 }],
    ["rotation of a part", { ...step, rotary: 16, packed: true }],
    ["rotation of neighbours", { ...step, rotary: 32, attributes: { rotary_interleaved: 1 } }],
    ["rotation of a prompt by places", { ...prompt, rotary: 32, places: [2, 7, 4, 5, 1, 3, 4, 5, 6, 7] }],
    ["rotation by places", { ...step, rotary: 32, places: [3, 6] }],
    ["a window", { ...prompt, attributes: { local_window_size: 2 } }],
    ["a window of a step", { ...step, attributes: { local_window_size: 3 } }],
    ["a softcap and a scale", { ...prompt, attributes: { softcap: { float: 1.5 }, scale: { float: 0.7 } } }],
    ["a bias", { ...prompt, bias: true }],
    ["a bias of a step", { ...step, bias: true }],
    ["a smooth softmax", { ...step, attributes: { smooth_softmax: 1 } }],
    ["sinks", { ...prompt, sink: true }],
    ["scores before the softmax", { ...step, lengths: [7, 7], outputs: 4, attributes: { qk_output: 1 } }],
    ["scores behind the softmax", { ...prompt, outputs: 4, attributes: { qk_output: 2 } }],
  ];
  test.each(cases)("%s", (_, shape) => expectRival(attention(shape), tolerance, { open }));

  test("padding behind a prompt does not matter", async () => {
    const padded = attention({
      queries: 5,
      lengths: [3, 5],
      rotary: 32,
      attributes: { local_window_size: 2 },
    });
    const [y, key] = await evaluate(padded);
    expect(Array.from(y!.data, Number).every(Number.isFinite)).toBe(true);
    const first = async (x: NodeCase["inputs"][number], axis: number) =>
      (await evaluate({ op: "Slice", inputs: [x!, ints(0, 0), ints(1, 3), ints(0, axis)] }))[0]!;
    const [q, k, v, , , , , cos, sin] = padded.inputs;
    const alone = {
      ...padded,
      inputs: [
        ...[await first(q!, 1), await first(k!, 1), await first(v!, 1), null, null],
        ...[of("int32", [1], [2]), of("int32", [1], [3]), cos!, sin!],
      ],
    };
    const expected = await evaluate(alone);
    await expectResults({ op: "Identity", inputs: [await first(y!, 1)] }, [expected[0]!], tolerance);
    await expectResults({ op: "Identity", inputs: [await first(key!, 2)] }, [expected[1]!], tolerance);
  });

  test("without causality, every query sees every key", async () => {
    const node = attention({ queries: 3, attributes: { causal: 0 } });
    const { inputs } = node;
    const grouped = {
      op: "Attention",
      opset: 23,
      inputs: inputs.slice(0, 3),
      attributes: { q_num_heads: heads, kv_num_heads: kept },
      outputs: 3,
    };
    await expectResults({ ...node, open }, await evaluate(grouped), tolerance);
  });

  test("normalises queries and keys", async () => {
    const node = attention({ queries: 3 });
    const weights = [normal([size]), normal([size])];
    const normalised = async (
      x: NodeCase["inputs"][number],
      count: number,
      weight: (typeof weights)[number],
    ) => {
      const [wide] = await evaluate({ op: "Reshape", inputs: [x!, ints(2, 3, count, size)] });
      const norm = { op: "RMSNormalization", opset: 23, attributes: { epsilon: { float: 1e-6 } } };
      const [normal] = await evaluate({ ...norm, inputs: [wide!, weight] });
      return (await evaluate({ op: "Reshape", inputs: [normal!, ints(2, 3, -1)] }))[0]!;
    };
    const [q, k, ...rest] = node.inputs;
    const plain = [
      await normalised(q!, heads, weights[0]!),
      await normalised(k!, kept, weights[1]!),
      ...rest,
    ];
    const expected = await evaluate({ ...node, inputs: plain });
    const all = [...node.inputs, ...new Array(14 - node.inputs.length).fill(null), ...weights];
    await expectResults({ ...node, inputs: all }, expected, tolerance);
  });

  const refused: [what: string, node: Partial<Shape>, message: string][] = [
    ["heads that do not divide", { attributes: { kv_num_heads: 3 } }, "4 heads of queries for 3"],
    ["rotation without tables", { attributes: { do_rotary: 1 } }, "cos_cache"],
    ["a quantised cache", { attributes: { k_quant_type: "PER_TENSOR" } }, "quantised cache"],
    ["a cache of the window", { attributes: { sliding_window_cache: 1 } }, "window alone"],
    [
      "a window that is not causal",
      { attributes: { causal: 0, local_window_size: 2 } },
      "without being causal",
    ],
  ];
  test("refuses keys of other length", () => {
    const node = attention({ queries: 3 });
    const keys = [normal([2, 4, kept * size]), normal([2, 4, kept * size])];
    const inputs = [node.inputs[0]!, ...keys, ...node.inputs.slice(3)];
    return expect(graphOf({ ...node, inputs }, () => false)).rejects.toThrow("4 new keys for 3 queries");
  });

  test.each(refused)("refuses %s", (_, shape, message) =>
    expect(graphOf(attention({ queries: 3, ...shape }), () => false)).rejects.toThrow(message),
  );
});
