/** Forms that operators had in ONNX's first versions, and constants in all their forms. */

import { describe, expect, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { importModel } from "../../compiler/onnx/import.js";
import { type AttributeSpec, buildModel, type NodeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import {
  evaluate,
  evaluateGraph,
  expectResults,
  expectTensor,
  graphOf,
  interpret,
  ints,
  type NodeCase,
  of,
} from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";
import { bools, matrix } from "./rows.js";

const random = randomNumbers(41);
const noise = (dims: readonly number[]) =>
  of(
    "float32",
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() * 4 - 2),
  );

describe("operands before version 7", () => {
  const cube = of("float32", [2, 3, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const binary: [string, NodeCase["inputs"][number], number[]][] = [
    ["Add", [10, 20, 30], [11, 12, 23, 24, 35, 36, 17, 18, 29, 30, 41, 42]],
    ["Sub", [1, 2, 3], [0, 1, 1, 2, 2, 3, 6, 7, 7, 8, 8, 9]],
    ["Mul", [1, 2, 0], [1, 2, 6, 8, 0, 0, 7, 8, 18, 20, 0, 0]],
    ["Div", [1, 2, 4], [1, 2, 1.5, 2, 1.25, 1.5, 7, 8, 4.5, 5, 2.75, 3]],
    ["Pow", [1, 2, 0], [1, 2, 9, 16, 1, 1, 7, 8, 81, 100, 1, 1]],
  ];

  test.each(binary)("%s at an axis of the first operand", async (op, other, expected) => {
    const node: NodeCase = { op, inputs: [cube, other], attributes: { broadcast: 1, axis: 1 }, opset: 6 };
    await expectResults(node, [of("float32", [2, 3, 2], expected)]);
    await expectResults({ ...node, attributes: { broadcast: 1, axis: -2 } }, [
      of("float32", [2, 3, 2], expected),
    ]);
  });

  test.each([
    ["And", [1, 0, 0, 0]],
    ["Or", [1, 1, 1, 0]],
    ["Xor", [0, 1, 1, 0]],
  ])("%s", async (op, expected) => {
    const inputs = [of("bool", [2, 2], [1, 1, 0, 0]), bools(1, 0)];
    await expectResults({ op, inputs, attributes: { broadcast: 1 }, opset: 1 }, [
      of("bool", [2, 2], expected),
    ]);
  });

  test.each([
    ["Greater", [0, 0, 1, 0, 1, 1]],
    ["Less", [1, 0, 0, 0, 0, 0]],
    ["Equal", [0, 1, 0, 1, 0, 0]],
  ])("%s", async (op, expected) => {
    const integers = of("int32", [3, 2], [1, 2, 3, 4, 5, 6]);
    const floats = of("float32", [3, 2], [1, 2, 3, 4, 5, 6]);
    const limits = of(op === "Equal" ? "int32" : "float32", [3], op === "Equal" ? [2, 4, 9] : [2, 3, 4]);
    const wanted = op === "Equal" ? [0, 1, 0, 1, 0, 0] : expected;
    const inputs = [op === "Equal" ? integers : floats, limits];
    const results = { Greater: [0, 0, 0, 1, 1, 1], Less: [1, 0, 0, 0, 0, 0] }[op] ?? wanted;
    await expectResults({ op, inputs, attributes: { broadcast: 1, axis: 0 }, opset: 1 }, [
      of("bool", [3, 2], results),
    ]);
  });

  test("a single number, and what was consumed, need no axis", async () => {
    const attributes = { broadcast: 1, consumed_inputs: [0, 0] };
    await expectResults({ op: "Add", inputs: [[1, 2], 5], attributes, opset: 1 }, [[6, 7]]);
    await expectResults({ op: "Relu", inputs: [[-1, 2]], attributes: { consumed_inputs: [0] }, opset: 1 }, [
      [0, 2],
    ]);
    await expectResults(
      { op: "Sum", inputs: [[1], [2], [3]], attributes: { consumed_inputs: [0, 0, 0] }, opset: 1 },
      [[6]],
    );
  });

  test("an axis outside is refused", async () => {
    const node: NodeCase = {
      op: "Add",
      inputs: [cube, [1, 2, 3]],
      attributes: { broadcast: 1, axis: 3 },
      opset: 6,
    };
    await expectError(() => graphOf(node, () => false), "E_MODEL", /axis 3 puts 1 dims outside of 3/);
  });
});

describe("before version 13, rows were all dims from the axis on", () => {
  test.each(["Softmax", "LogSoftmax", "Hardmax"])("%s", async (op) => {
    for (const opset of [8, 11]) {
      for (const attributes of [
        {},
        { axis: 0 },
        { axis: 1 },
        { axis: 2 },
        ...(opset === 11 ? [{ axis: -1 }] : []),
      ]) {
        const node: NodeCase = { op, inputs: [noise([2, 3, 4])], attributes, opset };
        const [expected] = await rivalResults(node);
        for (const [result] of [await evaluate(node), await interpret(node)]) {
          expectTensor(result!, expected!, { absolute: 1e-6, relative: 1e-5 });
        }
      }
    }
  });
});

test.each(["nearest", "linear"])("Upsample, %s", async (mode) => {
  for (const opset of [7, 9]) {
    const x = noise([1, 2, 3, 4]);
    const scales = [1, 1, 2, 1.5];
    const node: NodeCase =
      opset === 7
        ? { op: "Upsample", inputs: [x], attributes: { mode, scales: { floats: scales } }, opset }
        : {
            op: "Upsample",
            inputs: [x, of("float32", [4], scales)],
            attributes: { mode },
            constant: [1],
            opset,
          };
    const [expected] = await rivalResults(node);
    expectTensor((await interpret(node))[0]!, expected!, { absolute: 1e-6 });
  }
});

describe("limits", () => {
  test("attributes of Clip, and inputs that are left out", async () => {
    const clip = (
      inputs: NodeCase["inputs"],
      attributes: Record<string, AttributeSpec>,
      opset: number,
    ): NodeCase => ({
      op: "Clip",
      inputs,
      attributes,
      opset,
    });
    const x = [-2, 0.5, 3, Number.NaN];
    const floats = { min: { float: -1 }, max: { float: 1 } };
    await expectResults(clip([x], floats, 1), [[-1, 0.5, 1, Number.NaN]]);
    await expectResults(clip([x], floats, 6), [[-1, 0.5, 1, Number.NaN]]);
    await expectResults(clip([x], { max: { float: 1 } }, 6), [[-2, 0.5, 1, Number.NaN]]);
    await expectResults(clip([x, null, 1], {}, 11), [[-2, 0.5, 1, Number.NaN]]);
    await expectResults(clip([x], {}, 13), [x]);
    // The upper limit wins where both exclude each other.
    await expectResults(clip([[0, 5], 3, 1], {}, 13), [[1, 1]]);
    await expectResults(
      clip([of("int8", [3], [-9, 0, 9]), of("int8", [], [-1]), of("int8", [], [1])], {}, 12),
      [of("int8", [3], [-1, 0, 1])],
    );
  });

  test("Min and Max of NaN, of one tensor, and of unsigned integers", async () => {
    for (const op of ["Min", "Max"]) {
      await expectResults(
        {
          op,
          inputs: [
            [1, Number.NaN],
            [Number.NaN, 2],
          ],
        },
        [[Number.NaN, Number.NaN]],
      );
      await expectResults({ op, inputs: [matrix] }, [matrix]);
    }
    const [a, b] = [of("uint32", [2], [4294967295, 1]), of("uint32", [2], [2, 3])];
    await expectResults({ op: "Max", inputs: [a, b] }, [of("uint32", [2], [4294967295, 3])]);
    await expectResults({ op: "Min", inputs: [a, b] }, [of("uint32", [2], [2, 1])]);
  });
});

describe("Constant", () => {
  const constantOf = async (attributes: Record<string, AttributeSpec>) => {
    const nodes: NodeSpec[] = [{ op: "Constant", outputs: ["y"], attributes }];
    const model = buildModel({ opset: 21, outputs: { y: ["float32"] }, nodes });
    return evaluateGraph(
      importModel(await decodeModel(model, { limits: defaultLimits }), { limits: defaultLimits }),
    )[0]!;
  };

  test.each<[Record<string, AttributeSpec>, TensorData]>([
    [{ value: of("float16", [1, 2], [1, 2]) }, of("float16", [1, 2], [1, 2])],
    [{ value_float: { float: 2 } }, of("float32", [], [2])],
    [{ value_floats: { floats: [1, 2.5] } }, of("float32", [2], [1, 2.5])],
    [{ value_int: 7 }, of("int64", [], [7])],
    [{ value_ints: [7, -8] }, ints(7, -8)],
    [
      { sparse_value: { sparse: { values: of("float32", [2], [5, 6]), indices: ints(1, 3), dims: [2, 2] } } },
      of("float32", [2, 2], [0, 5, 0, 6]),
    ],
  ])("%o", async (attributes, expected) => {
    expectTensor(await constantOf(attributes), expected);
  });

  test("of strings is refused", async () => {
    for (const attributes of [{ value_string: "a" }, { value_strings: { strings: ["a"] } }]) {
      await expectError(() => constantOf(attributes), "E_UNSUPPORTED", /tensors of strings/);
    }
    await expectError(() => constantOf({}), "E_MODEL", /one value, not 0/);
  });
});

describe("operators that are refused", () => {
  test.each([
    ["StringNormalizer", undefined, /works on strings/],
    ["ImageDecoder", undefined, /reads image files/],
    ["ZipMap", "ai.onnx.ml", /works on maps.*export the model without it/],
    ["CategoryMapper", "ai.onnx.ml", /works on strings/],
    ["Gradient", "ai.onnx.preview.training", /gradients/],
  ])("%s", async (op, domain, message) => {
    const node: NodeCase = { op, inputs: [[1]], ...(domain !== undefined && { domain }) };
    await expectError(() => graphOf(node, () => false), "E_UNSUPPORTED", message);
    expect(message).toBeDefined();
  });
});
