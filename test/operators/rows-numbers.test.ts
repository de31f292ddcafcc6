/** Arithmetic, conversions and truth values, by tables: types, limits, special values. */

import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { of } from "./harness.js";
import { bools, rows, scalar, vector } from "./rows.js";

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
  [
    "powers of whole numbers that are not whole",
    { op: "Pow", inputs: [vector("int32", 10, 2, -2, 0, 3), [0.5, 3.5, 0.5, -0.5, -1.5]] },
    [vector("int32", 3, 11, 0, 2147483647, 0)],
  ],
  [
    "a constant power of whole numbers that is not whole",
    { op: "Pow", inputs: [vector("int64", 9, 10, 2), 1.5], constant: [1] },
    [vector("int64", 27, 31, 2)],
  ],
  [
    "exponents of more digits than the base has",
    { op: "Pow", inputs: [[-1, -1, -0, 2], vector("int64", 16777217, 16777216, -16777217, -3)] },
    [[-1, 1, -inf, 0.125]],
  ],
  [
    "exponents in doubles",
    { op: "Pow", inputs: [[-1, 4, 9], vector("float64", 16777217, 0.5, -0.5)] },
    [[-1, 2, Math.fround(1 / 3)]],
  ],
  [
    "powers of doubles",
    { op: "Pow", inputs: [vector("float64", 2, 10, -8, 0), vector("float64", 0.5, -3, 3, -1)] },
    [vector("float64", Math.SQRT2, 1e-3, -512, inf)],
  ],
]);

rows("numbers of types that are seldom asked for", [
  [
    "the remainder of doubles",
    {
      op: "Mod",
      attributes: { fmod: 1 },
      inputs: [
        vector("float64", 5.5, -5.5, 1e308, 1, 7, 5e-324, inf, 3, 2 ** 60 + 256, 1e300),
        vector("float64", 2, 2, 5e-324, inf, 0, 3, 2, 1e-310, 3, 7.1e-290),
      ],
    },
    [
      vector(
        "float64",
        ...[1.5, -1.5, 0, 1, nan, 5e-324, nan, 3 % 1e-310, (2 ** 60 + 256) % 3, 1e300 % 7.1e-290],
      ),
    ],
  ],
  [
    "the error function of integers",
    { op: "Erf", inputs: [vector("int8", -128, -6, -5, 0, 5, 6)] },
    [vector("int8", -1, -1, 0, 0, 0, 1)],
  ],
  [
    "the error function of unsigned integers",
    { op: "Erf", inputs: [vector("uint64", 0, 5, 6, 200)] },
    [vector("uint64", 0, 0, 1, 1)],
  ],
  [
    "Shrink of integers",
    {
      op: "Shrink",
      opset: 9,
      attributes: { lambd: { float: 1.5 }, bias: { float: 0.75 } },
      inputs: [vector("int32", -4, -2, -1, 0, 1, 2, 4)],
    },
    [vector("int32", -3, -1, 0, 0, 0, 1, 3)],
  ],
  [
    "NaN among floats of 8 bits",
    { op: "IsNaN", inputs: [of("float8e4m3fn", [3], [nan, 1, -448])] },
    [vector("bool", 1, 0, 0)],
  ],
  [
    "infinities among floats of 8 bits",
    {
      op: "IsInf",
      attributes: { detect_negative: 0 },
      inputs: [of("float8e5m2", [4], [inf, -inf, nan, 57344])],
    },
    [vector("bool", 1, 0, 0, 0)],
  ],
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
