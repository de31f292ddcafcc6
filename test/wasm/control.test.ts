import { describe, expect, test } from "vitest";
import {
  add,
  f32Constant,
  i32Constant,
  KernelBuilder,
  mul,
  op,
  read,
  splat,
} from "../../compiler/loop/builder.js";
import { f32x4, type Kernel, type LoopMode } from "../../compiler/loop/ir.js";
import { kernelWat } from "../../compiler/wasm/wat.js";
import { expectSame, kernelModule, simd } from "./harness.js";

const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i * 0.75 - 3);
const levels = [0, 1, 2, 3, "s"] as const;

/** y[i] = x[i] * 2 for start <= i < end, both sizes. */
function bounded(step: number, mode: LoopMode): Kernel {
  const b = new KernelBuilder("bounded");
  const x = b.buffer("x", "float32", "read", null);
  const y = b.buffer("y", "float32", "readwrite", null);
  const [start, end] = [b.size("start"), b.size("end")];
  b.for("i", start, end, (i) => b.store(y, i, op("mul", b.load(x, i), 2)), { step, mode });
  return b.finish();
}

describe("loops", () => {
  for (const mode of ["serial", "vectorize", "unroll", "parallel"] as const) {
    test(`${mode}, with bounds known at run time, empty ones among them`, () => {
      for (const sizes of [
        [0, 0],
        [0, 1],
        [3, 16],
        [5, 5],
        [9, 4],
        [-2, -1000],
      ]) {
        for (const step of [1, 3]) {
          for (const optimize of levels) {
            expectSame(bounded(step, mode), [ramp(16), ramp(16)], { sizes, optimize });
          }
        }
      }
    });
  }

  test("constant bounds: empty, one pass, a step beyond the end", () => {
    for (const [start, end, step] of [
      [0, 0, 1],
      [4, 2, 1],
      [0, 1, 1],
      [2, 5, 7],
      [1, 8, 3],
    ] as const) {
      const b = new KernelBuilder("constant");
      const y = b.buffer("y", "float32", "write", 8);
      const variable = { kind: "variable", name: "i", type: i32Constant(0).type, mutable: false } as const;
      b.store(y, 0, f32Constant(7));
      const kernel = b.finish();
      const value = op("i32_to_f32_s", read(variable));
      const store = { kind: "store", buffer: y, index: read(variable), offset: 0, value } as const;
      const loop = {
        kind: "for",
        variable,
        start: i32Constant(start),
        end: i32Constant(end),
        step,
        mode: "serial",
        body: [store],
      } as const;
      expectSame({ ...kernel, body: [...kernel.body, loop] }, [ramp(8)]);
    }
  });

  test("a certain first pass needs no test before it, an end that is computed is computed once", async () => {
    const b = new KernelBuilder("nest");
    const y = b.buffer("y", "float32", "write", null);
    const n = b.size("n");
    b.for("i", 0, 4, (i) => {
      b.for("j", i, mul(n, n), (j) => b.store(y, add(i, j), f32Constant(1)));
    });
    const kernel = b.finish();
    expectSame(kernel, [ramp(64)], { sizes: [4] });
    const wat = await kernelWat(kernel, simd);
    expect(wat.match(/\(loop/g)).toHaveLength(2);
    expect(wat.match(/\(if/g)).toHaveLength(1);
    expect(wat.match(/i32\.mul/g)).toHaveLength(1);
  });

  test("the end is that of before the first pass", () => {
    const b = new KernelBuilder("moving_end");
    const y = b.buffer("y", "float32", "write", 16);
    const end = b.variable("end", i32Constant(5));
    b.for("i", 0, read(end), (i) => {
      b.assign(end, add(read(end), 1));
      b.store(y, i, op("i32_to_f32_s", read(end)));
    });
    expectSame(b.finish(), [ramp(16)]);
  });
});

describe("variables", () => {
  test("accumulators in vectors, and a scalar tail", () => {
    for (const n of [0, 1, 4, 7, 15]) {
      const b = new KernelBuilder("sum");
      const x = b.buffer("x", "float32", "read", null);
      const y = b.buffer("y", "float32", "write", 1);
      const whole = n - (n % 4);
      const sums = b.variable("sums", splat(f32Constant(0), 4));
      b.for("i", 0, whole, (i) => b.assign(sums, op("add", read(sums), b.load(x, i, 4))), { step: 4 });
      const lanes = [0, 1, 2, 3].map((lane) => ({
        kind: "op" as const,
        type: f32Constant(0).type,
        op: "extract" as const,
        args: [read(sums)],
        immediates: [lane],
      }));
      const total = b.variable("total", lanes.reduce((a, c) => op("add", a, c) as never) as never);
      b.for("j", whole, n, (j) => b.assign(total, op("add", read(total), b.load(x, j))));
      b.store(y, 0, read(total));
      for (const optimize of levels) expectSame(b.finish(), [ramp(16), ramp(1)], { optimize });
    }
  });

  test("a variable keeps its value while another is computed from it", () => {
    const b = new KernelBuilder("fibonacci");
    const y = b.buffer("y", "int32", "write", 10);
    const [a, c] = [b.variable("a", i32Constant(0)), b.variable("c", i32Constant(1))];
    b.for("i", 0, 10, (i) => {
      const sum = b.let("sum", op("add", read(a), read(c)));
      b.assign(a, read(c));
      b.assign(c, sum);
      b.store(y, i, read(a));
    });
    for (const optimize of levels) expectSame(b.finish(), [new Int32Array(10)], { optimize });
  });

  test("a load is done before a store that follows it in the same place", () => {
    const b = new KernelBuilder("swap");
    const y = b.buffer("y", "int32", "readwrite", 2);
    const first = b.let("first", b.load(y, 0));
    b.store(y, 0, b.load(y, 1));
    b.store(y, 1, first);
    for (const optimize of levels) expectSame(b.finish(), [Int32Array.of(3, 4)], { optimize });
  });
});

describe("conditions", () => {
  test("if, else, and both inside loops", () => {
    const b = new KernelBuilder("branches");
    const y = b.buffer("y", "int32", "write", 16);
    b.for("i", 0, 16, (i) => {
      b.if(
        op("lt_s", i, 5),
        () => b.store(y, i, mul(i, 10)),
        () => {
          b.if(op("eq", op("and", i, 1), 0), () => b.store(y, i, i32Constant(-1)));
        },
      );
    });
    for (const optimize of levels) expectSame(b.finish(), [new Int32Array(16)], { optimize });
  });
});

describe("shared expressions", () => {
  test("are computed once, whether they are one node or equal ones", async () => {
    const b = new KernelBuilder("shared");
    const x = b.buffer("x", "float32", "read", 4);
    const y = b.buffer("y", "float32", "write", 4);
    const root = () => op("sqrt", b.load(x, 0, 4));
    b.store(y, 0, op("add", op("mul", root(), root()), root()));
    const kernel = b.finish();
    expectSame(kernel, [ramp(4), ramp(4)]);
    const wat = await kernelWat(kernel, simd, 0);
    expect(wat.match(/f32x4\.sqrt/g)).toHaveLength(1);
    expect(wat.match(/v128\.load/g)).toHaveLength(1);
  });

  test("may be of any depth", () => {
    const b = new KernelBuilder("deep");
    const y = b.buffer("y", "float32", "readwrite", 2);
    let [sum, twice] = [b.load(y, 0), b.load(y, 0)];
    for (let i = 0; i < 5000; i++) {
      sum = op("add", sum, 1);
      twice = op("sub", sum, twice);
    }
    b.store(y, 1, op("add", twice, sum));
    for (const optimize of [0, 3] as const) {
      const module = new WebAssembly.Module(kernelModule(b.finish(), 1, optimize));
      const exports = new WebAssembly.Instance(module).exports as {
        memory: WebAssembly.Memory;
        kernel(y: number): void;
      };
      exports.kernel(16);
      expect(new Float32Array(exports.memory.buffer, 16, 2)[1]).toBe(2500 + 5000);
    }
  });

  test("zeros of both signs are different constants", () => {
    const b = new KernelBuilder("zeros");
    const y = b.buffer("y", "float32", "write", 8);
    const zero = (value: number) => splat(f32Constant(value), 4);
    b.store(y, 0, op("copysign", op("add", zero(1), zero(0)), zero(-0)));
    b.store(y, 4, { kind: "constant", type: f32x4, value: -0 });
    expectSame(b.finish(), [ramp(8)]);
  });
});

describe("constants", () => {
  /** exp-like work: several vector constants, in a loop in a loop and after the inner one. */
  function polynomial(): Kernel {
    const b = new KernelBuilder("polynomial");
    const x = b.buffer("x", "float32", "read", 64);
    const y = b.buffer("y", "float32", "readwrite", 64);
    b.for("i", 0, 4, (i) => {
      b.for(
        "j",
        0,
        16,
        (j) => {
          const at = add(mul(i, 16), j);
          const value = b.load(x, at, 4);
          b.store(y, at, op("add", op("mul", op("add", op("mul", value, 0.25), 0.5), value), 0.25));
        },
        { step: 4 },
      );
      const first = b.load(y, mul(i, 16), 4);
      b.store(y, mul(i, 16), op("sub", first, 7));
    });
    return b.finish();
  }

  test("of inner loops are made before the outermost, others where they are used", async () => {
    for (const optimize of levels) expectSame(polynomial(), [ramp(64), ramp(64)], { optimize });
    const wat = await kernelWat(polynomial(), simd);
    const [before, inside] = [wat.slice(0, wat.indexOf("(loop")), wat.slice(wat.indexOf("(loop"))];
    expect(before.match(/v128\.const/g)).toHaveLength(2);
    expect(inside.match(/v128\.const/g)).toHaveLength(1);
  });
});
