/** Quotients in shape arithmetic, of which only the run knows the sign. */

import { describe, test } from "vitest";
import { expectLevels } from "../harness.js";
import type { NodeSpec } from "../onnx/build-model.js";
import { ints, of } from "./harness.js";

const node = (op: string, inputs: string[], output: string): NodeSpec => ({ op, inputs, outputs: [output] });

/** (n + `added`) / `divisor` for the dim n. */
const quotient = (added: number, divisor: number) => ({
  opset: 21,
  inputs: { x: ["float32", ["n"]] as const },
  outputs: { y: ["int64"] as const },
  initializers: { added: ints(added), divisor: ints(divisor) },
  nodes: [
    node("Shape", ["x"], "n"),
    node("Add", ["n", "added"], "sum"),
    node("Div", ["sum", "divisor"], "y"),
  ],
});

describe("quotients of dims are truncated", () => {
  test.each([
    [-5, 2],
    [-4, 3],
    [3, -2],
    [-8, -3],
  ])("(n + %d) / %d", async (added, divisor) => {
    for (const n of [0, 1, 2, 7]) {
      const x = of("float32", [n], new Array(n).fill(1));
      const y = ints(Math.trunc((n + added) / divisor) + 0);
      await expectLevels(quotient(added, divisor), { x }, { reference: { y }, levels: ["loops-O3", "wasm"] });
    }
  });

  test("by a dim that may be negative, or zero", async () => {
    const model = {
      ...quotient(1, 0),
      inputs: { x: ["float32", ["n"]] as const, z: ["float32", ["m"]] as const },
      nodes: [
        node("Shape", ["x"], "n"),
        node("Shape", ["z"], "m"),
        node("Sub", ["m", "four"], "b"),
        node("Sub", ["n", "three"], "a"),
        node("Div", ["a", "b"], "y"),
      ],
      initializers: { three: ints(3), four: ints(4) },
    };
    for (const [n, m] of [
      [8, 2],
      [0, 6],
      [1, 1],
      [9, 4],
    ] as const) {
      const [x, z] = [of("float32", [n], new Array(n).fill(1)), of("float32", [m], new Array(m).fill(1))];
      const y = ints(m === 4 ? 0 : Math.trunc((n - 3) / (m - 4)) + 0);
      await expectLevels(model, { x, z }, { reference: { y }, levels: ["loops-O3", "wasm"] });
    }
  });
});
