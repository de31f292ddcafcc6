/** Kernels that several tests of the loop IR use: each small enough to work out its results by hand. */

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
import type { Kernel } from "../../compiler/loop/ir.js";

/** y[2, 4] = x[2, 3] w[3, 4]: one vector of four columns for each row. */
export function matmulKernel(): Kernel {
  const b = new KernelBuilder("matmul_2x3x4");
  const x = b.buffer("x", "float32", "read", 6);
  const w = b.buffer("w", "float32", "read", 12);
  const y = b.buffer("y", "float32", "write", 8);
  b.for("i", 0, 2, (i) => {
    const acc = b.variable("acc", splat(f32Constant(0), 4));
    b.for(
      "k",
      0,
      3,
      (k) => {
        const row = b.loadSplat(x, add(mul(i, 3), k));
        b.assign(acc, op("fma", row, b.load(w, mul(k, 4), 4), read(acc)));
      },
      { mode: "unroll" },
    );
    b.store(y, mul(i, 4), read(acc));
  });
  return b.finish();
}

/** y[0] = sum of x[0..n), a run-time n. */
export function sumKernel(): Kernel {
  const b = new KernelBuilder("sum");
  const x = b.buffer("x", "float32", "read", null);
  const y = b.buffer("y", "float32", "write", 1);
  const n = b.size("n");
  const total = b.variable("total", f32Constant(0));
  b.for("i", 0, n, (i) => b.assign(total, op("add", read(total), b.load(x, i))), { mode: "vectorize" });
  b.store(y, 0, read(total));
  return b.finish();
}

/** y[i] = x[i - 1] where there is one, else -1: a shift with a padded border. */
export function paddedShiftKernel(): Kernel {
  const b = new KernelBuilder("padded_shift");
  const x = b.buffer("x", "int8", "read", 4);
  const y = b.buffer("y", "int32", "write", 6);
  b.for("i", 0, 6, (i) => {
    const at = b.let("at", add(i, -1));
    b.if(
      op("and", op("ge_s", at, 0), op("lt_s", at, 4)),
      () => b.store(y, i, b.load(x, at)),
      () => b.store(y, i, i32Constant(-1)),
    );
  });
  return b.finish();
}
