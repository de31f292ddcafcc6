/** Recurrent networks in every direction. */

import fc from "fast-check";
import { data, seeds, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;

const networks = (op: keyof typeof gates): fc.Arbitrary<PropertyCase> =>
  fc
    .record({
      seed: seeds,
      length: whole(1, 4),
      batch: whole(1, 3),
      input: whole(1, 5),
      hidden_size: whole(1, 5),
      direction: fc.constantFrom("forward", "reverse", "bidirectional"),
      linear_before_reset: whole(0, 1),
      hasBias: fc.boolean(),
      hasState: fc.boolean(),
    })
    .map(({ seed, length, batch, input, hidden_size, direction, hasBias, hasState, ...g }) => {
      const ways = direction === "bidirectional" ? 2 : 1;
      const rows = gates[op] * hidden_size;
      const state = [ways, batch, hidden_size];
      const isLstm = op === "LSTM";
      const states = hasState ? [data(seed + 4, state), ...(isLstm ? [data(seed + 5, state)] : [])] : [];
      return {
        op,
        opset: 14,
        inputs: [
          data(seed, [length, batch, input]),
          data(seed + 1, [ways, rows, input]),
          data(seed + 2, [ways, rows, hidden_size]),
          hasBias ? data(seed + 3, [ways, 2 * rows]) : null,
          null,
          ...states,
        ],
        constants: [1, 2, 3],
        attributes: {
          hidden_size,
          direction,
          ...(op === "GRU" && { linear_before_reset: g.linear_before_reset }),
        },
        outputs: isLstm ? ["float32", "float32", "float32"] : ["float32", "float32"],
      };
    });

for (const op of ["RNN", "GRU", "LSTM"] as const) property(op, { cases: networks(op) });
