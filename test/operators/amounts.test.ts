/** Pad, Tile, Split, Range and OneHot by amounts that are known when the model is compiled, and at run time only. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, type NodeCase, of } from "./harness.js";
import { matrix, scalar, vector } from "./rows.js";

/** The same by evaluation, with constants, with unknown elements, and with open dims as well. */
async function expectAlways(node: NodeCase, expected: readonly TensorData[]): Promise<void> {
  const outputs = { ...node, outputs: expected.length };
  await expectResults({ ...outputs, constant: node.inputs.map((_, i) => i).slice(1) }, expected);
  for (const open of [[], [0]]) {
    const results = await interpret({ ...outputs, open });
    expected.forEach((one, i) => {
      expectTensor(results[i]!, one);
    });
  }
}

describe("Pad", () => {
  const pads: readonly [mode: string, expected: number[]][] = [
    ["constant", [0, 0, 1, 2, 3, 0]],
    ["edge", [1, 1, 1, 2, 3, 3]],
    ["reflect", [3, 2, 1, 2, 3, 2]],
    ["wrap", [2, 3, 1, 2, 3, 1]],
  ];
  test.each(pads)("%s", (mode, expected) =>
    expectAlways({ op: "Pad", inputs: [[1, 2, 3], ints(2, 1)], attributes: { mode } }, [
      vector("float32", ...expected),
    ]),
  );

  test.each(pads)("%s after cutting", async (mode) => {
    const expected = {
      constant: [2, 3, 4, 0, 0],
      edge: [2, 3, 4, 4, 4],
      reflect: [2, 3, 4, 3, 2],
      wrap: [2, 3, 4, 2, 3],
    };
    await expectAlways({ op: "Pad", inputs: [[1, 2, 3, 4], ints(-1, 2)], attributes: { mode } }, [
      vector("float32", ...expected[mode as "edge"]),
    ]);
  });

  test("more than there is to repeat", async () => {
    const node = { op: "Pad", inputs: [[1, 2, 3], ints(5, 0)] };
    await expectAlways({ ...node, attributes: { mode: "wrap" } }, [
      vector("float32", 2, 3, 1, 2, 3, 1, 2, 3),
    ]);
    await expectAlways({ ...node, attributes: { mode: "reflect" } }, [
      vector("float32", 2, 1, 2, 3, 2, 1, 2, 3),
    ]);
    const single = { op: "Pad", inputs: [[7], ints(1, 2)], attributes: { mode: "reflect" } };
    await expectAlways(single, [vector("float32", 7, 7, 7, 7)]);
  });

  test("named axes, by a value", () =>
    expectAlways({ op: "Pad", inputs: [matrix, ints(1, 0), scalar("float32", 9), ints(-1)] }, [
      of("float32", [2, 4], [9, 1, 2, 3, 9, 4, 5, 6]),
    ]));

  test("cutting all", async () => {
    await expectAlways({ op: "Pad", inputs: [vector("int8", 1, 2), ints(-2, 0)] }, [vector("int8")]);
    await expectAlways({ op: "Pad", inputs: [vector("bool", 1, 1), ints(-2, 1)] }, [vector("bool", 0)]);
  });

  test("too much is an error, whenever it is known", async () => {
    const node = { op: "Pad", inputs: [[1, 2], ints(-3, 5)] };
    await expect(evaluate(node)).rejects.toThrow("cuts more than axis 0 has");
    await expect(interpret(node)).rejects.toThrow("cuts more than axis 0 has");
    const edge = { op: "Pad", inputs: [[1, 2], ints(-2, 5)], attributes: { mode: "edge" } };
    await expect(interpret(edge)).rejects.toThrow('mode "edge" on axis 0 without elements');
  });

  test("the first version", () =>
    expectResults({ op: "Pad", opset: 1, inputs: [[1, 2]], attributes: { paddings: [0, 1], mode: "edge" } }, [
      [1, 2, 2],
    ]));
});

describe("Tile", () => {
  test("along both axes", () =>
    expectAlways({ op: "Tile", inputs: [of("int16", [1, 2], [1, 2]), ints(2, 2)] }, [
      of("int16", [2, 4], [1, 2, 1, 2, 1, 2, 1, 2]),
    ]));
  test("to nothing", () => expectAlways({ op: "Tile", inputs: [[1, 2], ints(0)] }, [vector("float32")]));
  test("along an axis, in the first version", () =>
    expectResults(
      { op: "Tile", opset: 1, inputs: [matrix, scalar("float32", 2), scalar("float32", 0)], constant: [2] },
      [of("float32", [4, 3], [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6])],
    ));
  test("a negative number of times", async () => {
    await expect(evaluate({ op: "Tile", inputs: [[1], ints(-1)] })).rejects.toThrow(
      "repeats a tensor -1 times",
    );
    await expect(interpret({ op: "Tile", inputs: [[1], ints(-1)] })).rejects.toThrow("negative size");
  });
});

describe("Split", () => {
  const x = vector("float32", 1, 2, 3, 4, 5, 6, 7);
  const parts = [vector("float32", 1, 2), vector("float32"), vector("float32", 3, 4, 5, 6, 7)];
  test("parts of given sizes", async () => {
    await expectAlways({ op: "Split", inputs: [x, ints(2, 0, 5)] }, parts);
    await expectResults({ op: "Split", opset: 2, inputs: [x], attributes: { split: [2, 0, 5] } }, parts);
    await expectResults({ op: "Split", opset: 1, inputs: [x, ints(2, 0, 5)] }, parts);
  });
  test("sizes that do not make up the axis", async () => {
    await expect(evaluate({ op: "Split", inputs: [x, ints(2, 4)], outputs: 2 })).rejects.toThrow(
      "do not make up 7",
    );
    await expect(interpret({ op: "Split", inputs: [x, ints(2, 4)], outputs: 2 })).rejects.toThrow(
      "do not make up 7",
    );
  });
  test("equal parts, the last one smaller", () =>
    expectAlways({ op: "Split", inputs: [x], attributes: { num_outputs: 3 } }, [
      vector("float32", 1, 2, 3),
      vector("float32", 4, 5, 6),
      vector("float32", 7),
    ]));
  test("more parts than there are elements", () =>
    expectAlways({ op: "Split", inputs: [[1, 2]], attributes: { num_outputs: 3 } }, [
      vector("float32", 1),
      vector("float32", 2),
      vector("float32"),
    ]));
  test("equal parts of older versions are equal", async () => {
    const node = { op: "Split", opset: 13, inputs: [matrix], attributes: { axis: -1 }, outputs: 3 };
    await expectAlways(
      node,
      [1, 2, 3].map((value) => of("float32", [2, 1], [value, value + 3])),
    );
    for (const open of [[], [0]]) {
      await expect(interpret({ ...node, open, outputs: 2 })).rejects.toThrow("into 2 equal parts");
    }
  });
});

describe("Range", () => {
  const types: readonly DType[] = [
    "float32",
    "float64",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "uint8",
    "uint64",
  ];
  test.each(types)("of %s", (dtype) =>
    expectAlways({ op: "Range", inputs: [1, 8, 3].map((value) => scalar(dtype, value)) }, [
      vector(dtype, 1, 4, 7),
    ]),
  );
  test("downwards", async () => {
    await expectAlways({ op: "Range", inputs: [10, 4, -2].map((value) => scalar("int32", value)) }, [
      vector("int32", 10, 8, 6),
    ]);
    await expectAlways({ op: "Range", inputs: [1, 0, -0.25] }, [vector("float32", 1, 0.75, 0.5, 0.25)]);
  });
  test("of nothing", async () => {
    for (const dtype of ["int64", "float32", "uint8"] as const) {
      await expectAlways({ op: "Range", inputs: [5, 2, 1].map((value) => scalar(dtype, value)) }, [
        vector(dtype),
      ]);
    }
  });
  test("a delta of 0", async () => {
    for (const dtype of ["int64", "float32"] as const) {
      const node = { op: "Range", inputs: [5, 2, 0].map((value) => scalar(dtype, value)) };
      await expect(evaluate(node)).rejects.toThrow("delta is 0");
      await expect(interpret(node)).rejects.toThrow("negative size");
    }
  });
});

describe("OneHot", () => {
  const values = vector("float32", 0, 1);
  test.each(["int32", "int64", "float32", "uint8"] as DType[])("indices and depth of %s", async (dtype) => {
    const node = { op: "OneHot", inputs: [vector(dtype, 2, 0), scalar(dtype, 3), values] };
    await expectAlways(node, [of("float32", [2, 3], [0, 0, 1, 1, 0, 0])]);
    await expectAlways({ ...node, attributes: { axis: 0 } }, [of("float32", [3, 2], [0, 1, 0, 0, 1, 0])]);
  });
  test("negative indices, and those that are outside", async () => {
    const far = 2 ** 32 + 1;
    const node = {
      op: "OneHot",
      inputs: [vector("int64", -1, 3, -4, far, -far), ints(3), vector("int8", 5, 7)],
    };
    await expectAlways(node, [of("int8", [5, 3], [5, 5, 7, ...new Array(12).fill(5)])]);
    const unsigned = { ...node, inputs: [vector("uint32", 2 ** 32 - 1), ints(2), vector("bool", 1, 0)] };
    await expectAlways(unsigned, [of("bool", [1, 2], [1, 1])]);
  });
});

describe("Trilu and EyeLike", () => {
  test("diagonals that are far away", async () => {
    const far = scalar("int64", 2 ** 40);
    await expectAlways({ op: "Trilu", inputs: [matrix, far] }, [of("float32", [2, 3], new Array(6).fill(0))]);
    await expectAlways({ op: "Trilu", inputs: [matrix, far], attributes: { upper: 0 } }, [matrix]);
    await expectAlways({ op: "EyeLike", inputs: [matrix], attributes: { k: -(2 ** 31) } }, [
      of("float32", [2, 3], new Array(6).fill(0)),
    ]);
  });
  test("other types", async () => {
    const x = of("uint8", [2, 2], [1, 2, 3, 4]);
    await expectAlways({ op: "Trilu", inputs: [x, scalar("int64", 1)] }, [of("uint8", [2, 2], [0, 2, 0, 0])]);
    await expectAlways({ op: "EyeLike", inputs: [x], attributes: { dtype: 16, k: 1 } }, [
      of("bfloat16", [2, 2], [0, 1, 0, 0]),
    ]);
  });
});
