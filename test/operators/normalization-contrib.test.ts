/** Normalisations of onnxruntime's optimiser, compared with onnxruntime-web where it has them. */

import { describe, expect, test } from "vitest";
import { evaluate, expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal, whole } = randomTensors(11);
const tolerance = { relative: 2e-5, absolute: 2e-6 };
const halves = { relative: 2e-3, absolute: 2e-3 };

const node = (op: string, inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}): NodeCase => ({
  op,
  domain: "com.microsoft",
  attributes: { epsilon: { float: 1e-5 } },
  inputs,
  ...rest,
});

describe("SkipLayerNormalization", () => {
  const [x, gamma, beta, bias] = [normal([2, 3, 8]), normal([8]), normal([8]), normal([8])];

  test.each(
    [
      [2, 3, 8],
      [1, 3, 8],
      [3, 8],
    ].map((dims) => [dims]),
  )("adds [%s]", (dims) =>
    expectRival(node("SkipLayerNormalization", [x, normal(dims), gamma, beta, bias]), tolerance),
  );

  test("without shift", () =>
    expectRival(node("SkipLayerNormalization", [x, normal([2, 3, 8]), gamma]), tolerance));

  test("of halves", () => {
    const inputs = [[2, 3, 8], [2, 3, 8], [8], [8], [8]].map((dims) => normal(dims, 1, "float16"));
    return expectRival(node("SkipLayerNormalization", inputs, { result: "float16" }), halves);
  });

  test("gives mean, deviation and sum", async () => {
    const skip = normal([2, 3, 8]);
    const [sum] = await evaluate({ op: "Add", inputs: [x, skip] });
    const [y, mean, inverse] = await evaluate({
      op: "LayerNormalization",
      inputs: [sum!, gamma, beta],
      outputs: 3,
    });
    await expectResults(
      node("SkipLayerNormalization", [x, skip, gamma, beta]),
      [y!, mean!, inverse!, sum!],
      tolerance,
    );
  });

  test.each([
    ["a tensor of other size", [x, normal([2, 2, 8]), gamma], "adds [2, 2, 8]"],
    ["a scale of other size", [x, x, normal([4])], "rows of 8"],
    ["mixed types", [x, normal([2, 3, 8], 1, "float16"), gamma], "combines"],
  ])("refuses %s", (_, inputs, message) =>
    expect(graphOf(node("SkipLayerNormalization", inputs), () => false)).rejects.toThrow(message),
  );
});

describe("root mean squares", () => {
  test("SkipSimplifiedLayerNormalization", async () => {
    const [x, gamma, bias] = [normal([2, 3, 8]), normal([8]), normal([8])];
    await expectRival(
      node("SkipSimplifiedLayerNormalization", [x, normal([2, 3, 8]), gamma, bias]),
      tolerance,
    );
    const rows = normal([3, 8]);
    await expectRival(node("SkipSimplifiedLayerNormalization", [rows, normal([3, 8]), gamma]), tolerance);
  });

  test("SimplifiedLayerNormalization", async () => {
    const attributes = { epsilon: { float: 1e-6 } };
    const one: NodeCase = { op: "SimplifiedLayerNormalization", inputs: [], attributes, outputs: 1 };
    await expectRival({ ...one, inputs: [normal([2, 3, 8]), normal([8])] }, tolerance);
    const wide = { ...one, attributes: { ...attributes, axis: 1 } };
    await expectRival({ ...wide, inputs: [normal([2, 3, 4]), normal([3, 4])] }, tolerance);
    const half = [normal([2, 8], 1, "float16"), normal([8], 1, "float16")];
    await expectRival({ ...one, inputs: half, result: "float16" }, halves);
  });

  test("LayerNormalization in a model of an old opset", () =>
    expectRival({ op: "LayerNormalization", opset: 13, inputs: [normal([2, 8]), normal([8])] }, tolerance));
});

describe("EmbedLayerNormalization", () => {
  const ids = whole("int32", [2, 3], 0, 9);
  const segments = whole("int32", [2, 3], 0, 1);
  const tables = [normal([10, 8]), normal([5, 8]), normal([2, 8])];
  const [words, places, kinds] = tables;
  const [gamma, beta] = [normal([8]), normal([8])];
  const mask = of("int32", [2, 3], [1, 1, 0, 1, 0, 0]);
  const results = { outputs: 3, result: ["float32", "int32", "float32"] as const };

  test("with segments and a mask", () =>
    expectRival(
      node("EmbedLayerNormalization", [ids, segments, words!, places!, kinds!, gamma, beta, mask], results),
      tolerance,
      { open: [0, 1, 7] },
    ));

  test("with places, without segments", () => {
    const at = whole("int32", [1, 3], 0, 4);
    return expectRival(
      node("EmbedLayerNormalization", [ids, null, words!, places!, null, gamma, beta, null, at], results),
      tolerance,
    );
  });

  test("refuses half a table of segments", () =>
    expect(
      graphOf(
        node("EmbedLayerNormalization", [ids, null, words!, places!, kinds!, gamma, beta]),
        () => false,
      ),
    ).rejects.toThrow("go together"));
});

describe("GroupNorm", () => {
  const [x, skip, gamma, beta] = [normal([2, 4, 3, 5]), normal([2, 4]), normal([4]), normal([4])];
  const attributes = { groups: 2, activation: 1, channels_last: 0 };

  async function expected(input: typeof x) {
    const [normalised] = await evaluate({
      op: "GroupNormalization",
      inputs: [input, gamma, beta],
      attributes: { num_groups: 2 },
    });
    const [active] = await evaluate({ op: "Swish", opset: 24, inputs: [normalised!] });
    return active!;
  }
  const moved = async (input: typeof x, perm: number[]) =>
    (await evaluate({ op: "Transpose", inputs: [input], attributes: { perm } }))[0]!;

  test("of channels before and behind", async () => {
    const active = await expected(x);
    await expectResults(node("GroupNorm", [x, gamma, beta], { attributes }), [active], tolerance);
    const last = { groups: 2, activation: 1 };
    await expectResults(
      node("GroupNorm", [await moved(x, [0, 2, 3, 1]), gamma, beta], { attributes: last, open: [0] }),
      [await moved(active, [0, 2, 3, 1])],
      tolerance,
    );
  });

  test("of a sum", async () => {
    const bias = normal([4]);
    const wide = await evaluate({ op: "Unsqueeze", inputs: [skip, ints(2, 3)] });
    const beside = await evaluate({ op: "Unsqueeze", inputs: [bias, ints(1, 2)] });
    const [added] = await evaluate({ op: "Add", inputs: [x, wide[0]!] });
    const [sum] = await evaluate({ op: "Add", inputs: [added!, beside[0]!] });
    await expectResults(
      node("SkipGroupNorm", [x, gamma, beta, skip, bias], { attributes }),
      [await expected(sum!), sum!],
      tolerance,
    );
    const last = [await moved(x, [0, 2, 3, 1]), gamma, beta, skip, bias];
    await expectResults(
      node("SkipGroupNorm", last, { attributes: { groups: 2, activation: 1 } }),
      [await moved(await expected(sum!), [0, 2, 3, 1]), await moved(sum!, [0, 2, 3, 1])],
      tolerance,
    );
  });

  test("refuses an activation", () =>
    expect(
      graphOf(
        node("GroupNorm", [x, gamma, beta], { attributes: { ...attributes, activation: 2 } }),
        () => false,
      ),
    ).rejects.toThrow("activation 2"));
});
