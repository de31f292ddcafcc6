/** Attention and MultiHeadAttention of com.microsoft, compared with onnxruntime-web where it has the form. */

import { describe, expect, test } from "vitest";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { decodeFloat16 } from "../../compiler/loop/half.js";
import { evaluate, expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal } = randomTensors(13);
const tolerance = { relative: 2e-5, absolute: 5e-6 };
const ones = (dims: number[], off: number[]) =>
  of(
    "int32",
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => (off.includes(i) ? 0 : 1)),
  );

const node = (op: string, inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}): NodeCase => ({
  op,
  domain: "com.microsoft",
  attributes: { num_heads: 2 },
  inputs,
  ...rest,
});

describe("MultiHeadAttention", () => {
  const [q, k, v] = [normal([2, 3, 8]), normal([2, 5, 8]), normal([2, 5, 12])];
  const heads = (...inputs: NodeCase["inputs"]) => node("MultiHeadAttention", inputs);

  test("of other lengths and sizes", () => expectRival(heads(q, k, v), tolerance, { open: [0, 1, 2] }));

  test("with a bias and a scale", async () => {
    const attributes = { num_heads: 2, scale: { float: 0.3 } };
    await expectRival({ ...heads(q, k, v, normal([28])), attributes }, tolerance, { open: false });
  });

  test.each([
    ["lengths", of("int32", [2], [3, 5])],
    ["keys", ones([2, 5], [3, 4, 5])],
    ["scores", ones([2, 3, 5], [0, 7, 14, 20, 21])],
  ])("with a mask of %s", (_, mask) =>
    expectRival(heads(q, k, v, null, mask), tolerance, { open: [0, 1, 2, 4] }),
  );

  test.each([
    [2, 2],
    [1, 1],
    [2, 1],
  ])("with a bias of scores for %d batches and %d heads", (batch, count) =>
    expectRival(heads(q, k, v, null, null, normal([batch, count, 3, 5])), tolerance, { open: [0, 1, 2] }),
  );

  test("with keys of the past, causal", async () => {
    const past = [normal([2, 2, 4, 4]), normal([2, 2, 4, 4])];
    const own = [normal([2, 3, 8]), normal([2, 3, 8]), normal([2, 3, 8])];
    const attributes = { num_heads: 2, unidirectional: 1 };
    const one = { ...heads(...own, null, null, null, ...past), attributes, outputs: 3 };
    await expectRival(one, tolerance, { open: [0, 1, 2, 6, 7] });
    const mask = ones([2, 7], [0, 7, 8]);
    await expectRival({ ...one, inputs: [...own, null, mask, null, ...past] }, tolerance, { open: false });
  });

  test("with keys that have heads", () =>
    expectRival(heads(q, normal([2, 2, 5, 4]), normal([2, 2, 5, 4])), tolerance, { open: [0, 1, 2] }));

  test("packed keys and values, packed queries", async () => {
    const pack = async (parts: (typeof q)[]) => {
      const apart = await Promise.all(
        parts.map(async (x) => {
          const wide = { op: "Reshape", inputs: [x, ints(2, x.dims[1]!, 2, 1, 4)] };
          return (await evaluate(wide))[0]!;
        }),
      );
      return (await evaluate({ op: "Concat", inputs: apart, attributes: { axis: 3 } }))[0]!;
    };
    const same = [normal([2, 5, 8]), normal([2, 5, 8])];
    const expected = await evaluate(heads(q, ...same));
    await expectResults(heads(q, await pack(same)), expected, tolerance);
    const three = [normal([2, 5, 8]), ...same];
    const bias = normal([24]);
    const whole = await evaluate(heads(...three, bias));
    await expectResults({ ...heads(await pack(three), null, null, bias), open: [] }, whole, tolerance);
  });

  test("gives its scores", async () => {
    const one = { ...heads(q, k, v), outputs: 4 };
    const [, key, , scores] = await evaluate(one);
    const turned = await evaluate({ op: "Transpose", inputs: [key!], attributes: { perm: [0, 1, 3, 2] } });
    const wide = await evaluate({ op: "Reshape", inputs: [q, ints(2, 3, 2, 4)] });
    const own = await evaluate({ op: "Transpose", inputs: wide, attributes: { perm: [0, 2, 1, 3] } });
    const [raw] = await evaluate({ op: "MatMul", inputs: [own[0]!, turned[0]!] });
    const [half] = await evaluate({ op: "Mul", inputs: [raw!, 0.5] });
    await expectResults({ op: "Identity", inputs: [scores!] }, [half!], tolerance);
  });

  test("of halves", async () => {
    const halves = [q, k, v].map(({ dims }) => normal(dims, 1, "float16"));
    const wide = halves.map(({ dims, data }) =>
      of("float32", dims, Array.from(data, Number).map(decodeFloat16)),
    );
    const [expected] = await evaluate(heads(...wide));
    const rounded = of("float16", expected!.dims, toNumbers(expected!));
    await expectResults(heads(...halves), [rounded], { relative: 1e-3, absolute: 1e-4 });
  });

  const refused: [what: string, one: NodeCase, message: string][] = [
    ["half a past", heads(q, k, v, null, null, null, normal([2, 2, 4, 4])), "go together"],
    ["no values", heads(q, k), "needs values"],
    ["heads that do not divide", { ...heads(q, k, v), attributes: { num_heads: 3 } }, "3 heads of 8"],
    ["a bias of other size", heads(q, k, v, normal([27])), "bias of 27"],
    ["other parts", heads(q, normal([2, 5, 2, 3, 4])), "2 parts of 2 heads"],
    ["a mask of floats", heads(q, k, v, null, normal([2])), "mask of float32"],
  ];
  test.each(refused)("refuses %s", (_, one, message) =>
    expect(graphOf(one, () => false)).rejects.toThrow(message),
  );
});

describe("Attention", () => {
  const [x, weights, bias] = [normal([2, 3, 6]), normal([6, 24]), normal([24])];
  const attention = (inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}) =>
    node("Attention", [x, weights, bias, ...inputs], rest);
  const open = [0];

  test.each([
    ["nothing", null],
    ["lengths", of("int32", [2], [2, 3])],
    ["lengths and starts", of("int32", [4], [3, 3, 1, 0])],
    ["keys", ones([2, 3], [0, 5])],
    ["scores", ones([2, 3, 3], [1, 2, 9])],
  ])("with a mask of %s", async (_, mask) => {
    await expectRival(attention([mask]), tolerance, { open });
    const attributes = { num_heads: 2, unidirectional: 1 };
    await expectRival(attention([mask], { attributes }), tolerance, { open });
  });

  test("with a past", async () => {
    const past = normal([2, 2, 2, 2, 4]);
    const attributes = { num_heads: 2, unidirectional: 1 };
    await expectRival(attention([null, past], { attributes, outputs: 2 }), tolerance, { open: [0, 4] });
    const mask = ones([2, 5], [0, 5, 6]);
    await expectRival(attention([mask, past], { attributes, outputs: 2 }), tolerance, { open: [0, 3, 4] });
  });

  test("with a bias of scores, a scale and another filter", () => {
    const attributes = { num_heads: 2, scale: { float: 0.2 }, mask_filter_value: { float: -5 } };
    const mask = ones([2, 3], [0, 5]);
    return expectRival(attention([mask, null, normal([1, 2, 3, 3])], { attributes }), tolerance, { open });
  });

  test("with sizes of its own for values", () => {
    const attributes = { num_heads: 2, qkv_hidden_sizes: [4, 4, 8] };
    const inputs = [x, normal([6, 16]), normal([16])];
    return expectRival(node("Attention", inputs, { attributes }), tolerance, { open });
  });

  test("with a mask of all queries and keys that there can be", async () => {
    const past = normal([2, 2, 2, 2, 4]);
    const whole = ones([2, 1, 8, 8], [0, 17, 18, 100]);
    const values = whole.data as Int32Array;
    const part = Array.from({ length: 30 }, (_, i) => {
      const [batch, query, key] = [Math.floor(i / 15), Math.floor(i / 5) % 3, i % 5];
      return values[(batch * 8 + 2 + query) * 8 + key]!;
    });
    const expected = await evaluate(attention([of("int32", [2, 3, 5], part), past]));
    await expectResults(attention([whole, past]), expected, tolerance);
  });

  test("packed lengths count the keys", async () => {
    const expected = await evaluate(attention([of("int32", [2], [2, 3])]));
    const packed = of("int32", [8], [2, 3, 0, 2, 5, 0, 2, 5]);
    await expectResults(attention([packed]), expected, tolerance);
  });

  const refused: [what: string, one: NodeCase, message: string][] = [
    ["rotation", attention([], { attributes: { num_heads: 2, do_rotary: 1 } }), "do_rotary"],
    ["heads that do not divide", attention([], { attributes: { num_heads: 3 } }), "for 3 heads"],
    [
      "a shared buffer",
      attention([], { attributes: { num_heads: 2, past_present_share_buffer: 1 } }),
      "fixed",
    ],
  ];
  test.each(refused)("refuses %s", (_, one, message) =>
    expect(graphOf(one, () => false)).rejects.toThrow(message),
  );
});
