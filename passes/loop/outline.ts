/**
 * What a kernel does again and again, such as a tile of a matrix product, becomes a function of its own, which kernels
 * that do the same on other numbers share.
 *
 * An engine starts with quick, slow code and replaces that of a function when it has run for a while, but never under a
 * call that goes on (V8 has no on-stack replacement for WebAssembly). A kernel is called once for a layer: all of its
 * first run, the first of the model, took the slow code, three times as long. A function for the tile is called
 * thousands of times, and is replaced within the first of its milliseconds, for all layers.
 *
 * What is small stays where it is, for a call costs some cycles: up to 6000 operations, where that takes little code.
 * MobileNetV3-small's is 2.8 kB larger for it than with 2000; MobileViT's, whose tiles have a SiLU for each sum, would
 * be 11 kB larger without the regard for length.
 */

import { i32Constant, read } from "../../compiler/loop/builder.js";
import {
  type Buffer,
  type Expr,
  type For,
  i32,
  type Kernel,
  type Statement,
  sameType,
  type Variable,
} from "../../compiler/loop/ir.js";
import { kernelsOf, mapCalls, type Program } from "../../compiler/loop/program.js";
import {
  assignedIn,
  blocksOf,
  declaredIn,
  exprsIn,
  mapBlocks,
  Names,
  operandsOf,
  readsMemory,
  statementsIn,
  substitute,
  variablesOf,
} from "../../compiler/loop/rewrite.js";
import { uniquelyNamed } from "../../compiler/loop/share.js";
import { costOf, timeOf } from "../threads/cost.js";
import { mergeKernels, movedAccesses } from "./merge-kernels.js";
import type { ProgramPass } from "./pass.js";
import { groupBy, hotAccesses, type Skeleton, skeletonOf } from "./skeleton.js";

type Block = readonly Statement[];

export interface Worth {
  /** Nanoseconds of a kernel, at least. */
  readonly time: number;
  /** Operations of a function, that a call is little beside. */
  readonly cost: number;
  /** The same of a short function, of which a copy takes few bytes. */
  readonly shortCost: number;
}

const usualWorth: Worth = { time: 20_000, cost: 2000, shortCost: 6000 };
const worthForSize: Worth = { ...usualWorth, shortCost: usualWorth.cost };

/** Characters of a skeleton that make about a kilobyte of code: a tile with nothing fused has half as many. */
const SHORT = 4000;

/** Parameters of a function: more go through memory, and callers are slow at first. */
const MAX_PARAMETERS = 12;

/** Pointers in the place of constants, in innermost loops and in all: there are registers for few. */
const MAX_HOT_POINTERS = 5;
const MAX_POINTERS = 16;

const outlining = (worth: Worth): ProgramPass => ({
  name: "outline",
  summary: "what loops do again and again becomes functions that kernels share",
  run: (program) => outlineLoops(program, worth),
});

export const outline = outlining(usualWorth);

export const outlineForSize = outlining(worthForSize);

/** The body of a loop that becomes a function. */
interface Region {
  readonly loop: For;
  /** Index arithmetic that its loop goes on to do itself. */
  readonly before: Block;
  readonly kernel: Kernel;
  readonly buffers: readonly Buffer[];
  /** What the kernel's sizes are in the loop. */
  readonly sizes: readonly Expr[];
  readonly skeleton: Skeleton;
}

/** The kernel that a region is part of. */
interface Origin {
  readonly name: string;
  readonly names: Names;
  readonly worth: Worth;
}

/** The program with functions of loops that are worth it. */
export function outlineLoops(program: Program, worth: Worth): Program {
  const kernels = kernelsOf(program);
  const regions = kernels
    .filter((kernel) => timeOf(kernel) >= worth.time)
    .flatMap((kernel) => regionsIn(kernel.body, { name: kernel.name, names: new Names(kernel), worth }));
  const invocations = new Map<For, Block>();
  const names = new Map<string, number>();
  for (const group of groupsOf(regions)) invoke(group, names, invocations);
  const replace = (block: Block): Statement[] =>
    block.map((statement) => {
      const body = statement.kind === "for" ? invocations.get(statement) : undefined;
      return body === undefined ? mapBlocks(statement, replace) : { ...(statement as For), body };
    });
  const outlined = new Map(kernels.map((kernel) => [kernel, { ...kernel, body: replace(kernel.body) }]));
  return mapCalls(program, (call) => ({ ...call, kernel: outlined.get(call.kernel)! }));
}

/** The innermost loops whose bodies may and should be functions. */
function regionsIn(block: Block, from: Origin): Region[] {
  return block.flatMap((statement) => {
    const inner = blocksOf(statement).flatMap((one) => regionsIn(one, from));
    if (inner.length > 0 || statement.kind !== "for") return inner;
    const cost = costOf(statement.body);
    const region = cost < from.worth.cost ? null : regionOf(statement, from);
    if (region === null) return [];
    const isShort = region.skeleton.text.length <= SHORT;
    return isShort && cost < from.worth.shortCost ? [] : [region];
  });
}

/** The loop's body as a kernel, unless it needs more of what is around it than a function can have. */
function regionOf(loop: For, { name, names }: Origin): Region | null {
  const { before, rest } = splitBlock(loop.body, names);
  const declared = declaredIn(rest);
  for (const variable of assignedIn(rest)) if (!declared.has(variable)) return null;
  const free = freeIn(rest, declared);
  if (free.length > MAX_PARAMETERS) return null;
  const values = new Map<Variable, Expr>();
  const sizes = free.map((variable) => {
    const size: Variable = { ...variable, mutable: false };
    values.set(variable, read(size));
    return size;
  });
  const buffers = buffersIn(rest);
  const kernel: Kernel = {
    name: `${name.replace(/_v\d+$/, "")}_body`,
    buffers,
    sizes,
    body: substitute(rest, values),
  };
  return { loop, before, kernel, buffers, sizes: free.map(read), skeleton: skeletonOf(kernel) };
}

/**
 * Splits a block into index arithmetic on what is known before it, and the rest. Pointers that the rest moves get their
 * first value there.
 */
function splitBlock(block: Block, names: Names): { before: Statement[]; rest: Statement[] } {
  const [before, rest]: [Statement[], Statement[]] = [[], []];
  const later = new Set<Variable>([...assignedIn(block)]);
  for (const statement of block) {
    if (statement.kind !== "let") {
      for (const variable of declaredIn([statement])) later.add(variable);
      rest.push(statement);
      continue;
    }
    const { variable, value } = statement;
    const isKnown =
      sameType(value.type, i32) &&
      !readsMemory(value) &&
      ![...variablesOf(value)].some((one) => later.has(one));
    if (isKnown && !variable.mutable) {
      before.push(statement);
    } else if (isKnown && value.kind === "op") {
      const first = names.variable(variable.name, i32);
      before.push({ ...statement, variable: first });
      rest.push({ ...statement, value: read(first) });
    } else {
      later.add(variable);
      rest.push(statement);
    }
  }
  return { before, rest };
}

/** Variables that a block reads and does not declare, in the order in which it does. */
function freeIn(block: Block, declared: ReadonlySet<Variable>): Variable[] {
  const free = new Set<Variable>();
  for (const statement of statementsIn(block)) {
    const pointer = statement.kind === "store" ? statement.pointer : undefined;
    const variables = operandsOf(statement).flatMap((operand) => [...variablesOf(operand)]);
    for (const variable of pointer === undefined ? variables : [pointer, ...variables]) {
      if (!declared.has(variable)) free.add(variable);
    }
  }
  return [...free];
}

function buffersIn(block: Block): Buffer[] {
  const buffers = new Set<Buffer>();
  for (const expr of exprsIn(block)) {
    if (expr.kind === "address" || expr.kind === "load") buffers.add(expr.buffer);
  }
  for (const statement of statementsIn(block)) if (statement.kind === "store") buffers.add(statement.buffer);
  return [...buffers];
}

/** Regions that become one function: they differ in numbers only, of which accesses use few. */
function groupsOf(regions: readonly Region[]): Region[][] {
  return groupBy(regions, ({ skeleton }) => skeleton.text).flatMap((alike) =>
    isCheap(alike) ? [alike] : groupBy(alike, ({ skeleton }) => hotAccesses(skeleton)),
  );
}

function isCheap(group: readonly Region[]): boolean {
  const { hot, all } = movedAccesses(group);
  return hot <= MAX_HOT_POINTERS && all <= MAX_POINTERS;
}

/** Makes one kernel of a group, and notes what the loops do now. */
function invoke(group: readonly Region[], names: Map<string, number>, bodies: Map<For, Block>): void {
  const merged = mergeKernels(group);
  const kernel = uniquelyNamed(merged.kernel, names);
  group.forEach(({ loop, before, buffers, sizes }, i) => {
    const constants = merged.sizes[i]!.map(i32Constant);
    bodies.set(loop, [...before, { kind: "invoke", kernel, buffers, sizes: [...sizes, ...constants] }]);
  });
}
