/** ReverseSequence and Det, by tables. */

import { expect, test } from "vitest";
import { evaluate, ints, of } from "./harness.js";
import { matrix, rows } from "./rows.js";

rows("ReverseSequence", [
  [
    "times first",
    { op: "ReverseSequence", inputs: [of("float32", [3, 2], [1, 2, 3, 4, 5, 6]), ints(2, 3)] },
    [of("float32", [3, 2], [3, 6, 1, 4, 5, 2])],
  ],
  [
    "batch first, and no or one element",
    { op: "ReverseSequence", inputs: [matrix, ints(0, 1)], attributes: { batch_axis: 0, time_axis: 1 } },
    [matrix],
  ],
  [
    "with dims behind, of int8",
    {
      op: "ReverseSequence",
      inputs: [of("int8", [1, 3, 2], [1, 2, 3, 4, 5, 6]), ints(3)],
      attributes: { batch_axis: 0, time_axis: 1 },
    },
    [of("int8", [1, 3, 2], [5, 6, 3, 4, 1, 2])],
  ],
]);

test("sequences that are longer than the time", () =>
  expect(evaluate({ op: "ReverseSequence", inputs: [matrix, ints(1, 2, 3)] })).rejects.toThrow(
    "a sequence of 3 elements, of 2",
  ));

rows("Det", [
  ["one matrix", { op: "Det", inputs: [of("float32", [2, 2], [0, 2, 3, 4])] }, [-6]],
  [
    "several, one of them singular",
    { op: "Det", inputs: [of("float32", [2, 2, 2], [1, 2, 2, 4, 1, 2, 3, 4])] },
    [[0, -2]],
  ],
  [
    "a larger one, of float64",
    { op: "Det", inputs: [of("float64", [3, 3], [2, 0, 1, 1, 3, 2, 1, 1, 4])] },
    [of("float64", [], [18])],
  ],
  ["of float16", { op: "Det", inputs: [of("float16", [1, 1], [3])] }, [of("float16", [], [3])]],
  ["of no elements", { op: "Det", inputs: [of("float32", [2, 0, 0], [])] }, [[1, 1]]],
]);
