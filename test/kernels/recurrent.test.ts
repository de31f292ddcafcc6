/** Recurrent layers of random sizes against onnxruntime-web at every level. */

import fc from "fast-check";
import { test } from "vitest";
import { randomTensor, sweep } from "../harness-random.js";
import { expectNode } from "./cases.js";

const layers = fc.record({
  op: fc.constantFrom("RNN", "GRU", "LSTM"),
  steps: fc.integer({ min: 1, max: 5 }),
  batch: fc.constantFrom(1, 1, 2, 3, 5),
  size: fc.integer({ min: 1, max: 20 }),
  hidden: fc.constantFrom(1, 3, 4, 8, 15, 32, 40),
  direction: fc.constantFrom("forward", "reverse", "bidirectional"),
  after: fc.constantFrom(0, 1),
  constant: fc.boolean(),
  given: fc.boolean(),
});

test("random layers", () =>
  fc.assert(
    fc.asyncProperty(layers, ({ op, steps, batch, size, hidden, direction, after, constant, given }) => {
      const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op]!;
      const directions = direction === "bidirectional" ? 2 : 1;
      const some = (seed: number, ...dims: number[]) => randomTensor(seed, dims);
      const state = (seed: number) => (given ? some(seed, directions, batch, hidden) : null);
      return expectNode({
        op,
        opset: 14,
        inputs: [
          some(1, steps, batch, size),
          some(2, directions, gates * hidden, size),
          some(3, directions, gates * hidden, hidden),
          some(4, directions, 2 * gates * hidden),
          null,
          ...(op === "LSTM" ? [state(5), state(6)] : [state(5)]),
        ],
        constants: constant ? [1, 2, 3] : [],
        attributes: {
          hidden_size: hidden,
          direction,
          ...(op === "GRU" && { linear_before_reset: after }),
        },
      });
    }),
    sweep(16),
  ));
