/**
 * `warmUp`: has an engine replace the first code of a module's hot functions before the first run.
 *
 * An engine starts with quick, slow code, and another thread of it makes better code of a function that has run for a
 * while. What engines count is passes of loops; V8 counts the bytes of code that a jump goes back, not what ran between.
 * So a hot function begins with a loop around all of its body, which where it is asked for passes does nothing but count
 * them down: some thousand of them are for V8 what otherwise takes long runs. Its thread compiles while the host puts the
 * weights in place. By `npm run bench` ResNet-50 starts 4.5 times as fast as with onnxruntime-web, 3.8 times without.
 */

import { ownTimes } from "../../passes/threads/own-times.js";
import type { Kernel } from "../loop/ir.js";
import type { Program } from "../loop/program.js";
import { exprsIn } from "../loop/rewrite.js";
import type { Expression, ModuleBuilder, ValueType } from "./builder.js";

/** The export. Kernels cannot have a name with a colon. */
const WARM_UP = { function: "warm:up", export: "warmUp" } as const;

/** Nanoseconds that a run is in a hot function, at least: less is over before the better code is there. */
const LEAST_TIME = 100_000;

/** The same of functions whose better code is there before, as the host has as many bytes of data to put in place. */
const LEAST_TIME_BESIDE_DATA = 40_000;
const DATA_PER_FUNCTION = 2 ** 20;

/** Bytes of its first code that V8 runs before it replaces a function's: `--wasm-tiering-budget` of version 13. */
const TIERING_BUDGET = 13_000_000;

/** Bytes of V8's first code in a function's loops, at least: for each node of an expression, and beside those. */
const BYTES_PER_NODE = 4.5;
const OTHER_BYTES = 100;

/** Kernels whose functions are warmed up, and the passes that each takes. */
export function hotKernels(program: Program): Map<Kernel, number> {
  const besideData = dataBytes(program) / DATA_PER_FUNCTION;
  const hot = [...ownTimes(program)]
    .sort(([, a], [, b]) => b - a)
    .filter(([, time], i) => time >= (i < besideData ? LEAST_TIME_BESIDE_DATA : LEAST_TIME));
  return new Map(hot.map(([kernel]) => [kernel, passesFor(kernel)]));
}

const dataBytes = ({ buffers }: Program): number =>
  buffers.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);

const passesFor = ({ body }: Kernel): number =>
  Math.ceil(TIERING_BUDGET / (OTHER_BYTES + BYTES_PER_NODE * exprsIn(body).length));

/** The body of a hot function, which does nothing where its parameter `passes` is not 0. */
export function warmable(builder: ModuleBuilder, body: Expression, passes: number): Expression {
  const get = (): Expression => builder.get(passes, "i32");
  const isRun = builder.pure("i32.eqz", [get()]);
  // A loop that the body is not part of: it leaves the function.
  const run = builder.if(isRun, builder.block([body, builder.return()]));
  const countDown = builder.set(passes, builder.pure("i32.sub", [get(), builder.i32(1)]));
  return builder.doWhile("warm", [run, countDown], get());
}

export interface HotFunction {
  readonly name: string;
  /** The last is the passes. */
  readonly params: readonly ValueType[];
  readonly passes: number;
}

/** Adds `warmUp`, unless nothing is hot. */
export function emitWarmUp(builder: ModuleBuilder, functions: readonly HotFunction[]): void {
  if (functions.length === 0) return;
  const calls = functions.map(({ name, params, passes }) =>
    builder.call(name, [...params.slice(0, -1).map((type) => builder.zero(type)), builder.i32(passes)]),
  );
  builder.function({ name: WARM_UP.function, params: [], locals: [], body: builder.block(calls) });
  builder.export(WARM_UP.function, WARM_UP.export);
}
