/** What operators refuse, and how they say so; integers that numbers do not hold. */

import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { expectError } from "../onnx/raises.js";
import { graphOf, ints, type NodeCase, of } from "./harness.js";
import { matrix, vector } from "./rows.js";

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
    "interpolated truths",
    {
      op: "Resize",
      inputs: [of("bool", [1], [1]), null, [2]],
      attributes: { mode: "linear" },
      constant: [2],
    },
    "E_UNSUPPORTED",
    /"linear" on bool/,
  ],
  [
    "scales and sizes at once",
    { op: "Resize", inputs: [matrix, null, [1, 2], ints(2, 3)], constant: [2, 3] },
    "E_MODEL",
    /either scales or sizes/,
  ],
  [
    "a shape of no integers",
    { op: "Reshape", inputs: [matrix, [6]], constant: [1] },
    "E_MODEL",
    /input shape holds float32/,
  ],
  [
    "a shape below nothing",
    { op: "Expand", inputs: [matrix, ints(-2, 2, 3)], constant: [1] },
    "E_SHAPE",
    /shape \[-2, 2, 3\]/,
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
