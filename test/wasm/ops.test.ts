import { describe, test } from "vitest";
import type { MemoryType } from "../../compiler/ir/dtype.js";
import {
  constant,
  extract,
  KernelBuilder,
  op,
  replace,
  select,
  shuffle,
  splat,
} from "../../compiler/loop/builder.js";
import { evaluateOp, type Lane } from "../../compiler/loop/evaluate.js";
import {
  type Buffer,
  type Expr,
  type ExprType,
  type Kernel,
  type OpName,
  opInfo,
  ops,
  printExprType,
  type ScalarType,
} from "../../compiler/loop/ir.js";
import { isRegisterType } from "../../compiler/loop/verify-types.js";
import { elements, expectSame } from "./harness.js";

const ints = [0, 1, -1, 2, -3, 7, 31, 32, 33, 255, 65535, 0x12345678, 2 ** 24 + 1];
const reals = [
  0,
  1,
  0.5,
  1.5,
  2.5,
  0.1,
  1e-30,
  2 ** 23 + 1,
  2 ** 31,
  2 ** 32,
  2 ** 63,
  2 ** 64,
  1e30,
  Infinity,
];
const bothSigns = (values: readonly number[]): number[] => values.flatMap((v) => [v, -v]);

const values: { readonly [S in ScalarType]: readonly Lane[] } = {
  i32: [...ints, 2 ** 31 - 1, -(2 ** 31)],
  i64: [
    ...ints.map(BigInt),
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    2n ** 62n + 2n ** 38n + 1n,
    2n ** 32n + 5n,
  ],
  f32: [...bothSigns([...reals, 2 ** -149, 2 ** -126, 2 ** 31 - 128]).map(Math.fround), Number.NaN],
  f64: [...bothSigns([...reals, 5e-324, 2 ** 31 - 0.5, 2 ** 51 + 0.5, 2 ** -150]), Number.NaN],
  bool: [0, 1],
};

const storage: { readonly [S in ScalarType]: MemoryType } = {
  i32: "int32",
  i64: "int64",
  f32: "float32",
  f64: "float64",
  bool: "int32",
};

const types: readonly ExprType[] = (["i32", "i64", "f32", "f64", "bool"] as const).flatMap((scalar) =>
  ([1, 2, 4] as const).map((lanes) => ({ scalar, lanes })).filter(isRegisterType),
);

const moves = new Set<OpName>(["splat", "extract", "replace", "shuffle"]);

interface Row {
  readonly name: OpName;
  readonly type: ExprType;
  readonly operands: readonly ExprType[];
  readonly result: ExprType;
}

const rows: Row[] = (Object.keys(ops) as OpName[])
  .filter((name) => !moves.has(name))
  .flatMap((name) =>
    types.filter(({ scalar }) => opInfo(name).on.includes(scalar)).map((type) => rowOf(name, type)),
  )
  .filter(({ result }) => isRegisterType(result));

function rowOf(name: OpName, type: ExprType): Row {
  const { arity, result } = opInfo(name);
  const bool: ExprType = { scalar: "bool", lanes: type.lanes };
  const operands = Array.from({ length: arity }, (_, i) => (name === "select" && i === 0 ? bool : type));
  const keeps = result === "same" || result === "select";
  return { name, type, operands, result: keeps ? type : { scalar: result as ScalarType, lanes: type.lanes } };
}

/** Edge values against each other, without those on which WebAssembly traps or leaves bits of NaN open. */
function tuplesOf({ name, type, operands }: Row): Lane[][] {
  const [a, b, c] = operands.map(({ scalar }) => values[scalar]);
  const pairs = a!.flatMap((x) => (b ?? [0]).map((y) => [x, y]));
  const all = pairs.flatMap((pair, n) =>
    (c ?? [0]).filter((_, i) => c === undefined || (i + n) % 5 === 0).map((z) => [...pair, z]),
  );
  const seesNaN = /_bits$|^copysign$/.test(name);
  return all.filter((tuple) => {
    const args = tuple.slice(0, operands.length);
    if (seesNaN && args.some((arg) => Number.isNaN(arg))) return false;
    return isDefined(() => evaluateOp(name, type.scalar, args));
  });
}

function isDefined(evaluate: () => unknown): boolean {
  try {
    evaluate();
    return true;
  } catch {
    return false;
  }
}

/** Bools lie in memory as int32. */
function loadAs(b: KernelBuilder, buffer: Buffer, index: Expr, { scalar, lanes }: ExprType): Expr {
  const loaded = b.load(buffer, index, lanes === 2 && scalar === "bool" ? 1 : lanes);
  if (scalar !== "bool") return loaded;
  const bits = op("ne", loaded, 0);
  return lanes === 2 ? replace(splat(bits, 2), 1, op("ne", b.load(buffer, op("add", index, 1)), 0)) : bits;
}

function storeAs(b: KernelBuilder, buffer: Buffer, index: Expr, value: Expr): void {
  const { scalar, lanes } = value.type;
  if (scalar !== "bool") b.store(buffer, index, value);
  else if (lanes !== 2) b.store(buffer, index, select(value, constant({ scalar: "i32", lanes }, 1), 0));
  else for (const lane of [0, 1]) storeAs(b, buffer, op("add", index, lane), extract(value, lane));
}

/** result[i] = apply(operands[i]...), a register at a time. */
function elementwise(
  name: string,
  operands: readonly ExprType[],
  result: ExprType,
  count: number,
  apply: (args: Expr[]) => Expr,
): Kernel {
  const b = new KernelBuilder(name);
  const inputs = operands.map(({ scalar }, i) => b.buffer(`x${i}`, storage[scalar], "read", count));
  const output = b.buffer("y", storage[result.scalar], "write", count);
  const { lanes } = result;
  b.for(
    "i",
    0,
    count,
    (i) => storeAs(b, output, i, apply(inputs.map((x, n) => loadAs(b, x, i, operands[n]!)))),
    {
      step: lanes,
    },
  );
  return b.finish();
}

describe("every operation on edge values, as the interpreter has it", () => {
  for (const row of rows) {
    test(`${row.name} on ${printExprType(row.type)}`, () => {
      const tuples = tuplesOf(row);
      while (tuples.length % row.type.lanes !== 0) tuples.push(tuples[0]!);
      const kernel = elementwise(row.name, row.operands, row.result, tuples.length, (args) => ({
        kind: "op",
        type: row.result,
        op: row.name,
        args,
      }));
      const inputs = row.operands.map(({ scalar }, i) =>
        elements(
          storage[scalar],
          tuples.map((tuple) => tuple[i]!),
        ),
      );
      const output = elements(
        storage[row.result.scalar],
        tuples.map(() => 0),
      );
      for (const optimize of [0, 3] as const) expectSame(kernel, [...inputs, output], { optimize });
    });
  }
});

const vectors = types.filter(({ lanes }) => lanes > 1);

describe("moving lanes", () => {
  for (const type of vectors) {
    const { scalar, lanes } = type;
    const text = printExprType(type);
    const count = 8;
    const content = elements(
      storage[scalar],
      values[scalar].concat(values[scalar]).concat(values[scalar]).concat(values[scalar]).slice(0, count),
    );
    const output = (): ArrayBufferView => elements(storage[scalar], new Array(count).fill(0));

    test(`splat and extract of ${text}`, () => {
      const kernel = elementwise("splat", [type], type, count, ([x]) => splat(extract(x!, lanes - 1), lanes));
      expectSame(kernel, [content, output()]);
    });

    test(`replace of ${text}`, () => {
      const kernel = elementwise("replace", [type], type, count, ([x]) => {
        const swapped = replace(x!, 0, extract(x!, lanes - 1));
        return replace(swapped, lanes - 1, extract(x!, 0));
      });
      expectSame(kernel, [content, output()]);
    });

    test(`shuffle of ${text}`, () => {
      const width = 16 / lanes;
      const bytes = Array.from(
        { length: 16 },
        (_, i) => ((lanes - 1 - Math.floor(i / width)) * width + (i % width)) ^ (i < width ? 16 : 0),
      );
      const kernel = elementwise("shuffle", [type, type], type, count, ([x, y]) => shuffle(x!, y!, bytes));
      expectSame(kernel, [content, content, output()]);
    });

    test(`constant of ${text}`, () => {
      for (const value of values[scalar]) {
        const kernel = elementwise("constant", [], type, lanes, () => constant(type, value));
        expectSame(kernel, [output()]);
      }
    });
  }
});

describe("shifts of vectors by one amount for all lanes", () => {
  for (const type of [
    { scalar: "i32", lanes: 4 },
    { scalar: "i64", lanes: 2 },
  ] as const) {
    const shifted = values[type.scalar];
    const content = elements(storage[type.scalar], shifted.slice(0, 12));
    const output = elements(storage[type.scalar], new Array(12).fill(0));
    for (const name of ["shl", "shr_s", "shr_u"] as const) {
      test(`${name} of ${printExprType(type)}`, () => {
        for (const amount of [0, 1, 31, 32, 33, 63, 64, -1]) {
          const by = constant(type, amount);
          const fixed = elementwise(name, [type], type, 12, ([x]) => op(name, x!, by));
          expectSame(fixed, [content, output]);
        }
        const lane = elementwise(name, [type], type, 12, ([x]) =>
          op(name, x!, splat(extract(x!, 0), type.lanes)),
        );
        expectSame(lane, [content, output]);
      });
    }
  }
});
