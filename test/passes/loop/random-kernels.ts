/** Random kernels: affine nests with broadcasts, strides, reversals, divisions, gathers, reductions and run-time sizes. */

import fc from "fast-check";
import type { MemoryType } from "../../../compiler/ir/dtype.js";
import {
  add,
  constant,
  div,
  i32Constant,
  KernelBuilder,
  mul,
  op,
  read,
  rem,
  select,
  sub,
  sumOf,
} from "../../../compiler/loop/builder.js";
import {
  type Buffer,
  type Expr,
  type Kernel,
  type LoopMode,
  type OpName,
  registerTypes,
} from "../../../compiler/loop/ir.js";
import type { RunOptions } from "./running.js";

interface Axis {
  readonly extent: number;
  readonly dynamic: boolean;
}

/** How an operand moves along an axis: dense in row-major order, not at all, or in some less friendly way. */
const walks = [
  "dense",
  "dense",
  "dense",
  "broadcast",
  "twice",
  "reversed",
  "quotient",
  "remainder",
  "gathered",
] as const;

interface Operand {
  readonly dtype: number;
  readonly walks: readonly (typeof walks)[number][];
  readonly transposed: boolean;
  readonly shift: number;
}

export interface KernelSpec {
  readonly axes: readonly Axis[];
  readonly reduced: (Axis & { readonly vectorized: boolean; readonly op: number }) | null;
  readonly family: number;
  readonly operands: readonly Operand[];
  readonly outputs: readonly Pick<Operand, "transposed">[];
  readonly ops: readonly number[];
  readonly useCounter: boolean;
  readonly condition: "none" | "uniform" | "varying";
  readonly outerMode: LoopMode;
  readonly innerMode: LoopMode;
  readonly lets: boolean;
  readonly inPlace: boolean;
  readonly seed: number;
}

const axis = fc.record({
  extent: fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 21, 37),
  dynamic: fc.boolean(),
});

export const kernelSpecs: fc.Arbitrary<KernelSpec> = fc.record({
  axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
  reduced: fc.option(
    fc.record({
      extent: fc.integer({ min: 0, max: 19 }),
      dynamic: fc.boolean(),
      vectorized: fc.boolean(),
      op: fc.nat(),
    }),
  ),
  family: fc.nat(),
  operands: fc.array(
    fc.record({
      dtype: fc.nat(),
      walks: fc.array(fc.constantFrom(...walks), { minLength: 4, maxLength: 4 }),
      transposed: fc.boolean(),
      shift: fc.nat({ max: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  outputs: fc.array(fc.record({ transposed: fc.boolean() }), { minLength: 1, maxLength: 2 }),
  ops: fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
  useCounter: fc.boolean(),
  condition: fc.constantFrom("none" as const, "none" as const, "uniform" as const, "varying" as const),
  outerMode: fc.constantFrom<LoopMode>("serial", "parallel", "unroll"),
  innerMode: fc.constantFrom<LoopMode>("vectorize", "vectorize", "vectorize", "serial", "unroll"),
  lets: fc.boolean(),
  inPlace: fc.boolean(),
  seed: fc.nat(),
});

/** Element types that meet in one register type, and what may be done with them exactly. */
const families: readonly {
  dtypes: readonly MemoryType[];
  ops: readonly OpName[];
  reductions: readonly OpName[];
}[] = [
  {
    dtypes: ["float32", "float32", "float16"],
    ops: ["add", "sub", "mul", "min", "max"],
    reductions: ["add", "sub", "max", "min", "fma"],
  },
  {
    dtypes: ["int32", "int8", "uint8", "bool", "uint16"],
    ops: ["add", "sub", "mul", "min_s", "max_u", "and", "xor"],
    reductions: ["add", "mul", "min_s", "max_u", "or", "and", "xor"],
  },
  { dtypes: ["float64"], ops: ["add", "sub", "mul", "max"], reductions: ["add", "min", "fma"] },
  { dtypes: ["int64", "uint64"], ops: ["add", "sub", "mul", "min_s"], reductions: ["add", "max_s", "or"] },
];

const pick = <T>(values: readonly T[], choice: number): T => values[choice % values.length]!;

export interface RandomKernel {
  readonly kernel: Kernel;
  readonly run: RunOptions;
}

export function randomKernel(spec: KernelSpec): RandomKernel {
  return new Making(spec).make();
}

class Making {
  private readonly builder = new KernelBuilder("random");
  private readonly family;
  private readonly sizes: number[] = [];
  private readonly extents: Expr[];
  private readonly reducedExtent: Expr | null;
  private readonly gatherTable: Buffer;
  private elements = 32;

  constructor(private readonly spec: KernelSpec) {
    this.family = pick(families, spec.family);
    this.gatherTable = this.builder.buffer("table", "uint8", "read", null);
    this.extents = spec.axes.map((each, i) => this.extent(`n${i}`, each));
    this.reducedExtent = spec.reduced && this.extent("r", spec.reduced);
    // Every walk stays inside: along an axis it takes 2 * extent or 17 steps at most, the size of the gather table.
    const extents = [...spec.axes, ...(spec.reduced ? [spec.reduced] : [])].map((each) =>
      this.limited(each.extent),
    );
    const product = extents.reduce((n, extent) => n * Math.max(extent, 1), 1);
    this.elements = extents.length * product * Math.max(...extents.map((extent) => 2 * extent), 17) + 64;
  }

  /** Deep nests have short loops, so that the interpreter is done in time. */
  private limited(extent: number): number {
    const depth = this.spec.axes.length + (this.spec.reduced ? 1 : 0);
    return depth <= 2 ? extent : extent % (depth === 3 ? 10 : 6);
  }

  private extent(name: string, each: Axis): Expr {
    const { dynamic } = each;
    const extent = this.limited(each.extent);
    if (!dynamic) return i32Constant(extent);
    this.sizes.push(extent);
    return this.builder.size(name);
  }

  make(): RandomKernel {
    const { builder, spec, family } = this;
    const inputs = spec.operands.map((operand, i) =>
      builder.buffer(`x${i}`, pick(family.dtypes, operand.dtype), "read", null),
    );
    const outputs = spec.outputs.map((_, i) => builder.buffer(`y${i}`, family.dtypes[0]!, "write", null));
    this.nest([], inputs, outputs);
    const shared = this.mayShare(inputs[0]!, outputs) ? [[2 + inputs.length - 1, 1] as const] : [];
    return {
      kernel: builder.finish(),
      run: { sizes: this.sizes, elements: this.elements, shared, seed: spec.seed },
    };
  }

  /** The only input may lie where the only output goes, if both are walked alike. */
  private mayShare(input: Buffer, outputs: readonly Buffer[]): boolean {
    const { inPlace, operands, reduced, outputs: wanted, axes } = this.spec;
    const [operand] = operands;
    const alike =
      operand!.walks.slice(0, axes.length).every((walk) => walk === "dense") && operand!.shift === 0;
    const single = operands.length === 1 && outputs.length === 1 && input.dtype === outputs[0]!.dtype;
    return inPlace && single && alike && reduced === null && operand!.transposed === wanted[0]!.transposed;
  }

  private nest(at: readonly Expr[], inputs: readonly Buffer[], outputs: readonly Buffer[]): void {
    const { spec, builder } = this;
    const axisNumber = at.length;
    if (axisNumber === spec.axes.length) {
      this.body(at, inputs, outputs);
      return;
    }
    const innermost = axisNumber === spec.axes.length - 1 && !spec.reduced?.vectorized;
    const mode = innermost ? spec.innerMode : spec.outerMode;
    builder.for(
      `i${axisNumber}`,
      0,
      this.extents[axisNumber]!,
      (i) => this.nest([...at, i], inputs, outputs),
      { mode },
    );
  }

  private body(at: readonly Expr[], inputs: readonly Buffer[], outputs: readonly Buffer[]): void {
    const { builder, spec } = this;
    const value = spec.reduced ? this.reduction(at, inputs) : this.value(at, inputs);
    const store = () => {
      outputs.forEach((output, i) => {
        const result =
          i === 0 ? value : op(pick(this.family.ops, spec.ops[2]!), this.load(inputs[0]!, 0, at), value);
        builder.store(output, this.dense(at, spec.outputs[i]!.transposed), result);
      });
    };
    if (spec.condition === "none") store();
    else {
      const tested =
        spec.condition === "uniform" ? (this.spec.axes[0]!.dynamic ? this.extents[0]! : at[0]!) : at.at(-1)!;
      builder.if(op("lt_s", tested, 5), store);
    }
  }

  private reduction(at: readonly Expr[], inputs: readonly Buffer[]): Expr {
    const { builder, spec } = this;
    const reduced = spec.reduced!;
    const name = pick(this.family.reductions, reduced.op);
    const type = { scalar: registerTypes[this.family.dtypes[0]!], lanes: 1 } as const;
    const acc = builder.variable("acc", constant(type, 3));
    const step = (r: Expr) => {
      const value = this.value([...at, r], inputs);
      const current = read(acc);
      builder.assign(acc, name === "fma" ? op("fma", value, value, current) : op(name, current, value));
    };
    const mode = reduced.vectorized ? "vectorize" : "serial";
    builder.for("k", 0, this.reducedExtent!, step, { mode });
    return read(acc);
  }

  private value(at: readonly Expr[], inputs: readonly Buffer[]): Expr {
    const { spec, builder, family } = this;
    const scalar = registerTypes[family.dtypes[0]!];
    let value = inputs
      .map((input, i) => this.load(input, i, at))
      .reduce((a, b, i) => op(pick(family.ops, spec.ops[i]!), a, b));
    if (spec.lets) value = builder.let("t", value);
    if (spec.ops[0]! % 3 === 0) {
      const less = scalar === "f32" || scalar === "f64" ? "lt" : "lt_s";
      value = select(op(less, value, 2), op("add", value, 1), value);
    }
    if (!spec.useCounter || spec.axes.length + (spec.reduced ? 1 : 0) === 0) return value;
    const counter = at.at(-1)!;
    if (scalar === "i32") return op("add", value, counter);
    return scalar === "f32" ? op("add", value, op("i32_to_f32_s", counter)) : value;
  }

  private load(buffer: Buffer, position: number, at: readonly Expr[]): Expr {
    const operand = this.spec.operands[position]!;
    const extents = [...this.extents, ...(this.reducedExtent ? [this.reducedExtent] : [])].slice(
      0,
      at.length,
    );
    const places = at.map((i, n) => this.walk(operand.walks[n]!, i, extents[n]!));
    let index = add(this.rowMajor(places, extents, operand.transposed), operand.shift);
    if (this.spec.lets) index = this.builder.let("at", index);
    return this.builder.load(buffer, index);
  }

  private walk(how: (typeof walks)[number], i: Expr, extent: Expr): Expr {
    switch (how) {
      case "dense":
        return i;
      case "broadcast":
        return i32Constant(0);
      case "twice":
        return mul(i, 2);
      case "reversed":
        return sub(sub(extent, 1), i);
      case "quotient":
        return div(i, 3);
      case "remainder":
        return rem(i, 4);
      case "gathered":
        return this.builder.load(this.gatherTable, i);
    }
  }

  private dense(at: readonly Expr[], transposed: boolean): Expr {
    return this.rowMajor(at, this.extents, transposed);
  }

  private rowMajor(places: readonly Expr[], extents: readonly Expr[], transposed: boolean): Expr {
    const order = places.map((_, i) => i);
    if (transposed) order.reverse();
    let stride: Expr = i32Constant(1);
    const terms: Expr[] = [];
    for (const axisNumber of order.reverse()) {
      terms.unshift(mul(places[axisNumber]!, stride));
      stride = mul(stride, extents[axisNumber]!);
    }
    return sumOf(terms);
  }
}
