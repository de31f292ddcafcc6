/** Recurrent layers against onnxruntime-web, and what it does not have against what it has. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { recurrentActivations } from "../../compiler/kernels/recurrent-activations.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { evaluate, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const tolerance = { relative: 1e-5, absolute: 2e-6 };

const gatesOf = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Layer = keyof typeof gatesOf;

interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly size: number;
  readonly hidden: number;
  readonly directions: number;
}

interface Options extends Partial<Sizes> {
  readonly dtype?: DType;
  readonly bias?: boolean;
  readonly lengths?: readonly number[];
  readonly initial?: boolean;
  readonly peepholes?: boolean;
  readonly attributes?: Record<string, AttributeSpec>;
}

const usual: Sizes = { steps: 4, batch: 2, size: 3, hidden: 5, directions: 1 };

function layer(op: Layer, options: Options): NodeCase {
  const random = randomNumbers(11);
  const sizes = { ...usual, ...options };
  const { steps, batch, size, hidden, directions } = sizes;
  const gates = gatesOf[op];
  const some = (dims: readonly number[]): TensorData =>
    of(
      options.dtype ?? "float32",
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
    );
  const x = some([steps, batch, size]);
  const [w, r] = [some([directions, gates * hidden, size]), some([directions, gates * hidden, hidden])];
  const bias = options.bias ? some([directions, 2 * gates * hidden]) : null;
  const lengths = options.lengths ? of("int32", [batch], options.lengths) : null;
  const state = () => (options.initial ? some([directions, batch, hidden]) : null);
  const peepholes = options.peepholes ? some([directions, 3 * hidden]) : null;
  const more = op === "LSTM" ? [state(), state(), peepholes] : [state()];
  return {
    op,
    opset: 14,
    inputs: [x, w, r, bias, lengths, ...more],
    outputs: op === "LSTM" ? 3 : 2,
    ...(options.dtype !== undefined && { result: options.dtype }),
    attributes: { hidden_size: hidden, ...options.attributes },
  };
}

async function agree(node: NodeCase): Promise<void> {
  const expected = await rivalResults(node);
  for (const results of [
    await evaluate(node),
    await interpret(node),
    await interpret({ ...node, constant: [1, 2, 3] }),
  ]) {
    for (const [i, one] of expected.entries()) expectTensor(results[i]!, one, tolerance);
  }
}

const both = { direction: "bidirectional" };
const everywhere = { bias: true, initial: true };

const cases: Record<string, Options> = {
  "the least": {},
  "bias and initial states": everywhere,
  reverse: { ...everywhere, attributes: { direction: "reverse" } },
  bidirectional: { ...everywhere, directions: 2, attributes: both },
  "one row and one step": { ...everywhere, batch: 1, steps: 1 },
  "one row and many units": { ...everywhere, batch: 1, hidden: 37 },
  "many rows": { ...everywhere, batch: 7, hidden: 8 },
  "lengths of sequences": { ...everywhere, lengths: [2, 4] },
  "lengths of reversed sequences": { ...everywhere, lengths: [3, 1], attributes: { direction: "reverse" } },
  "lengths of sequences in both directions": {
    ...everywhere,
    directions: 2,
    lengths: [4, 2],
    attributes: both,
  },
  clip: { ...everywhere, attributes: { clip: { float: 0.25 } } },
};

describe.each(["RNN", "GRU", "LSTM"] as const)("%s", (op) => {
  for (const [name, options] of Object.entries(cases)) test(name, () => agree(layer(op, options)));

  test("the last state of both directions", async () => {
    const node = layer(op, { ...everywhere, directions: 2, attributes: both });
    const [y, last] = await interpret(node);
    const [values, state] = [decodeElements(y!), decodeElements(last!)];
    // [steps 4, directions 2, batch 2, hidden 5]: the last step forwards, the first one backwards.
    expect(Array.from(state).slice(0, 10)).toEqual(Array.from(values).slice(60, 70));
    expect(Array.from(state).slice(10)).toEqual(Array.from(values).slice(10, 20));
  });

  test("dims that only the run knows", async () => {
    const node = layer(op, { ...everywhere, lengths: [2, 4] });
    const known = await interpret(node);
    const all = node.inputs.map((_, i) => i);
    for (const open of [all, [0], [0, 4, 5]]) {
      const results = await interpret({ ...node, open });
      for (const [i, one] of known.entries()) expectTensor(results[i]!, one, tolerance);
    }
  });

  test("batches first", async () => {
    const node = layer(op, { ...everywhere, lengths: [2, 4] });
    const turned = node.inputs.map((input, i) => {
      const axes = i === 0 || i === 5 || (i === 6 && op === "LSTM");
      return axes && input !== null ? swapFirst(input as TensorData) : input;
    });
    const results = await interpret({
      ...node,
      inputs: turned,
      attributes: { ...node.attributes, layout: 1 },
    });
    const [y, ...states] = await interpret(node);
    const [steps, directions, batch, hidden] = y!.dims as [number, number, number, number];
    const values = decodeElements(y!);
    const expected = Array.from({ length: values.length }, (_, at) => {
      const [b, t, unit] = [Math.floor(at / (steps * hidden)), Math.floor(at / hidden) % steps, at % hidden];
      return values[(t * batch + b) * hidden + unit]!;
    });
    expectTensor(results[0]!, of("float32", [batch, steps, directions, hidden], expected));
    for (const [i, state] of states.entries()) expectTensor(results[i + 1]!, swapFirst(state));
  });

  test("other element types", async () => {
    for (const [dtype, error] of [
      ["float64", 1e-5],
      ["float16", 4e-3],
      ["bfloat16", 4e-2],
    ] as const) {
      const options = { ...everywhere, lengths: [2, 4] };
      const expected = await interpret(layer(op, options));
      const node = layer(op, { ...options, dtype });
      for (const results of [await interpret(node), await interpret({ ...node, constant: [1, 2, 3] })]) {
        for (const [i, one] of expected.entries()) {
          expect(results[i]!.dtype).toBe(dtype);
          const actual = of("float32", one.dims, Array.from(decodeElements(results[i]!)));
          expectTensor(actual, one, { absolute: error });
        }
      }
    }
  });
});

/** The tensor with its first two dims changed, the first or second of which is of one element or both alike. */
function swapFirst({ dtype, dims, data }: TensorData): TensorData {
  const [a, b, c] = dims as [number, number, number];
  const values = Array.from({ length: data.length }, (_, at) => {
    const [i, j, k] = [Math.floor(at / (a * c)), Math.floor(at / c) % a, at % c];
    return decodeElements({ dtype, dims, data })[(j * b + i) * c + k]!;
  });
  return of(dtype, [b, a, c], values);
}

describe("variants", () => {
  test("GRU that resets behind the product", async () => {
    const attributes = { linear_before_reset: 1 };
    await agree(layer("GRU", { attributes }));
    await agree(layer("GRU", { ...everywhere, lengths: [1, 3], attributes }));
    await agree(layer("GRU", { ...everywhere, directions: 2, attributes: { ...attributes, ...both } }));
    await agree(layer("GRU", { ...everywhere, attributes: { ...attributes, clip: { float: 0.3 } } }));
  });

  test("LSTM with peepholes", async () => {
    await agree(layer("LSTM", { ...everywhere, peepholes: true }));
    await agree(layer("LSTM", { ...everywhere, peepholes: true, directions: 2, attributes: both }));
    await agree(layer("LSTM", { ...everywhere, peepholes: true, attributes: { clip: { float: 0.2 } } }));
  });

  test("LSTM with coupled gates", () =>
    agree(layer("LSTM", { ...everywhere, attributes: { input_forget: 1 } })));

  test.each(Object.keys(recurrentActivations))("activation %s", async (name) => {
    const { alpha, beta } = recurrentActivations[name]!;
    // What onnxruntime takes for parameters that a node does not give is not what the operators of these names take.
    const attributes = {
      activations: [name],
      ...(alpha !== undefined && { activation_alpha: { floats: [alpha] } }),
      ...(beta !== undefined && { activation_beta: { floats: [beta] } }),
    };
    const node = layer("RNN", { ...everywhere, steps: 2, attributes });
    await agree(node);
    const bare = { ...node, attributes: { ...node.attributes } };
    delete bare.attributes.activation_alpha;
    delete bare.attributes.activation_beta;
    const [[given], [taken]] = [await interpret(node), await interpret(bare)];
    expectTensor(taken!, given!);
  });

  test("parameters of activations are taken in order", async () => {
    const activations = ["HardSigmoid", "ScaledTanh", "Relu", "Sigmoid", "LeakyRelu", "Affine"];
    const parameters = {
      activations,
      activation_alpha: { floats: [0.3, 0.8, 0.05, 0.7] },
      activation_beta: { floats: [0.4, 1.2, 0.1] },
    };
    await agree(layer("LSTM", { ...everywhere, directions: 2, attributes: { ...both, ...parameters } }));
  });

  test("names of activations in any case", async () => {
    const [[lower], [usual]] = [
      await interpret(layer("RNN", { attributes: { activations: ["tanh"] } })),
      await interpret(layer("RNN", {})),
    ];
    expectTensor(lower!, usual!);
  });
});

describe("edges", () => {
  test.each(["RNN", "GRU", "LSTM"] as const)("%s of a sequence of no steps gives 0", (op) =>
    agree(layer(op, { ...everywhere, lengths: [0, 2] })),
  );

  test("lengths beyond the steps are those", async () => {
    const [long, exact] = [
      [9, 4],
      [4, 4],
    ].map((lengths) => layer("LSTM", { ...everywhere, lengths, attributes: { direction: "reverse" } }));
    const [a, b] = [await interpret(long!), await interpret(exact!)];
    for (const [i, one] of b.entries()) expectTensor(a[i]!, one);
  });

  test("no steps at all give the initial state", async () => {
    const node = layer("LSTM", { ...everywhere, steps: 0 });
    const [y, h] = await interpret(node);
    expect(y!.dims).toEqual([0, 1, 2, 5]);
    expectTensor(h!, node.inputs[5] as TensorData);
  });

  test("only the outputs that are asked for", async () => {
    const [y, ...none] = await interpret({ ...layer("LSTM", everywhere), outputs: 1 });
    expect([y!.dims, none.length]).toEqual([[4, 1, 2, 5], 0]);
  });

  test("version 1 says whether all steps are wanted", async () => {
    const node = layer("LSTM", { ...everywhere, attributes: { output_sequence: 1 } });
    const [a] = await interpret({ ...node, opset: 1 });
    const [b] = await interpret(layer("LSTM", everywhere));
    expectTensor(a!, b!);
  });
});

describe("what is refused", () => {
  const refused: [name: string, node: NodeCase, message: string][] = [
    ["a direction", layer("RNN", { attributes: { direction: "up" } }), 'direction "up"'],
    ["a layout", layer("RNN", { attributes: { layout: 2 } }), "layout 2"],
    ["an activation", layer("RNN", { attributes: { activations: ["Sine"] } }), 'activation "Sine"'],
    ["too few activations", layer("LSTM", { attributes: { activations: ["Tanh"] } }), "1 activations, not 3"],
    ["another hidden size", layer("GRU", { attributes: { hidden_size: 6 } }), "hidden_size is 6"],
    ["weights of one direction", layer("GRU", { attributes: both }), "input 1 is [1, 15, 3], not [2, 15, 3]"],
  ];
  test.each(refused)("%s", (_, node, message) => expect(graphOf(node, () => false)).rejects.toThrow(message));
});
