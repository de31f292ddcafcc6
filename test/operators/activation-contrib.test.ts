/** Activations of com.microsoft, compared with onnxruntime-web where it has them. */

import { describe, expect, test } from "vitest";
import { evaluate, expectResults, graphOf, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal } = randomTensors(7);
const tolerance = { relative: 1e-5, absolute: 2e-6 };

const node = (op: string, inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}): NodeCase => ({
  op,
  domain: "com.microsoft",
  inputs,
  ...rest,
});

describe("activations of com.microsoft", () => {
  const x = normal([2, 3, 8], 4);
  const bias = normal([8], 2);

  test.each([
    node("Gelu", [x]),
    node("BiasGelu", [x, bias]),
    node("FastGelu", [x]),
    node("FastGelu", [x, bias]),
    node("QuickGelu", [x]),
    node("QuickGelu", [x], { attributes: { alpha: { float: 0.7 } } }),
  ])("$op", (one) => expectRival(one, tolerance));

  test.each([
    node("FusedMatMul", [normal([2, 4, 3]), normal([2, 5, 4])], { attributes: { transA: 1, transB: 1 } }),
    node("FusedGemm", [normal([2, 3]), normal([3, 4]), normal([4])], { attributes: { activation: "Relu" } }),
  ])("$op", (one) => expectRival(one, tolerance));

  /** The same as other nodes, by which the expected results are computed. */
  const domain = "com.microsoft";
  async function sameAs(one: NodeCase, steps: (x: NodeCase["inputs"]) => Promise<NodeCase>) {
    await expectResults({ ...one, open: [0] }, await evaluate(await steps(one.inputs)), tolerance);
  }

  test("GemmFastGelu", () =>
    sameAs(node("GemmFastGelu", [x, normal([8, 4]), normal([4])]), async ([a, w, c]) => ({
      op: "FastGelu",
      domain,
      inputs: [(await evaluate({ op: "MatMul", inputs: [a!, w!] }))[0]!, c!],
    })));

  test("BiasAdd", () =>
    sameAs(node("BiasAdd", [x, bias, normal([2, 3, 8])]), async ([a, c, skip]) => ({
      op: "Add",
      inputs: [(await evaluate({ op: "Add", inputs: [a!, c!] }))[0]!, skip!],
    })));

  test("BiasSplitGelu", () =>
    sameAs(node("BiasSplitGelu", [x, bias]), async ([a, c]) => {
      const [sum] = await evaluate({ op: "Add", inputs: [a!, c!] });
      const split = { op: "Split", attributes: { axis: 2, num_outputs: 2 }, outputs: 2 };
      const [left, right] = await evaluate({ ...split, inputs: [sum!] });
      return { op: "Mul", inputs: [left!, (await evaluate({ op: "Gelu", inputs: [right!] }))[0]!] };
    }));

  test.each([1, 2])("BiasSoftmax from axis %d", (axis) =>
    sameAs(
      node("BiasSoftmax", [x, normal([3, 8])], { attributes: { axis, is_inner_broadcast: 0 } }),
      async ([a, c]) => ({
        op: "Softmax",
        opset: 11,
        attributes: { axis },
        inputs: [(await evaluate({ op: "Add", inputs: [a!, c!] }))[0]!],
      }),
    ),
  );

  test("BiasDropout does not drop outside of training", () =>
    expectResults(
      node("BiasDropout", [
        [1, 2],
        [10, 20],
        [100, 200],
      ]),
      [[111, 222], of("bool", [2], [1, 1])],
    ));

  test.each([
    ["a bias of other size", node("BiasGelu", [x, normal([4])]), "bias of [4]"],
    ["odd halves", node("BiasSplitGelu", [normal([1, 1, 3]), normal([3])]), "two halves"],
  ])("refuses %s", (_, one, message) => expect(graphOf(one, () => false)).rejects.toThrow(message));
});
