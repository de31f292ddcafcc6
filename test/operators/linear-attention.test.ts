/** Linear attention and the causal convolution before it: what ONNX's cases leave out. */

import { describe, expect, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import { randomTensor } from "../harness-random.js";
import { expectResults, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";

const tolerance = { relative: 1e-4, absolute: 1e-6 };

const some = (seed: number, ...dims: number[]): TensorData => randomTensor(seed, dims);

interface Layer {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly scale: number;
}

/** The recurrence as the specification has it, a number at a time. */
function recurrence(p: Layer, inputs: readonly (TensorData | null)[]): [TensorData, TensorData] {
  const [q, k, v, past, decay, beta] = inputs.map((x) => (x === null ? null : decodeElements(x)));
  const { batch, length, heads, keyHeads, keySize: rows, valueSize: columns } = p;
  const decays = (inputs[4]?.dims[2] ?? 0) / keyHeads;
  const betas = inputs[5]?.dims[2] ?? 0;
  const output = new Array<number>(batch * length * heads * columns).fill(0);
  const present: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < keyHeads; h++) {
      const start = (n * keyHeads + h) * rows * columns;
      const state = Array.from({ length: rows * columns }, (_, i) => past?.[start + i] ?? 0);
      for (let t = 0; t < length; t++) {
        const row = n * length + t;
        const key = (d: number) => k![(row * keyHeads + h) * rows + d]!;
        for (let d = 0; d < rows && decay; d++) {
          const rate = decay[(row * keyHeads + h) * decays + (decays === 1 ? 0 : d)]!;
          for (let m = 0; m < columns; m++) state[d * columns + m]! *= Math.exp(rate);
        }
        for (let m = 0; m < columns; m++) {
          let value = v![(row * keyHeads + h) * columns + m]!;
          if (beta) {
            for (let d = 0; d < rows; d++) value -= state[d * columns + m]! * key(d);
            value *= beta[row * betas + (betas === 1 ? 0 : h)]!;
          }
          for (let d = 0; d < rows; d++) state[d * columns + m]! += key(d) * value;
          const group = heads / keyHeads;
          for (let reader = h * group; reader < (h + 1) * group; reader++) {
            let sum = 0;
            for (let d = 0; d < rows; d++)
              sum += q![(row * heads + reader) * rows + d]! * state[d * columns + m]!;
            output[(row * heads + reader) * columns + m] = sum * p.scale;
          }
        }
      }
      present.push(...state);
    }
  }
  return [
    of("float32", [batch, length, heads * columns], output),
    of("float32", [batch, keyHeads, rows, columns], present),
  ];
}

const small: Layer = {
  batch: 2,
  length: 3,
  heads: 4,
  keyHeads: 2,
  keySize: 3,
  valueSize: 5,
  scale: 1 / Math.sqrt(3),
};

function inputsOf(p: Layer): TensorData[] {
  const { batch, length, heads, keyHeads, keySize, valueSize } = p;
  return [
    some(1, batch, length, heads * keySize),
    some(2, batch, length, keyHeads * keySize),
    some(3, batch, length, keyHeads * valueSize),
    some(4, batch, keyHeads, keySize, valueSize),
    some(5, batch, length, keyHeads * keySize),
    some(6, batch, length, keyHeads),
  ];
}

const layer = (p: Layer, rule: string, inputs: readonly (TensorData | null)[]): NodeCase => ({
  op: "LinearAttention",
  opset: 27,
  attributes: { q_num_heads: p.heads, kv_num_heads: p.keyHeads, update_rule: rule },
  inputs,
});

describe("LinearAttention", () => {
  const [q, k, v, past, decay, beta] = inputsOf(small) as [
    TensorData,
    TensorData,
    TensorData,
    TensorData,
    TensorData,
    TensorData,
  ];
  const perHead = some(7, 2, 3, 2);
  const shared = some(8, 2, 3, 1);

  test.each([
    ["linear", [q, k, v, past]],
    ["gated", [q, k, v, null, decay]],
    ["gated", [q, k, v, past, perHead]],
    ["delta", [q, k, v, past, null, beta]],
    ["delta", [q, k, v, null, null, shared]],
    ["gated_delta", [q, k, v, past, decay, shared]],
    ["gated_delta", [q, k, v, past, perHead, beta]],
  ] as const)("%s, %#", async (rule, inputs) => {
    const all = [0, 1, 2, 3, 4, 5].map((i) => inputs[i] ?? null);
    const wanted = recurrence(small, all);
    await expectResults(layer(small, rule, inputs), wanted, tolerance);
    const open = { ...layer(small, rule, inputs), open: [0, 1, 2, 3, 4, 5], outputs: 2 };
    const results = await interpret(open);
    for (const [i, result] of results.entries()) expectTensor(result, wanted[i]!, tolerance);
  });

  test("more heads of queries than read the state at once", () => {
    const p = { ...small, heads: 11, keyHeads: 1 };
    const [wide, key, value] = inputsOf(p);
    return expectResults(
      layer(p, "linear", [wide!, key!, value!]),
      recurrence(p, [wide!, key!, value!, null, null, null]),
      tolerance,
    );
  });

  test("keys of one element, and a scale", () => {
    const p = { ...small, keySize: 1, scale: 0.5 };
    const inputs = inputsOf(p);
    const node = layer(p, "gated_delta", inputs);
    return expectResults(
      { ...node, attributes: { ...node.attributes, scale: { float: 0.5 } } },
      recurrence(p, inputs),
      tolerance,
    );
  });

  test("no token leaves the state as it is", () =>
    expectResults(layer(small, "linear", [some(1, 2, 0, 12), some(1, 2, 0, 6), some(1, 2, 0, 10), past]), [
      of("float32", [2, 0, 20], []),
      past,
    ]));

  test("the state may have another type than the tokens", async () => {
    const half = (x: TensorData) => of("float16", x.dims, Array.from(decodeElements(x)));
    const tokens = [q, k, v].map(half);
    const [y, state] = recurrence(small, [...tokens, past, null, null]);
    await expectResults(layer(small, "linear", [...tokens, past]), [half(y), state], {
      relative: 2e-3,
      absolute: 1e-3,
    });
  });

  test.each([
    ["gated", [q, k, v], 'update_rule "gated" needs decay'],
    ["linear", [q, k, v, null, decay], 'update_rule "linear" has no decay'],
    ["linear", [q, k, v, null, null, beta], 'update_rule "linear" has no beta'],
    ["toString", [q, k, v], 'update_rule "toString" is not defined'],
    ["gated", [q, k, v, null, some(1, 2, 3, 3)], "decay of 3 elements for 2 heads of 3"],
    ["linear", [q, some(1, 2, 4, 6), v], "input 1 is [2,4,6], not [2,3,6]"],
    ["linear", [q, k, v, some(1, 2, 2, 3, 4)], "past_state is [2,2,3,4], not [2,2,3,5]"],
    ["linear", [q, k, of("float16", v.dims, new Array(60).fill(0))], "combines float32 and float16"],
  ] as const)("%s is refused: %#", async (rule, inputs, reason) => {
    await expect(graphOf(layer(small, rule, inputs), () => false)).rejects.toThrow(reason);
  });
});

/** Results and last elements of the convolution, a number at a time. */
function convolved(
  x: TensorData,
  w: TensorData,
  bias: TensorData | null,
  past: TensorData | null,
  activate: (x: number) => number = (sum) => sum,
): [TensorData, TensorData] {
  const [batch, channels, length] = x.dims as [number, number, number];
  const taps = w.dims[2]!;
  const [a, b, c, d] = [x, w, bias, past].map((given) => (given === null ? null : decodeElements(given)));
  const output: number[] = [];
  const present: number[] = [];
  for (let row = 0; row < batch * channels; row++) {
    const line = [
      ...Array.from({ length: taps - 1 }, (_, i) => d?.[row * (taps - 1) + i] ?? 0),
      ...Array.from({ length }, (_, i) => a![row * length + i]!),
    ];
    for (let t = 0; t < length; t++) {
      const sum = Array.from({ length: taps }, (_, k) => line[t + k]! * b![(row % channels) * taps + k]!);
      output.push(activate(sum.reduce((p, q) => p + q, c?.[row % channels] ?? 0)));
    }
    present.push(...line.slice(line.length - (taps - 1)));
  }
  return [of(x.dtype, x.dims, output), of(x.dtype, [batch, channels, taps - 1], present)];
}

const causal = (
  inputs: readonly (TensorData | null)[],
  activation?: string,
  more: Partial<NodeCase> = {},
): NodeCase => ({
  op: "CausalConvWithState",
  opset: 27,
  inputs,
  ...(activation !== undefined && { attributes: { activation } }),
  ...more,
});

describe("CausalConvWithState", () => {
  test.each([
    ["longer than its window", 9, 4],
    ["shorter than its window", 2, 5],
    ["of one element", 1, 4],
    ["with a window of one", 6, 1],
    ["with a long window", 20, 11],
    ["of nothing", 0, 3],
  ])("input %s", async (_, length, taps) => {
    const [x, w] = [some(1, 2, 3, length), some(2, 3, 1, taps)];
    const [bias, past] = [some(3, 3), some(4, 2, 3, taps - 1)];
    const swish = (v: number) => v / (1 + Math.exp(-v));
    await expectResults(causal([x, w]), convolved(x, w, null, null), tolerance);
    const wanted = convolved(x, w, bias, past, swish);
    await expectResults(causal([x, w, bias, past], "silu"), wanted, tolerance);
    const open = causal([x, w, bias, past], "swish", { open: [0, 1, 2, 3], outputs: 2 });
    const results = await interpret(open);
    for (const [i, result] of results.entries()) expectTensor(result, wanted[i]!, tolerance);
  });

  test("of doubles", () => {
    const double = (x: TensorData) => of("float64", x.dims, Array.from(decodeElements(x)));
    const [x, w] = [double(some(1, 1, 2, 7)), double(some(2, 2, 1, 3))];
    return expectResults(causal([x, w]), convolved(x, w, null, null), { relative: 1e-13, absolute: 1e-15 });
  });

  test.each([
    [causal([some(1, 1, 2, 7), some(2, 2, 1, 3)], "relu"), 'activation "relu" is not defined'],
    [causal([some(1, 1, 2, 7), some(2, 3, 1, 3)]), "input 1 is [3,1,3], not [2,1,3]"],
    [causal([some(1, 1, 2, 7), some(2, 2, 1, 3), null, some(3, 1, 2, 3)]), "input 3 is [1,2,3], not [1,2,2]"],
    [causal([some(1, 1, 2, 7), some(2, 2, 1, 0)]), "its weights are empty"],
  ])("is refused: %#", async (node, reason) => {
    await expect(graphOf(node, () => false)).rejects.toThrow(reason);
  });
});
