/**
 * About how long a kernel takes, to tell whether it is worth waking another thread for.
 *
 * What it does and what it moves between memory and the core go on at the same time. The rates are rough: they stand for
 * contractions and for pointwise kernels, for weights out of any cache and for what has just been written.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import { constantIndex } from "../../compiler/loop/builder.js";
import type { Buffer, Expr, Kernel, Statement } from "../../compiler/loop/ir.js";
import { blocksOf, nodesOf, operandsOf } from "../../compiler/loop/rewrite.js";

/** Operations, loads and stores. */
export const operationsPerNanosecond = 20;
const bytesPerNanosecond = 32;

/** Passes of a loop whose number only the run knows. */
export const OPEN_PASSES = 32;

/** Nanoseconds that a kernel takes. */
export function timeOf({ body }: Kernel): number {
  const bytes = new Map<Buffer, number>();
  countBytes(body, 1, bytes);
  const moved = [...bytes].map(([buffer, accessed]) => Math.min(accessed, bytesOf(buffer)));
  const sum = moved.reduce((all, one) => all + one, 0);
  return Math.round(Math.max(costOf(body) / operationsPerNanosecond, sum / bytesPerNanosecond));
}

function bytesOf({ elements, dtype, access }: Buffer): number {
  if (access === "scratch") return 0;
  return elements === null ? Number.POSITIVE_INFINITY : elements * dtypes[dtype].bytes;
}

/** Adds the bytes that a block accesses, which is done so many times. */
function countBytes(block: readonly Statement[], times: number, bytes: Map<Buffer, number>): void {
  const count = (buffer: Buffer, lanes: number): void => {
    bytes.set(buffer, (bytes.get(buffer) ?? 0) + times * lanes * dtypes[buffer.dtype].bytes);
  };
  for (const statement of block) {
    for (const node of operandsOf(statement).flatMap((operand) => nodesOf(operand)))
      if (node.kind === "load") count(node.buffer, node.splat ? 1 : node.type.lanes);
    if (statement.kind === "store") count(statement.buffer, statement.value.type.lanes);
    const inner = statement.kind === "for" ? times * passes(statement) : times;
    for (const one of blocksOf(statement)) countBytes(one, inner, bytes);
  }
}

/** Operations and accesses of a block, on scalars or vectors. */
export function costOf(block: readonly Statement[]): number {
  return block.reduce((sum, statement) => sum + statementCost(statement), 0);
}

/** Operations and accesses of a statement, without the blocks in it. */
export function operationsOf(statement: Statement): number {
  const isWork = ({ kind }: Expr): boolean => kind === "op" || kind === "load";
  return operandsOf(statement).reduce((sum, operand) => sum + nodesOf(operand).filter(isWork).length, 1);
}

function statementCost(statement: Statement): number {
  const own = operationsOf(statement);
  const inner = blocksOf(statement).reduce((sum, block) => sum + costOf(block), 0);
  return statement.kind === "for" ? own + inner * passes(statement) : own + inner;
}

function passes({ start, end, step }: Statement & { kind: "for" }): number {
  const [first, last] = [constantIndex(start), constantIndex(end)];
  if (first !== undefined && last !== undefined) return Math.max(0, Math.ceil((last - first) / step));
  // The blocks of a loop that was cut into pieces: min(start + n, end).
  const piece = end.kind === "op" && end.op === "min_s" ? end.args[0]! : end;
  const length = piece.kind === "op" && piece.op === "add" ? constantIndex(piece.args[1]!) : undefined;
  return length !== undefined && length > 0 ? Math.ceil(length / step) : OPEN_PASSES;
}
