/** Operators of com.microsoft on integers, compared with onnxruntime-web where it has them. */

import { describe, expect, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { expectResults, graphOf, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal, uniform, whole } = randomTensors(19);
const scalar = (dtype: "float32" | "int8" | "uint8", value: number) => of(dtype, [], [value]);
const node = (op: string, inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}): NodeCase => ({
  op,
  domain: "com.microsoft",
  inputs,
  ...rest,
});

describe("QLinearConv", () => {
  const [scale, zero] = [scalar("float32", 0.02), scalar("uint8", 120)];
  const weights = [
    whole("int8", [4, 3, 3, 3], -128, 127),
    uniform([4], 0.01, 0.03),
    of("int8", [4], [0, 0, 0, 0]),
  ];
  const rest = [...weights, scalar("float32", 0.3), scalar("uint8", 128), whole("int32", [4], -500, 500)];
  const attributes = { pads: [1, 0, 1, 1], strides: [1, 2] };
  const closed = { relative: 0, absolute: 1 };

  test("of channels before", () => {
    const inputs = [whole("uint8", [1, 3, 6, 7], 0, 255), scale, zero, ...rest];
    return expectRival(node("QLinearConv", inputs, { attributes, result: "uint8" }), closed, { open: [0] });
  });

  test("of channels behind", () => {
    const inputs = [whole("uint8", [1, 6, 7, 3], 0, 255), scale, zero, ...rest];
    const last = { ...attributes, channels_last: 1 };
    return expectRival(node("QLinearConv", inputs, { attributes: last, result: "uint8" }), closed, {
      open: [0],
    });
  });
});

describe("QAttention", () => {
  const bytes = (dims: number[]) => whole("uint8", dims, 0, 255);
  const inputs = (mask: NodeCase["inputs"][number], past: NodeCase["inputs"][number] = null) => [
    ...[bytes([2, 3, 8]), whole("int8", [8, 24], -128, 127), normal([24])],
    ...[scalar("float32", 0.01), scalar("float32", 0.004), mask],
    ...[scalar("uint8", 130), scalar("int8", 3), past],
  ];
  const tolerance = { relative: 1e-4, absolute: 1e-5 };

  test("with a mask of lengths", () =>
    expectRival(
      node("QAttention", inputs(of("int32", [2], [2, 3])), { attributes: { num_heads: 2 } }),
      tolerance,
      { open: [0] },
    ));

  test("with a past, causal", () =>
    expectRival(
      node("QAttention", inputs(null, normal([2, 2, 2, 4, 4])), {
        attributes: { num_heads: 2, unidirectional: 1 },
        outputs: 2,
      }),
      tolerance,
      { open: [0, 8] },
    ));
});

describe("DynamicQuantizeLSTM", () => {
  const [steps, size, hidden] = [4, 5, 6];
  const tolerance = { relative: 1e-4, absolute: 1e-5 };

  function layer(directions: number, perColumn: boolean, batch: number): NodeCase["inputs"] {
    const parameters = perColumn ? [directions, 4 * hidden] : [directions];
    const scales = () => uniform(parameters, 0.002, 0.01);
    // onnxruntime has no zero points for columns.
    const zeros = () => whole("int8", parameters, perColumn ? 0 : -9, perColumn ? 0 : 9);
    return [
      normal([steps, batch, size], 2),
      whole("int8", [directions, size, 4 * hidden], -128, 127),
      whole("int8", [directions, hidden, 4 * hidden], -128, 127),
      normal([directions, 8 * hidden]),
      ...[null, normal([directions, batch, hidden]), normal([directions, batch, hidden]), null],
      ...[scales(), zeros(), scales(), zeros()],
    ];
  }

  test.each([
    ["forward", 1, false, 1],
    ["reverse", 1, true, 2],
    ["bidirectional", 2, true, 1],
  ] as const)("%s", (direction, directions, perColumn, batch) =>
    expectRival(
      node("DynamicQuantizeLSTM", layer(directions, perColumn, batch), {
        attributes: { hidden_size: hidden, direction },
        outputs: 3,
      }),
      tolerance,
      { constant: [1, 2, 3, 8, 9, 10, 11], open: [0] },
    ),
  );

  test("refuses weights of floats", () => {
    const [x, w, ...rest] = layer(1, false, 1);
    const wide = normal([1, size, 4 * hidden]);
    expect((w as TensorData).dims).toEqual(wide.dims);
    return expect(graphOf(node("DynamicQuantizeLSTM", [x!, wide, ...rest]), () => false)).rejects.toThrow(
      "does not take float32",
    );
  });
});

describe("integers", () => {
  test("MulInteger", () => {
    const operands = [of("uint8", [2], [1, 255]), scalar("uint8", 2), of("uint8", [2], [10, 0]), null];
    return expectResults(node("MulInteger", operands), [of("int32", [2], [-10, 0])]);
  });

  test("MatMulInteger16", async () => {
    const [a, b] = [of("int16", [1, 2], [-300, 200]), of("int16", [2, 1], [100, -7])];
    await expectRival(node("MatMulInteger16", [a, b], { result: "int32" }), {});
    const unsigned = [of("uint16", [1, 1], [65535]), of("uint16", [1, 1], [65535])];
    await expectResults(node("MatMulInteger16", unsigned), [of("uint32", [1, 1], [65535 * 65535])]);
  });

  test("ReduceSumInteger", () => {
    const x = of("int8", [2, 2], [-128, -128, 1, 2]);
    const attributes = { axes: [1], keepdims: 0 };
    return expectResults(node("ReduceSumInteger", [x], { attributes }), [of("int32", [2], [-256, 3])]);
  });

  test.each([
    ["MulInteger", [normal([2]), null, normal([2])]],
    ["MatMulInteger16", [whole("int32", [2, 2], 0, 9), whole("int32", [2, 2], 0, 9)]],
  ] as [string, NodeCase["inputs"]][])("%s refuses other types", (op, inputs) =>
    expect(graphOf(node(op, inputs), () => false)).rejects.toThrow("does not take"),
  );
});
