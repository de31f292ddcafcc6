/** Operators by tables of inputs and results worked out by hand: types, limits, old versions, refusals. */

import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { expectError } from "../onnx/raises.js";
import { expectResults, type Given, graphOf, ints, type NodeCase, of } from "./harness.js";

type Row = readonly [title: string, node: NodeCase, expected: readonly Exclude<Given, null>[]];

function rows(title: string, table: readonly Row[]): void {
  describe(title, () => {
    test.each(table.map((row) => [...row] as const))("%s", (_, node, expected) =>
      expectResults(node, expected),
    );
  });
}

const vector = (dtype: DType, ...values: number[]) => of(dtype, [values.length], values);
const scalar = (dtype: DType, value: number) => of(dtype, [], [value]);
const bools = (...values: number[]) => vector("bool", ...values);
const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;

rows("integers wrap", [
  [
    "uint8 sum",
    { op: "Add", inputs: [vector("uint8", 250, 3), vector("uint8", 10, 4)] },
    [vector("uint8", 4, 7)],
  ],
  ["int8 sum", { op: "Add", inputs: [vector("int8", 120), vector("int8", 10)] }, [vector("int8", -126)]],
  [
    "int16 product",
    { op: "Mul", inputs: [vector("int16", 300), vector("int16", 300)] },
    [vector("int16", 24464)],
  ],
  [
    "uint32 difference",
    { op: "Sub", inputs: [vector("uint32", 1), vector("uint32", 2)] },
    [vector("uint32", 2 ** 32 - 1)],
  ],
  [
    "int32 product",
    { op: "Mul", inputs: [vector("int32", 123456789), vector("int32", 987654321)] },
    [vector("int32", Math.imul(123456789, 987654321))],
  ],
  ["int8 negation", { op: "Neg", inputs: [vector("int8", -128, 5)] }, [vector("int8", -128, -5)]],
  ["int8 magnitude", { op: "Abs", inputs: [vector("int8", -128, -5)] }, [vector("int8", -128, 5)]],
]);

rows("division", [
  [
    "truncates, and gives 0 for 0",
    { op: "Div", inputs: [vector("int32", 7, -7, 7, -7, 5), vector("int32", 2, 2, -2, -2, 0)] },
    [vector("int32", 3, -3, -3, 3, 0)],
  ],
  [
    "does not trap where the quotient has no place",
    { op: "Div", inputs: [vector("int32", -(2 ** 31)), vector("int32", -1)] },
    [vector("int32", -(2 ** 31))],
  ],
  [
    "by a constant",
    { op: "Div", inputs: [vector("int64", 9, -9), vector("int64", 4)], constant: [1] },
    [vector("int64", 2, -2)],
  ],
  [
    "uint32",
    { op: "Div", inputs: [vector("uint32", 2 ** 32 - 1), vector("uint32", 2)] },
    [vector("uint32", 2 ** 31 - 1)],
  ],
  ["int8", { op: "Div", inputs: [vector("int8", -128), vector("int8", -1)] }, [vector("int8", -128)]],
  [
    "remainder with the sign of the divisor",
    { op: "Mod", inputs: [vector("int32", 7, -7, 7, -7, 3), vector("int32", 3, 3, -3, -3, 0)] },
    [vector("int32", 1, 2, -2, -1, 0)],
  ],
  [
    "remainder with the sign of the dividend",
    {
      op: "Mod",
      inputs: [vector("int8", 7, -7, 7, -7), vector("int8", 3, 3, -3, -3)],
      attributes: { fmod: 1 },
    },
    [vector("int8", 1, -1, 1, -1)],
  ],
  [
    "float remainder, exact and special",
    {
      op: "Mod",
      inputs: [
        [5.5, -5.5, 1e30, 3, inf, 2, 0],
        [2, 2, 7, inf, 2, 0, 3],
      ],
      attributes: { fmod: 1 },
    },
    [[1.5, -1.5, Math.fround(1e30) % 7, 3, nan, nan, 0]],
  ],
]);

rows("bits", [
  [
    "shifts, also by more than there are",
    {
      op: "BitShift",
      inputs: [vector("uint8", 129, 1, 255), vector("uint8", 1, 7, 8)],
      attributes: { direction: "LEFT" },
    },
    [vector("uint8", 2, 128, 0)],
  ],
  [
    "shifts right",
    {
      op: "BitShift",
      inputs: [vector("uint32", 2 ** 31 + 2, 8), vector("uint32", 1, 40)],
      attributes: { direction: "RIGHT" },
    },
    [vector("uint32", 2 ** 30 + 1, 0)],
  ],
  [
    "and",
    { op: "BitwiseAnd", inputs: [vector("int16", -1, 12), vector("int16", 255, 10)] },
    [vector("int16", 255, 8)],
  ],
  ["not", { op: "BitwiseNot", inputs: [vector("uint8", 1, 255)] }, [vector("uint8", 254, 0)]],
  ["not, signed", { op: "BitwiseNot", inputs: [vector("int64", 0, -5)] }, [vector("int64", -1, 4)]],
]);

rows("powers", [
  ["square", { op: "Pow", inputs: [[-3, 0.5], 2], constant: [1] }, [[9, 0.25]]],
  ["square root", { op: "Pow", inputs: [[4, 0, -0, -inf, -1], 0.5], constant: [1] }, [[2, 0, 0, inf, nan]]],
  ["reciprocal", { op: "Pow", inputs: [[4, 0, -0], -1], constant: [1] }, [[0.25, inf, -inf]]],
  [
    "whole powers of whole numbers",
    { op: "Pow", inputs: [vector("int32", 3, -2, 2, 1, -1, 0), vector("int32", 4, 3, -1, -5, -3, 0)] },
    [vector("int32", 81, -8, 0, 1, -1, 1)],
  ],
  [
    "constant whole powers",
    { op: "Pow", inputs: [vector("int64", 3, -2), vector("int64", 5)], constant: [1] },
    [vector("int64", 243, -32)],
  ],
  ["exponents of another type", { op: "Pow", inputs: [[2, 3], vector("int64", 3, 2)] }, [[8, 9]]],
]);

rows("extremes", [
  [
    "NaN comes through Max",
    {
      op: "Max",
      inputs: [
        [1, nan, 3],
        [2, 2, 2],
        [0, 9, 9],
      ],
    },
    [[2, nan, 9]],
  ],
  [
    "NaN comes through Min",
    {
      op: "Min",
      inputs: [
        [nan, 1],
        [2, 2],
      ],
    },
    [[nan, 1]],
  ],
  [
    "uint64 compares unsigned",
    { op: "Max", inputs: [vector("uint32", 2 ** 32 - 1), vector("uint32", 1)] },
    [vector("uint32", 2 ** 32 - 1)],
  ],
  ["one input", { op: "Sum", inputs: [[1, 2]] }, [[1, 2]]],
  ["mean of three", { op: "Mean", inputs: [[3, 6], [0], [3, 0]] }, [[2, 2]]],
]);

rows("Clip", [
  [
    "bounds as attributes",
    { op: "Clip", opset: 6, inputs: [[-1, 0.5, 9]], attributes: { min: { float: 0 }, max: { float: 6 } } },
    [[0, 0.5, 6]],
  ],
  ["no bounds", { op: "Clip", opset: 6, inputs: [[-1, 9]] }, [[-1, 9]]],
  ["no minimum", { op: "Clip", inputs: [[-1, 9], null, 6] }, [[-1, 6]]],
  ["no maximum", { op: "Clip", inputs: [[-1, 9], 0] }, [[0, 9]]],
  ["minimum above maximum", { op: "Clip", inputs: [[-1, 9], 5, 2] }, [[2, 2]]],
  ["NaN", { op: "Clip", inputs: [[nan], 0, 6] }, [[nan]]],
  [
    "uint8",
    { op: "Clip", inputs: [vector("uint8", 1, 200), null, scalar("uint8", 100)] },
    [vector("uint8", 1, 100)],
  ],
]);

const code = (dtype: DType) => ({ to: dtypes[dtype].onnx });

rows("Cast", [
  [
    "floats to narrow integers are truncated and limited",
    { op: "Cast", inputs: [[1.9, -1.9, 300, -300, nan, inf]], attributes: code("int8") },
    [vector("int8", 1, -1, 127, -128, 0, 127)],
  ],
  [
    "to unsigned",
    { op: "Cast", inputs: [[-5, 255.5, 1e9]], attributes: code("uint8") },
    [vector("uint8", 0, 255, 255)],
  ],
  [
    "to int32",
    { op: "Cast", inputs: [[3e9, -3e9, 7.99]], attributes: code("int32") },
    [vector("int32", 2 ** 31 - 1, -(2 ** 31), 7)],
  ],
  ["to bool", { op: "Cast", inputs: [[0, -0, 0.1, nan]], attributes: code("bool") }, [bools(0, 0, 1, 1)]],
  [
    "integers wrap",
    { op: "Cast", inputs: [vector("int32", 300, -1)], attributes: code("uint8") },
    [vector("uint8", 44, 255)],
  ],
  [
    "int64 to int32",
    { op: "Cast", inputs: [vector("int64", 2 ** 32 + 5, -1)], attributes: code("int32") },
    [vector("int32", 5, -1)],
  ],
  [
    "uint32 to int64",
    { op: "Cast", inputs: [vector("uint32", 2 ** 32 - 1)], attributes: code("int64") },
    [vector("int64", 2 ** 32 - 1)],
  ],
  [
    "uint32 to float",
    { op: "Cast", inputs: [vector("uint32", 2 ** 32 - 1)], attributes: code("float32") },
    [[2 ** 32]],
  ],
  [
    "int64 to float rounds once",
    { op: "Cast", inputs: [vector("int64", 2 ** 53 - 1, 16777217, 16777219)], attributes: code("float32") },
    [[2 ** 53, 16777216, 16777220]],
  ],
  [
    "float64 to float32",
    { op: "Cast", inputs: [vector("float64", 0.1, 1e300)], attributes: code("float32") },
    [[Math.fround(0.1), inf]],
  ],
  [
    "float32 to float16, ties to even",
    {
      op: "Cast",
      inputs: [[2049, 2051, 65519, 65520, 2 ** -25, 3 * 2 ** -26, nan]],
      attributes: code("float16"),
    },
    [vector("float16", 2048, 2052, 65504, inf, 0, 2 ** -24, nan)],
  ],
  [
    "float32 to bfloat16, ties to even",
    { op: "Cast", inputs: [[1 + 2 ** -8, 1 + 3 * 2 ** -8, nan]], attributes: code("bfloat16") },
    [vector("bfloat16", 1, 1 + 2 ** -6, nan)],
  ],
  ["bool to float", { op: "Cast", inputs: [bools(1, 0)], attributes: code("float32") }, [[1, 0]]],
  [
    "a type spelt out",
    { op: "Cast", opset: 1, inputs: [[1.5]], attributes: { to: "INT32" } },
    [vector("int32", 1)],
  ],
  ["CastLike", { op: "CastLike", inputs: [[2.5], vector("int64", 0)] }, [vector("int64", 2)]],
]);

rows("truth values", [
  [
    "Less of uint32",
    { op: "Less", inputs: [vector("uint32", 1), vector("uint32", 2 ** 31 + 1)] },
    [bools(1)],
  ],
  [
    "comparisons with NaN",
    {
      op: "GreaterOrEqual",
      inputs: [
        [nan, 1],
        [nan, 1],
      ],
    },
    [bools(0, 1)],
  ],
  ["Equal of bools", { op: "Equal", inputs: [bools(1, 0), bools(1, 1)] }, [bools(1, 0)]],
  [
    "Equal, aligned at an axis",
    {
      op: "Equal",
      opset: 1,
      inputs: [of("int32", [2, 2], [1, 2, 3, 4]), vector("int32", 1, 4)],
      attributes: { broadcast: 1, axis: 0 },
    },
    [of("bool", [2, 2], [1, 0, 0, 1])],
  ],
  ["Not", { op: "Not", inputs: [bools(1, 0)] }, [bools(0, 1)]],
  ["Xor broadcasts", { op: "Xor", inputs: [bools(1, 0), bools(1)] }, [bools(0, 1)]],
  [
    "Where broadcasts all three",
    { op: "Where", inputs: [of("bool", [2, 1], [1, 0]), [1, 2], 9] },
    [of("float32", [2, 2], [1, 2, 9, 9])],
  ],
  ["IsNaN", { op: "IsNaN", inputs: [[nan, 1, inf]] }, [bools(1, 0, 0)]],
  ["IsInf of both signs", { op: "IsInf", inputs: [[inf, -inf, nan]] }, [bools(1, 1, 0)]],
  [
    "IsInf of one sign",
    { op: "IsInf", inputs: [[inf, -inf]], attributes: { detect_negative: 0 } },
    [bools(1, 0)],
  ],
  [
    "IsInf of none",
    { op: "IsInf", inputs: [[inf, -inf]], attributes: { detect_negative: 0, detect_positive: 0 } },
    [bools(0, 0)],
  ],
]);

const matrix = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);

rows("old versions", [
  [
    "Add at an axis",
    { op: "Add", opset: 6, inputs: [matrix, [10, 20]], attributes: { broadcast: 1, axis: 0 } },
    [of("float32", [2, 3], [11, 12, 13, 24, 25, 26])],
  ],
  [
    "Reshape to an attribute",
    { op: "Reshape", opset: 1, inputs: [matrix], attributes: { shape: [3, -1] } },
    [of("float32", [3, 2], [1, 2, 3, 4, 5, 6])],
  ],
  [
    "Squeeze",
    { op: "Squeeze", opset: 1, inputs: [of("float32", [1, 2, 1], [1, 2])], attributes: { axes: [0] } },
    [of("float32", [2, 1], [1, 2])],
  ],
  [
    "Unsqueeze",
    { op: "Unsqueeze", opset: 11, inputs: [[1, 2]], attributes: { axes: [-1] } },
    [of("float32", [2, 1], [1, 2])],
  ],
  [
    "Slice",
    { op: "Slice", opset: 1, inputs: [matrix], attributes: { starts: [0, 1], ends: [1, 9999] } },
    [of("float32", [1, 2], [2, 3])],
  ],
  [
    "Pad",
    { op: "Pad", opset: 2, inputs: [[1, 2]], attributes: { pads: [1, 0], value: { float: 9 } } },
    [[9, 1, 2]],
  ],
  [
    "Upsample",
    {
      op: "Upsample",
      opset: 7,
      inputs: [of("float32", [1, 1, 1, 2], [1, 2])],
      attributes: { scales: { floats: [1, 1, 2, 2] } },
    },
    [of("float32", [1, 1, 2, 4], [1, 1, 2, 2, 1, 1, 2, 2])],
  ],
  [
    "Resize",
    { op: "Resize", opset: 10, inputs: [of("float32", [1, 3], [1, 2, 3]), [1, 0.7]], constant: [1] },
    [of("float32", [1, 2], [1, 2])],
  ],
  [
    "PRelu with a slope for each channel",
    { op: "PRelu", opset: 6, inputs: [of("float32", [1, 2, 2], [-1, 1, -1, -2]), [2, 3]] },
    [of("float32", [1, 2, 2], [-2, 1, -3, -6])],
  ],
  ["Dropout", { op: "Dropout", opset: 10, inputs: [[1, 2]] }, [[1, 2], bools(1, 1)]],
  [
    "Dropout with a mask of numbers",
    { op: "Dropout", opset: 7, inputs: [[1, 2]] },
    [
      [1, 2],
      [1, 1],
    ],
  ],
  [
    "BatchNormalization with statistics of every place",
    {
      op: "BatchNormalization",
      opset: 7,
      inputs: [
        of("float32", [1, 2, 1], [3, 8]),
        ...[
          [2, 1],
          [0, 1],
          [1, 2],
          [4, 9],
        ].map((v) => of("float32", [2, 1], v)),
      ],
      attributes: { spatial: 0, epsilon: { float: 0 } },
    },
    [of("float32", [1, 2, 1], [2, 3])],
  ],
]);

rows("Split", [
  [
    "into equal parts",
    { op: "Split", opset: 11, inputs: [[1, 2, 3, 4]] },
    [
      [1, 2],
      [3, 4],
    ],
  ],
  [
    "into parts of given sizes",
    { op: "Split", opset: 2, inputs: [matrix], attributes: { axis: 1, split: [1, 2] } },
    [of("float32", [2, 1], [1, 4]), of("float32", [2, 2], [2, 3, 5, 6])],
  ],
  ["by an input", { op: "Split", opset: 13, inputs: [[1, 2, 3], ints(2, 1)], constant: [1] }, [[1, 2], [3]]],
  [
    "with a smaller last part",
    { op: "Split", opset: 18, inputs: [[1, 2, 3, 4, 5]], attributes: { num_outputs: 2 } },
    [
      [1, 2, 3],
      [4, 5],
    ],
  ],
]);

rows("shapes", [
  [
    "Reshape keeps and infers",
    { op: "Reshape", inputs: [matrix, ints(0, 1, -1)], constant: [1] },
    [of("float32", [2, 1, 3], [1, 2, 3, 4, 5, 6])],
  ],
  [
    "Reshape to no elements",
    {
      op: "Reshape",
      inputs: [of("float32", [0, 3], []), ints(3, 0)],
      attributes: { allowzero: 1 },
      constant: [1],
    },
    [of("float32", [3, 0], [])],
  ],
  [
    "Flatten before the first axis",
    { op: "Flatten", inputs: [matrix], attributes: { axis: 0 } },
    [of("float32", [1, 6], [1, 2, 3, 4, 5, 6])],
  ],
  ["Shape of some axes", { op: "Shape", inputs: [matrix], attributes: { start: -1 } }, [ints(3)]],
  [
    "Shape with an end before its start",
    { op: "Shape", inputs: [matrix], attributes: { start: 1, end: 0 } },
    [ints()],
  ],
  ["Size", { op: "Size", inputs: [matrix] }, [of("int64", [], [6])]],
  ["Squeeze of all", { op: "Squeeze", inputs: [of("float32", [1, 2, 1], [1, 2])] }, [[1, 2]]],
  [
    "Expand of a scalar",
    { op: "Expand", inputs: [7, ints(2, 2)], constant: [1] },
    [of("float32", [2, 2], [7, 7, 7, 7])],
  ],
]);

rows("made of numbers", [
  [
    "ConstantOfShape",
    {
      op: "ConstantOfShape",
      inputs: [ints(2, 2)],
      attributes: { value: of("int32", [1], [3]) },
      constant: [0],
    },
    [of("int32", [2, 2], [3, 3, 3, 3])],
  ],
  ["Range of floats", { op: "Range", inputs: [1, 2, 0.5], constant: [0, 1, 2] }, [[1, 1.5]]],
  [
    "Range downwards",
    {
      op: "Range",
      inputs: [scalar("int32", 5), scalar("int32", 0), scalar("int32", -2)],
      constant: [0, 1, 2],
    },
    [vector("int32", 5, 3, 1)],
  ],
  [
    "Range of nothing",
    {
      op: "Range",
      inputs: [scalar("int64", 5), scalar("int64", 0), scalar("int64", 1)],
      constant: [0, 1, 2],
    },
    [ints()],
  ],
  [
    "EyeLike",
    { op: "EyeLike", inputs: [matrix], attributes: { k: 1, dtype: 7 } },
    [of("int64", [2, 3], [0, 1, 0, 0, 0, 1])],
  ],
  [
    "OneHot",
    { op: "OneHot", inputs: [vector("int64", 1, -1, 7), scalar("int64", 3), [5, 9]], constant: [1] },
    [of("float32", [3, 3], [5, 9, 5, 5, 5, 9, 5, 5, 5])],
  ],
  [
    "Tile with the axis as a number",
    { op: "Tile", opset: 1, inputs: [[1, 2], scalar("int64", 2), scalar("int64", 0)], constant: [1, 2] },
    [[1, 2, 1, 2]],
  ],
]);

const refusals: readonly (readonly [title: string, node: NodeCase, code: ErrorCode, message: RegExp])[] = [
  [
    "types that differ",
    { op: "Add", inputs: [[1], vector("int32", 1)] },
    "E_MODEL",
    /combines float32 and int32/,
  ],
  [
    "shapes that do not fit",
    {
      op: "Add",
      inputs: [
        [1, 2],
        [1, 2, 3],
      ],
    },
    "E_SHAPE",
    /\[2\] and \[3\] do not broadcast/,
  ],
  [
    "types outside the operator",
    { op: "Sin", inputs: [vector("int32", 1)] },
    "E_UNSUPPORTED",
    /does not take int32/,
  ],
  [
    "a permutation that is none",
    { op: "Transpose", inputs: [matrix], attributes: { perm: [0, 0] } },
    "E_MODEL",
    /perm \[0,0\] is not/,
  ],
  [
    "a reshape to other elements",
    { op: "Reshape", inputs: [matrix, ints(4, 2)], constant: [1] },
    "E_SHAPE",
    /does not reshape to \[4, 2\]/,
  ],
  [
    "two open dims",
    { op: "Reshape", inputs: [matrix, ints(-1, -1)], constant: [1] },
    "E_SHAPE",
    /is not one/,
  ],
  [
    "a squeeze of more than one element",
    { op: "Squeeze", inputs: [matrix, ints(0)], constant: [1] },
    "E_SHAPE",
    /dim 0 is 2, not 1/,
  ],
  [
    "an axis out of range",
    { op: "Gather", inputs: [matrix, ints(0)], attributes: { axis: 2 } },
    "E_MODEL",
    /axis 2 of a tensor of 2 dims/,
  ],
  [
    "an index out of range",
    { op: "Gather", inputs: [matrix, ints(2)], constant: [1] },
    "E_SHAPE",
    /index 2 of a dim of 2/,
  ],
  [
    "an index below the range",
    { op: "GatherElements", inputs: [matrix, of("int64", [1, 1], [-3])], constant: [1] },
    "E_SHAPE",
    /index -3/,
  ],
  [
    "parts that do not add up",
    { op: "Split", inputs: [[1, 2, 3], ints(2, 2)], constant: [1], outputs: 2 },
    "E_SHAPE",
    /do not make up 3/,
  ],
  [
    "a step of 0",
    { op: "Slice", inputs: [[1], ints(0), ints(1), ints(0), ints(0)], constant: [1, 2, 3, 4] },
    "E_MODEL",
    /step is 0/,
  ],
  [
    "a Range that does not end",
    { op: "Range", inputs: [0, 1, 0], constant: [0, 1, 2] },
    "E_MODEL",
    /delta is 0/,
  ],
  [
    "powers of integers that are not whole",
    { op: "Pow", inputs: [vector("int32", 2), 0.5], constant: [1] },
    "E_UNSUPPORTED",
    /not whole/,
  ],
  [
    "remainders of floats with the divisor's sign",
    { op: "Mod", inputs: [[1], [2]] },
    "E_MODEL",
    /fmod must be 1/,
  ],
  [
    "reflection of nothing",
    {
      op: "Pad",
      inputs: [of("float32", [0], []), ints(1, 0)],
      attributes: { mode: "reflect" },
      constant: [1],
    },
    "E_SHAPE",
    /without elements/,
  ],
  [
    "unknown modes",
    { op: "Resize", inputs: [matrix, null, [1, 2]], attributes: { mode: "fuzzy" }, constant: [2] },
    "E_UNSUPPORTED",
    /mode "fuzzy"/,
  ],
  [
    "interpolated integers",
    { op: "Resize", inputs: [vector("int32", 1), null, [2]], attributes: { mode: "linear" }, constant: [2] },
    "E_UNSUPPORTED",
    /"linear" on int32/,
  ],
  [
    "shrinking with antialias",
    {
      op: "Resize",
      inputs: [matrix, null, [1, 0.4]],
      attributes: { mode: "linear", antialias: 1 },
      constant: [2],
    },
    "E_UNSUPPORTED",
    /antialias/,
  ],
  [
    "training",
    {
      op: "BatchNormalization",
      inputs: [of("float32", [1, 1], [1]), [1], [1], [1], [1]],
      attributes: { training_mode: 1 },
    },
    "E_UNSUPPORTED",
    /training mode/,
  ],
];

describe("refusals", () => {
  test.each(refusals.map((row) => [...row] as const))("%s", async (_, node, errorCode, message) => {
    await expectError(() => graphOf(node, (i) => node.constant?.includes(i) ?? false), errorCode, message);
  });
});

test("numbers beyond 2^53 are left to run time", async () => {
  const far = { ...ints(0), data: BigInt64Array.of(2n ** 53n + 1n) };
  const sum = await graphOf({ op: "Add", inputs: [far, ints(1)] }, () => true);
  expect(sum.nodes.map(({ operator }) => operator)).toEqual(["Add"]);
  const moved = await graphOf({ op: "Unsqueeze", inputs: [far, ints(0)] }, () => true);
  expect(moved.outputs[0]!.constant?.data[0]).toBe(2n ** 53n + 1n);
});
