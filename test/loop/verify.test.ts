import { describe, expect, test } from "vitest";
import { f32Constant, KernelBuilder } from "../../compiler/loop/builder.js";
import type { Kernel, Variable } from "../../compiler/loop/ir.js";
import {
  type Call,
  callsOf,
  type Once,
  type Program,
  type ProgramBuffer,
} from "../../compiler/loop/program.js";
import { verifyProgram } from "../../compiler/loop/verify.js";
import { firstRunProgram, scaleProgram } from "./programs.js";

const program = scaleProgram();
const [input, weights, scaled, output] = program.buffers as [
  ProgramBuffer,
  ProgramBuffer,
  ProgramBuffer,
  ProgramBuffer,
];
const [first, second] = program.steps as [Call, Call];

const firstRun = firstRunProgram();
const [once, everyRun] = firstRun.steps as [Once, Call];

const withCall = (changes: Partial<Call>): Program => ({
  ...program,
  steps: [{ ...first, ...changes }, second],
});

/** The program with one buffer replaced wherever it stands. */
function withBuffer(old: ProgramBuffer, changes: Partial<ProgramBuffer>): Program {
  const changed = { ...old, ...changes };
  const swap = (buffer: ProgramBuffer): ProgramBuffer => (buffer === old ? changed : buffer);
  return {
    ...program,
    buffers: program.buffers.map(swap),
    inputs: program.inputs.map(swap),
    outputs: program.outputs.map(swap),
    steps: callsOf(program).map((call) => ({
      ...call,
      args: call.args.map((arg) => ({ ...arg, buffer: swap(arg.buffer) })),
    })),
  };
}

const argument = (position: number, changes: Partial<Call["args"][number]>): Program =>
  withCall({ args: first.args.map((arg, i) => (i === position ? { ...arg, ...changes } : arg)) });

function kernelOfSize(): Kernel {
  const b = new KernelBuilder("sized");
  b.size("n");
  return b.finish();
}

function wrongKernel(): Kernel {
  const b = new KernelBuilder("wrong");
  const y = b.buffer("y", "float32", "write", 1);
  b.store(y, 1, f32Constant(0));
  return b.finish();
}

const long: Variable = {
  kind: "variable",
  name: "long",
  type: { scalar: "i64", lanes: 1 },
  mutable: false,
};

test.each([program, firstRun])("program $name keeps the rules", (one) => verifyProgram(one));

const broken: [invariant: number, what: string, program: Program][] = [
  [14, "a kernel that breaks its own rules", withCall({ kernel: wrongKernel() })],
  [16, "two buffers of one name", withBuffer(scaled, { name: "x" })],
  [16, "two kernels of one name", withCall({ kernel: { ...first.kernel } })],
  [17, "a negative length", withBuffer(output, { byteLength: -4 })],
  [18, "a temporary with data", withBuffer(scaled, { data: new Uint8Array(16) })],
  [
    18,
    "a constant without data",
    { ...program, buffers: [...program.buffers, { ...input, name: "c", kind: "constant" }] },
  ],
  [18, "a constant of another length", withBuffer(weights, { data: new Uint8Array(3) })],
  [19, "an input that is a temporary", { ...program, inputs: [scaled] }],
  [19, "an output that is a temporary", { ...program, outputs: [scaled] }],
  [19, "an input that is not in the list", { ...program, inputs: [{ ...input }] }],
  [19, "an output that nothing writes", { ...program, steps: [first] }],
  [20, "an argument too few", withCall({ args: first.args.slice(1) })],
  [20, "a kernel with sizes", withCall({ kernel: kernelOfSize(), args: [] })],
  [
    20,
    "a size that is not i32",
    withCall({ kernel: { ...kernelOfSize(), sizes: [long] }, args: [], sizes: [1] }),
  ],
  [21, "a buffer that is not in the list", argument(2, { buffer: { ...scaled } })],
  [21, "elements of another width", withBuffer(scaled, { dtype: "float64" })],
  [22, "an offset before the buffer", argument(0, { byteOffset: -4 })],
  [22, "an offset past the buffer", argument(0, { byteOffset: 64 })],
  [22, "an extent past the end", argument(0, { byteOffset: 4 })],
  [23, "a constant that is written", withBuffer(scaled, { kind: "constant", data: new Uint8Array(16) })],
  [23, "an input that is written", argument(2, { buffer: input })],
  [24, "a temporary that nothing has written", { ...program, steps: [second, first] }],
  [25, "a pair of a buffer with itself", withCall({ inPlace: [[2, 2]] })],
  [25, "a pair that writes what is only read", withCall({ inPlace: [[0, 1]] })],
  [25, "a pair beyond the arguments", withCall({ inPlace: [[2, 3]] })],
  [26, "flops that are no number", withCall({ flops: Number.NaN })],
  [24, "what a first run would have to write before", { ...firstRun, steps: [everyRun, once] }],
  [29, "every run writes what is kept", { ...firstRun, steps: [...once.body, everyRun] }],
  [
    29,
    "the first run writes a result",
    { ...firstRun, steps: [{ ...once, body: [...once.body, everyRun] }, everyRun] },
  ],
  [29, "nothing tells that the first run is done", { ...firstRun, steps: [{ ...once, done: input }] }],
];

describe("what breaks an invariant is refused", () => {
  test.each(broken)("%i: %s", (invariant, _, wrong) => {
    expect(() => verifyProgram(wrong)).toThrow(new RegExp(`breaks invariant ${invariant},`));
  });

  test("the error shows the call", () => {
    expect(() => verifyProgram(argument(0, { byteOffset: 4 }))).toThrow(
      'x reaches byte 20 of x, which has 16\n  in: call @scale(x + 4, w, t) flops 4 inplace 2:0 from "Mul_0"',
    );
  });
});
