/** One kernel in the place of several that are equal but for integer constants. */

import { add, mul, read } from "../../compiler/loop/builder.js";
import {
  type Buffer,
  type Expr,
  i32,
  type Kernel,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { Names } from "../../compiler/loop/rewrite.js";
import { withoutDeadCode } from "./dead-code.js";
import { type Column, type Formula, Parameters } from "./parameters.js";
import { fillSkeleton, type Skeleton, type Slot } from "./skeleton.js";

interface Similar {
  readonly kernel: Kernel;
  readonly skeleton: Skeleton;
}

/** Gives the kernel and, for each that it stands for, the values of the sizes that it has beside theirs. */
export function mergeKernels(group: readonly Similar[]): {
  readonly kernel: Kernel;
  readonly sizes: readonly (readonly number[])[];
} {
  const { kernel, skeleton } = group[0]!;
  const columns = skeleton.slots.map((_, i) => group.map((one) => one.skeleton.slots[i]!.value));
  const bases = accessBases(columns.filter((column, i) => isAccess(skeleton, i) && isDifferent(column)));
  const constants = columns.filter((column, i) => !isAccess(skeleton, i) && isDifferent(column));
  const parameters = new Parameters([...bases.values(), ...constants]);

  const names = new Names(kernel);
  const { values, sizes, lets } = declare(parameters, names);
  const expressionOf = (column: Column): Expr => values[parameters.placeOf(column)]!;
  const buffers = new Map(kernel.buffers.map((buffer, i) => [buffer, mergeBuffers(group, buffer, i)]));
  const body = fillSkeleton(kernel, {
    constant: (slot) => (isDifferent(columns[slot]!) ? expressionOf(columns[slot]!) : null),
    access: (slot) => {
      const column = columns[slot]!;
      if (!isDifferent(column)) return null;
      const base = bases.get(shapeOf(column))!;
      return { by: expressionOf(base), distance: column[0]! - base[0]! };
    },
    step: (from, to) => {
      const place = parameters.placeOfStep(values.indexOf(from), values.indexOf(to));
      return place === undefined ? null : values[place]!;
    },
    buffer: (buffer) => buffers.get(buffer)!,
    pointer: (buffer) => names.variable(`${buffer.name}_at`, i32),
  });
  return {
    kernel: {
      ...kernel,
      name: commonName(group.map((one) => one.kernel.name)),
      buffers: [...buffers.values()],
      sizes: [...kernel.sizes, ...sizes.map(({ variable }) => variable)],
      ...(kernel.share !== undefined && { share: { ...kernel.share, time: longest(group) } }),
      body: withoutDeadCode([...lets, ...body]),
    },
    sizes: group.map((_, i) => sizes.map(({ column }) => column[i]!)),
  };
}

/** Pointers that innermost loops, and all of the kernel, have in the place of constants when the group is one. */
export function movedAccesses(group: readonly Similar[]): { readonly hot: number; readonly all: number } {
  const { slots } = group[0]!.skeleton;
  const columns = slots.map((_, i) => group.map((one) => one.skeleton.slots[i]!.value));
  const count = (isCounted: (slot: Slot) => boolean): number =>
    accessBases(columns.filter((column, i) => isCounted(slots[i]!) && isDifferent(column))).size;
  return {
    hot: count(({ place, isHot }) => place === "access" && isHot),
    all: count(({ place }) => place === "access"),
  };
}

const longest = (group: readonly Similar[]): number =>
  Math.max(...group.map(({ kernel }) => kernel.share?.time ?? 0));

const isDifferent = (column: Column): boolean => column.some((value) => value !== column[0]);

const isAccess = ({ slots }: Skeleton, slot: number): boolean => slots[slot]!.place === "access";

/** Columns of equal shape differ by a constant, which stays part of the access. */
const shapeOf = (column: Column): string => column.map((value) => value - column[0]!).join();

/** The smallest column of each shape. */
function accessBases(columns: readonly Column[]): Map<string, Column> {
  const bases = new Map<string, Column>();
  for (const column of columns) {
    const known = bases.get(shapeOf(column));
    if (known === undefined || column[0]! < known[0]!) bases.set(shapeOf(column), column);
  }
  return bases;
}

/** Sizes for parameters, and lets for what is computed from them. */
function declare({ formulas }: Parameters, names: Names) {
  const values: Expr[] = [];
  const sizes: { variable: Variable; column: Column }[] = [];
  const lets: Statement[] = [];
  for (const formula of formulas) {
    const variable = names.variable("n", i32);
    if (formula.kind === "parameter") sizes.push({ variable, column: formula.column });
    else lets.push({ kind: "let", variable, value: computed(formula, values) });
    values.push(read(variable));
  }
  return { values, sizes, lets };
}

function computed(formula: Exclude<Formula, { kind: "parameter" }>, values: readonly Expr[]): Expr {
  const of = values[formula.of]!;
  switch (formula.kind) {
    case "multiple":
      return mul(of, formula.by);
    case "beyond":
      return add(of, formula.by);
    case "sum":
      return add(of, values[formula.and]!);
  }
}

function mergeBuffers(group: readonly Similar[], buffer: Buffer, place: number): Buffer {
  const isEqual = group.every(({ kernel }) => kernel.buffers[place]!.elements === buffer.elements);
  return isEqual ? buffer : { ...buffer, elements: null };
}

/** The name with `n` for the numbers in which the names differ, where they differ in numbers only. */
function commonName(names: readonly string[]): string {
  const parts = names.map((name) => name.replace(/_v\d+$/, "").split(/(\d+)/));
  const [first] = parts;
  const isAlike = parts.every(
    (other) => other.length === first!.length && first!.every((part, i) => i % 2 === 1 || other[i] === part),
  );
  if (!isAlike) return names[0]!;
  return first!.map((part, i) => (parts.every((other) => other[i] === part) ? part : "n")).join("");
}
