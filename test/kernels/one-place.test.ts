/** Dims that are walked as one, the last of which holds a single place. */

import { test } from "vitest";
import { randomTensor } from "../harness-random.js";
import { expectNode } from "./cases.js";

test("1x1 convolution on a column, and what is added to it", async () => {
  for (const spatial of [
    [4, 1],
    [1, 4],
    [1, 1],
  ]) {
    await expectNode({
      op: "Conv",
      inputs: [randomTensor(1, [1, 4, ...spatial]), randomTensor(2, [4, 4, 1, 1]), randomTensor(3, [4])],
      constants: [1, 2],
    });
  }
});

test("vectors by one matrix, and what is added to them", async () => {
  await expectNode({
    op: "MatMul",
    inputs: [randomTensor(1, [4, 1, 8]), randomTensor(2, [8, 5])],
    constants: [1],
    initializers: { b: randomTensor(3, [1, 1, 5]) },
    after: [{ op: "Add", inputs: ["y", "b"], outputs: ["z"] }],
  });
});
