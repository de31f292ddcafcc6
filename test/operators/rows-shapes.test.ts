/** Operators that change shapes or make tensors, and old versions of all kinds, by tables. */

import { ints, of } from "./harness.js";
import { bools, matrix, rows, scalar, vector } from "./rows.js";

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
