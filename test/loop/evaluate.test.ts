import { describe, expect, test } from "vitest";
import { evaluateOp, type Lane, laneFunction, Trap } from "../../compiler/loop/evaluate.js";
import { elementAccess } from "../../compiler/loop/interpret-memory.js";
import { type OpName, opInfo, ops, type ScalarType } from "../../compiler/loop/ir.js";
import { assemble } from "../runtime/module.js";
import { scalarWat, vectorWat } from "./wat.js";

const int32 = [0, 1, -1, 2, 3, -3, 7, 31, 32, 33, 255, -256, 65535, 0x12345678, 2 ** 24 + 1, -(2 ** 24) - 3];
const floats = [0, 1, 0.5, 1.5, 2.5, 0.1, 3, 1e-30, 2 ** 23 + 1, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64, 1e30];

/** Edge values of each type: signs, ties, denormals, what is next to the limits, and what is not a number. */
const values: { readonly [S in ScalarType]: readonly Lane[] } = {
  i32: [...int32, -(2 ** 31), 2 ** 31 - 1, -(2 ** 31) + 1],
  i64: [
    ...int32.map(BigInt),
    -(2n ** 63n),
    2n ** 63n - 1n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 3n,
    2n ** 62n + 2n ** 38n + 1n,
    2n ** 62n + 2n ** 38n,
    0x7fffffbfffffffffn,
    2n ** 31n,
    2n ** 32n + 5n,
  ],
  f32: bothSigns([...floats, 2 ** -149, 2 ** -126, 3.4028234663852886e38, 2 ** 31 - 128, 2 ** 24 - 1]).map(
    (v) => Math.fround(v),
  ),
  f64: bothSigns([
    ...floats,
    0.1 + 0.2,
    5e-324,
    2 ** -1022,
    1.7976931348623157e308,
    2 ** 31 - 0.5,
    2 ** 32 - 0.5,
    2 ** 53 - 1,
    2 ** 52 + 1,
    2 ** 51 + 0.5,
    1 + 2 ** -24,
    1 + 2 ** -24 + 2 ** -50,
    2 ** -150,
    3.4028235677973366e38,
  ]),
  bool: [0, 1],
};

function bothSigns(magnitudes: readonly number[]): number[] {
  return [...magnitudes, Infinity].flatMap((v) => [v, -v]).concat(Number.NaN);
}

const moves = new Set<OpName>(["splat", "extract", "replace", "shuffle"]);
const operations = (Object.keys(ops) as OpName[]).filter((op) => !moves.has(op));

interface Row {
  readonly op: OpName;
  readonly scalar: ScalarType;
  /** Scalar type of each operand. */
  readonly operands: readonly ScalarType[];
  readonly result: ScalarType;
}

const rows: Row[] = operations.flatMap((op) => opInfo(op).on.map((scalar) => row(op, scalar)));

function row(op: OpName, scalar: ScalarType): Row {
  const { arity, result } = opInfo(op);
  const operands = Array.from({ length: arity }, (_, i) => (op === "select" && i === 0 ? "bool" : scalar));
  const named = result !== "same" && result !== "select" && result !== "splat" && result !== "extract";
  return { op, scalar, operands, result: named ? result : scalar };
}

/** Every tuple of edge values; for three operands, a third of them that still meets all pairs. */
function tuples({ operands }: Row): Lane[][] {
  const [a, b, c] = operands.map((scalar) => values[scalar]);
  const pairs = b === undefined ? a!.map((x) => [x]) : a!.flatMap((x) => b.map((y) => [x, y]));
  return c === undefined
    ? pairs
    : pairs.flatMap((pair, n) => c.filter((_, i) => (i + n) % 3 === 0).map((z) => [...pair, z]));
}

/** The tuples without those whose result shows bits of a NaN, because engines choose these freely. */
const comparable = (row: Row): Lane[][] =>
  ["copysign", "f32_bits", "f64_bits"].includes(row.op)
    ? tuples(row).filter((args) => !Number.isNaN(args.at(-1)))
    : tuples(row);

const wasmType = (scalar: ScalarType): string => (scalar === "bool" ? "i32" : scalar);

async function exportsOf(wat: string): Promise<WebAssembly.Exports> {
  const { instance } = await WebAssembly.instantiate(assemble(wat));
  return instance.exports;
}

type Call = (...args: Lane[]) => Lane;

/** The result, or that there was a trap. */
function attempt(call: () => Lane): Lane | "trap" {
  try {
    return call();
  } catch (error) {
    if (error instanceof Trap || error instanceof WebAssembly.RuntimeError) return "trap";
    throw error;
  }
}

describe("operations on scalars are WebAssembly's", () => {
  const functions = rows.map(({ op, scalar, operands, result }) => {
    const params = operands.map((type, i) => `(param $${"abc"[i]} ${wasmType(type)})`).join(" ");
    return `(func (export "${op}.${scalar}") ${params} (result ${wasmType(result)}) ${scalarWat(op, scalar)})`;
  });
  const instance = exportsOf(`(module ${functions.join("\n")})`);

  test.each(rows)("$op on $scalar", async (row) => {
    const wasm = (await instance)[`${row.op}.${row.scalar}`] as Call;
    const wrong = comparable(row)
      .map((args) => ({
        args,
        expected: attempt(() => wasm(...args)),
        found: attempt(() => evaluateOp(row.op, row.scalar, args)),
      }))
      .filter(({ expected, found }) => !Object.is(expected, found));
    expect(wrong).toEqual([]);
  });
});

const vectorRows = rows.flatMap((row) => {
  const lanes = row.scalar === "bool" ? ([2, 4] as const) : ([row.scalar.endsWith("64") ? 2 : 4] as const);
  return lanes.flatMap((count) => {
    const wat = vectorWat(row.op, { scalar: row.scalar, lanes: count });
    return wat === undefined ? [] : [{ ...row, lanes: count, wat }];
  });
});

/** Reads or writes a lane of a vector in memory; masks are all ones or zeros. */
function lane(memory: DataView, scalar: ScalarType, lanes: number, address: number, value?: Lane): Lane {
  const wide = lanes === 2 ? "int64" : "int32";
  const dtype = ({ i32: "int32", i64: "int64", f32: "float32", f64: "float64", bool: wide } as const)[scalar];
  const access = elementAccess[dtype];
  const one = lanes === 2 ? -1n : -1;
  if (value !== undefined) {
    access.write(memory, address, scalar === "bool" ? (value ? one : lanes === 2 ? 0n : 0) : value);
  }
  const found = access.read(memory, address);
  return scalar === "bool" ? (found === one ? 1 : 0) : found;
}

describe("operations on vectors are WebAssembly's, lane by lane", () => {
  const functions = vectorRows.map(({ op, scalar, lanes, operands, wat }) => {
    const locals = operands.map((_, i) => `(local $${"abc"[i]} v128)`).join(" ");
    const loads = operands
      .map((_, i) => `(local.set $${"abc"[i]} (v128.load (i32.const ${16 * i})))`)
      .join(" ");
    return `(func (export "${op}.${scalar}x${lanes}") ${locals} ${loads} (v128.store (i32.const 48) ${wat}))`;
  });
  const instance = exportsOf(`(module (memory (export "memory") 1) ${functions.join("\n")})`);

  test.each(vectorRows)("$op on $scalar x $lanes", async (row) => {
    const exports = await instance;
    const memory = new DataView((exports.memory as WebAssembly.Memory).buffer);
    const wasm = exports[`${row.op}.${row.scalar}x${row.lanes}`] as () => void;
    const width = 16 / row.lanes;
    const all = comparable(row);
    const wrong: { args: Lane[]; expected: Lane; found: Lane }[] = [];
    for (let first = 0; first < all.length; first += row.lanes) {
      const chunk = Array.from({ length: row.lanes }, (_, i) => all[(first + i) % all.length]!);
      for (const [i, args] of chunk.entries()) {
        for (const [operand, value] of args.entries()) {
          lane(memory, row.operands[operand]!, row.lanes, 16 * operand + i * width, value);
        }
      }
      wasm();
      for (const [i, args] of chunk.entries()) {
        const expected = lane(memory, row.result, row.lanes, 48 + i * width);
        const found = evaluateOp(row.op, row.scalar, args);
        if (!Object.is(expected, found)) wrong.push({ args, expected, found });
      }
    }
    expect(wrong).toEqual([]);
  });
});

test("the table has every operation that ir.ts names, and no other", () => {
  const scalars: ScalarType[] = ["i32", "i64", "f32", "f64", "bool"];
  for (const op of operations) {
    const on = scalars.filter((scalar) => laneFunction(op, scalar) !== undefined);
    expect([op, on]).toEqual([op, scalars.filter((scalar) => opInfo(op).on.includes(scalar))]);
  }
  for (const op of moves) expect(laneFunction(op, "f32")).toBeUndefined();
  expect(() => evaluateOp("splat", "f32", [1])).toThrow("splat on f32 is no operation of lanes");
});

test("traps name their reason", () => {
  expect(() => evaluateOp("rem_u", "i64", [1n, 0n])).toThrow("trap: integer divide by zero");
  expect(() => evaluateOp("div_s", "i32", [-(2 ** 31), -1])).toThrow("trap: integer overflow");
});

test("a NaN that is computed has the same bits whatever those of its operands are", () => {
  const negative = new Float64Array(BigUint64Array.of(0xfff8_0000_0000_0001n).buffer)[0]!;
  const positive = BigUint64Array.of(0x7ff8_0000_0000_0000n);
  for (const name of ["add", "sub", "mul", "div", "sqrt", "min", "max", "neg", "copysign", "fma"] as const) {
    for (const scalar of ["f32", "f64"] as const) {
      for (const fused of [false, true]) {
        const value = evaluateOp(name, scalar, [negative, negative, negative], { fused }) as number;
        expect(new BigUint64Array(Float64Array.of(value).buffer), name).toEqual(positive);
      }
    }
  }
});
