import { describe, expect, test } from "vitest";
import {
  constant,
  extract,
  f32Constant,
  i32Constant,
  KernelBuilder,
  op,
  read,
  replace,
  shuffle,
  splat,
} from "../../compiler/loop/builder.js";
import {
  type Buffer,
  bool,
  type Expr,
  type ExprType,
  f32,
  f32x4,
  i32,
  i64,
  type Kernel,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { verifyKernel } from "../../compiler/loop/verify.js";
import { matmulKernel, paddedShiftKernel, sumKernel } from "./kernels.js";

const x: Buffer = { kind: "buffer", name: "x", dtype: "float32", access: "read", elements: 16 };
const y: Buffer = { kind: "buffer", name: "y", dtype: "float32", access: "write", elements: 16 };

const variable = (name: string, type: ExprType = i32, mutable = false): Variable => ({
  kind: "variable",
  name,
  type,
  mutable,
});
const give = (target: Variable, value: Expr): Statement => ({ kind: "let", variable: target, value });
const assign = (target: Variable, value: Expr): Statement => ({ kind: "assign", variable: target, value });
const store = (index: Expr, value: Expr, more: Partial<Statement & { kind: "store" }> = {}): Statement => ({
  kind: "store",
  buffer: y,
  index,
  offset: 0,
  value,
  ...more,
});
const load = (index: Expr, more: Partial<Expr & { kind: "load" }> = {}): Expr => ({
  kind: "load",
  type: f32,
  splat: false,
  buffer: x,
  index,
  offset: 0,
  ...more,
});
const loop = (
  name: string,
  start: Expr,
  end: Expr,
  body: (i: Expr) => Statement[],
  more: Partial<Statement & { kind: "for" }> = {},
): Statement => {
  const counter = variable(name);
  return {
    kind: "for",
    variable: counter,
    start,
    end,
    step: 1,
    mode: "serial",
    body: body(read(counter)),
    ...more,
  };
};
const when = (condition: Expr, whenTrue: Statement[], whenFalse: Statement[] = []): Statement => ({
  kind: "if",
  condition,
  whenTrue,
  whenFalse,
});
const kernel = (...body: Statement[]): Kernel => ({ name: "k", buffers: [x, y], sizes: [], body });
const at = i32Constant;
const zero = f32Constant(0);

test("the builder's kernels are right", () => {
  for (const built of [matmulKernel(), sumKernel(), paddedShiftKernel()]) verifyKernel(built);
});

const t = variable("t", f32);
const m = variable("m", f32, true);
const anOp = (name: string, type: ExprType, args: Expr[], immediates?: number[]): Expr =>
  ({ kind: "op", op: name, type, args, ...(immediates && { immediates }) }) as Expr;
const byteRange = Array.from({ length: 16 }, (_, i) => i);
const mask = splat(constant(bool, 1), 4);

/** Runs a kernel that reads the first buffer and writes the second. */
const invoke = (buffers: readonly Buffer[], sizes: readonly Expr[]): Statement => ({
  kind: "invoke",
  kernel: { name: "invoked", buffers: [x, y], sizes: [variable("n")], body: [] },
  buffers,
  sizes,
});

test("a kernel that is invoked as it asks keeps the rules", () =>
  verifyKernel(kernel(invoke([x, y], [at(1)]))));

const broken: [invariant: number, what: string, kernel: Kernel][] = [
  [1, "a let that hides a let", kernel(give(t, zero), give(variable("t", f32), zero))],
  [1, "a variable that hides a buffer", kernel(give(variable("x", f32), zero))],
  [2, "a mutable size", { ...kernel(), sizes: [variable("n", i32, true)] }],
  [3, "a vector of 64 bits", kernel(give(variable("v", { scalar: "f32", lanes: 2 }), splat(zero, 2)))],
  [3, "a vector of 256 bits", kernel(store(at(0), splat(zero, 8)))],
  [4, "an f32 that is not rounded", kernel(store(at(0), { kind: "constant", type: f32, value: 0.1 }))],
  [4, "an i32 out of range", kernel(store({ kind: "constant", type: i32, value: 2 ** 31 }, zero))],
  [4, "an i64 that is a number", kernel(give(variable("a", i64), { kind: "constant", type: i64, value: 1 }))],
  [4, "a bool of 2", kernel(when({ kind: "constant", type: bool, value: 2 }, []))],
  [5, "an operand too few", kernel(store(at(0), anOp("add", f32, [zero])))],
  [5, "operands of two types", kernel(store(at(0), anOp("add", f32, [zero, at(1)])))],
  [5, "a type that the operation does not take", kernel(store(at(0), anOp("div_s", f32, [zero, zero])))],
  [5, "a wrong result type", kernel(store(at(0), anOp("lt", f32, [zero, zero])))],
  [5, "a wrong conversion", kernel(store(at(0), anOp("i32_to_f32_s", f32, [zero])))],
  [5, "a scalar condition on vectors", kernel(give(t, anOp("select", f32x4, [mask, zero, zero])))],
  [5, "a splat of a vector", kernel(store(at(0), anOp("splat", f32x4, [splat(zero, 4)])))],
  [5, "a splat to a scalar", kernel(store(at(0), anOp("splat", f32, [zero])))],
  [5, "a lane of a scalar", kernel(store(at(0), extract(zero, 0)))],
  [5, "a lane out of range", kernel(store(at(0), extract(splat(zero, 4), 4)))],
  [5, "a lane replaced by another type", kernel(store(at(0), replace(splat(zero, 4), 0, at(1))))],
  [5, "a selector out of range", kernel(store(at(0), anOp("shuffle", f32x4, [zero, zero], [32])))],
  [5, "a mask shuffled by bytes", kernel(when(extract(shuffle(mask, mask, byteRange.toReversed()), 0), []))],
  [5, "needless immediates", kernel(store(at(0), anOp("neg", f32, [zero], [1])))],
  [6, "a variable before its definition", kernel(store(at(0), read(t)), give(t, zero))],
  [
    6,
    "a variable outside its block",
    kernel(when(constant(bool, 1), [give(t, zero)]), store(at(0), read(t))),
  ],
  [6, "a loop variable after its loop", kernel(loop("i", at(0), read(variable("i")), () => []))],
  [
    6,
    "a variable read as another type",
    kernel(give(t, zero), store(at(0), { kind: "variable", type: f32x4, variable: t })),
  ],
  [6, "an assignment out of scope", kernel(assign(m, zero))],
  [6, "a pointer out of scope", kernel(store(at(0), zero, { pointer: variable("p") }))],
  [
    7,
    "one variable in two blocks",
    kernel(when(constant(bool, 1), [give(t, zero)]), when(constant(bool, 1), [give(t, zero)])),
  ],
  [8, "a let of another type", kernel(give(t, at(0)))],
  [8, "an assignment to a let", kernel(give(t, zero), assign(t, zero))],
  [8, "an assignment of another type", kernel(give(m, zero), assign(m, splat(zero, 4)))],
  [9, "a loop variable that is mutable", kernel(loop("i", at(0), at(4), () => [], { variable: m }))],
  [9, "a bound that is f32", kernel(loop("i", at(0), zero, () => []))],
  [9, "a step of 0", kernel(loop("i", at(0), at(4), () => [], { step: 0 }))],
  [10, "a condition that is i32", kernel(when(at(1), []))],
  [10, "a condition that is a mask", kernel(when(mask, []))],
  [11, "a store to what is only read", kernel(store(at(0), zero, { buffer: x }))],
  [11, "a load of what is only written", kernel(store(at(0), load(at(0), { buffer: y })))],
  [11, "a foreign buffer", kernel(store(at(0), zero, { buffer: { ...y } }))],
  [
    11,
    "the address of a foreign buffer",
    kernel(store({ kind: "address", type: i32, buffer: { ...x } }, zero)),
  ],
  [12, "an index that is f32", kernel(store(zero, zero))],
  [12, "an offset that is no integer", kernel(store(at(0), zero, { offset: 0.5 }))],
  [12, "a pointer that is f32", kernel(give(t, zero), store(at(0), zero, { pointer: t }))],
  [13, "a load of another type", kernel(store(at(0), load(at(0), { type: i32 })))],
  [13, "a splat to one lane", kernel(store(at(0), load(at(0), { splat: true })))],
  [13, "a store of another type", kernel(store(at(0), at(0)))],
  [14, "a constant index", kernel(store(at(16), zero))],
  [15, "two buffers of one name", { ...kernel(), buffers: [x, { ...x }] }],
  [15, "a negative extent", { ...kernel(), buffers: [{ ...x, elements: -1 }] }],
  [29, "a buffer too few", kernel(invoke([x], [at(1)]))],
  [29, "a size too many", kernel(invoke([x, y], [at(1), at(2)]))],
  [29, "a size of another type", kernel(invoke([x, y], [zero]))],
  [29, "a foreign buffer for an invoked kernel", kernel(invoke([{ ...x }, y], [at(1)]))],
  [29, "a buffer that may only be written for one that is read", kernel(invoke([y, y], [at(1)]))],
  [29, "a buffer of another type", kernel(invoke([x, { ...y, dtype: "int32" }], [at(1)]))],
  [6, "a size out of scope", kernel(invoke([x, y], [read(variable("n"))]))],
];

describe("what breaks an invariant is refused", () => {
  test.each(broken)("%i: %s", (invariant, _, wrong) => {
    expect(() => verifyKernel(wrong)).toThrow(new RegExp(`kernel @k breaks invariant ${invariant},`));
  });

  test("the error has the code of internal errors and shows the statement", () => {
    expect(() => verifyKernel(kernel(give(m, load(at(20)))))).toThrow(
      expect.objectContaining({
        code: "E_INTERNAL",
        message: expect.stringContaining("elements 20 to 20 of x, which has 16\n  in: var m: f32 = x[20]"),
      }),
    );
  });
});

/** One loop i in [0, 4) around accesses to x, which has 16 elements. */
const accessIn = (index: (b: KernelBuilder, i: Expr) => void): Kernel => {
  const b = new KernelBuilder("k");
  b.for("i", 0, 4, (i) => index(b, i));
  return b.finish();
};
const buffers = (b: KernelBuilder) => ({
  source: b.buffer("x", "float32", "read", 16),
  bytes: b.buffer("bytes", "uint8", "read", 16),
  target: b.buffer("y", "float32", "readwrite", 16),
});

type Body = (b: KernelBuilder, i: Expr, all: ReturnType<typeof buffers>) => void;

const withBuffers = (body: Body): Kernel => accessIn((b, i) => body(b, i, buffers(b)));

const inside: [what: string, body: Body][] = [
  ["a row of four", (b, i, { source }) => b.let("t", b.load(source, op("mul", i, 4), 4))],
  ["a let of the index", (b, i, { source }) => b.let("t", b.load(source, b.let("j", op("shl", i, 2)), 4))],
  ["a cancelled term", (b, i, { source }) => b.let("t", b.load(source, op("sub", op("add", i, 12), i), 4))],
  ["a remainder", (b, i, { source }) => b.let("t", b.load(source, op("rem_u", op("mul", i, 100), 16)))],
  ["a mask", (b, i, { source }) => b.let("t", b.load(source, op("and", op("mul", i, -100), 15)))],
  ["a clamp", (b, i, { source }) => b.let("t", b.load(source, op("min_s", op("mul", i, 100), 15)))],
  ["maybe a clamp", (b, i, { source }) => b.let("t", b.load(source, op("max_s", op("mul", i, 10), 1)))],
  [
    "below a condition",
    (b, i, { source, target }) =>
      b.if(op("lt_s", i, 2), () => b.store(target, 0, b.load(source, op("mul", i, 15)))),
  ],
  [
    "below a condition that fails",
    (b, i, { source, target }) =>
      b.if(op("ge_s", op("sub", i, 4), 0), () => b.store(target, 0, b.load(source, op("sub", i, 4)))),
  ],
  [
    "below an unsigned range check that fails",
    (b, i, { source, target }) =>
      b.if(op("lt_u", op("sub", i, 4), 16), () => b.store(target, 0, b.load(source, op("sub", i, 4)))),
  ],
  [
    "in the other branch of a condition that holds",
    (b, i, { source, target }) =>
      b.if(
        b.let("ok", op("or", op("le_s", i, 3), op("eq", i, 9))),
        () => {},
        () => b.store(target, 0, b.load(source, op("add", i, 100))),
      ),
  ],
  [
    "a triangle",
    (b, i, { source }) =>
      b.for("j", i, 4, (j) => b.let("t", b.load(source, op("sub", op("mul", j, 5), op("mul", i, 5))))),
  ],
  ["a gathered index", (b, i, { source, bytes }) => b.let("t", b.load(source, b.load(bytes, i)))],
  [
    "a step that passes by the end",
    (b, _, { source }) => b.for("j", 0, 15, (j) => b.let("t", b.load(source, j, 4)), { step: 4 }),
  ],
  [
    "an accumulated index",
    (b, i, { source }) => {
      const position = b.variable("p", i32Constant(0));
      b.assign(position, op("add", read(position), i));
      b.let("t", b.load(source, read(position)));
    },
  ],
];

const outside: [what: string, body: Body][] = [
  ["the last lane", (b, i, { source }) => b.let("t", b.load(source, op("add", op("mul", i, 4), 1), 4))],
  ["below the first", (b, i, { source }) => b.let("t", b.load(source, op("sub", i, 1)))],
  ["a splat past the end", (b, i, { source }) => b.let("t", b.loadSplat(source, op("add", i, 13)))],
  ["a store past the end", (b, i, { target }) => b.store(target, op("mul", i, 6), f32Constant(0))],
  [
    "a nested loop",
    (b, i, { source }) => b.for("j", 0, 5, (j) => b.let("t", b.load(source, op("add", op("mul", i, 4), j)))),
  ],
  [
    "a step that reaches the end",
    (b, _, { source }) => b.for("j", 0, 14, (j) => b.let("t", b.load(source, j, 4)), { step: 13 }),
  ],
  [
    "always, below a condition",
    (b, i, { source, target }) =>
      b.if(op("lt", b.load(source, i), 1), () => b.store(target, op("add", i, 16), f32Constant(0))),
  ],
  [
    "always, by a gathered index",
    (b, i, { source, bytes }) => b.let("t", b.load(source, op("add", b.load(bytes, i), 16))),
  ],
  [
    "below a condition that holds",
    (b, i, { target }) => b.if(op("lt_s", i, 4), () => b.store(target, op("add", i, 13), f32Constant(0))),
  ],
];

describe("ranges of indices", () => {
  test.each(inside)("not refused: %s", (_, body) => verifyKernel(withBuffers(body)));
  test.each(outside)("refused: %s", (_, body) => {
    expect(() => verifyKernel(withBuffers(body))).toThrow(/invariant 14/);
  });

  test("a deep shared condition is judged once", () => {
    const b = new KernelBuilder("k");
    let condition: Expr = op("lt_s", b.size("n"), 4);
    for (let i = 0; i < 200; i++) condition = op("and", condition, condition);
    b.if(condition, () => {});
    verifyKernel(b.finish());
  });
});
