/**
 * The placing of blocks as a kernel of Loop IR, for modules that learn the sizes of their buffers while they run: first
 * fit, in an order that the compiler has chosen. A block keeps its place until it is placed again.
 */

import {
  add,
  i32Constant,
  KernelBuilder,
  maxIndex,
  op,
  read,
  select,
  sub,
} from "../../compiler/loop/builder.js";
import type { Buffer, Expr, Kernel } from "../../compiler/loop/ir.js";

/** Where the parts of the table lie, in elements: one element a block in each, unless it says otherwise. */
export interface BlockTable {
  readonly blocks: number;
  /** Lists of blocks to place, one behind the other. */
  readonly listed: number;
}

export const tableParts = ({ blocks, listed }: BlockTable) => ({
  /** Number of placed blocks. */
  count: 0,
  /** First byte behind all blocks that were ever placed. */
  end: 1,
  first: 2,
  last: 2 + blocks,
  bytes: 2 + 2 * blocks,
  address: 2 + 3 * blocks,
  /** Placed blocks by address. */
  placed: 2 + 4 * blocks,
  /** 1 for blocks that are about to be placed. */
  mark: 3 + 5 * blocks,
  lists: 3 + 6 * blocks,
  length: 3 + 6 * blocks + listed,
});

/**
 * Kernel over the table with sizes `from` and `to`, the part of the lists to place, and `limit`, an address that no
 * block may reach: where one would, `error` becomes `errorNumber`.
 */
export function placeKernel(table: BlockTable, base: number, errorNumber: number): Kernel {
  const k = new KernelBuilder("place_blocks");
  const parts = tableParts(table);
  const memory = k.buffer("table", "int32", "readwrite", parts.length);
  const error = k.buffer("error", "int32", "readwrite", 1);
  const [from, to, limit] = [k.size("from"), k.size("to"), k.size("limit")];
  const get = (part: number, i: Expr): Expr => k.load(memory, add(i, part));
  const set = (part: number, i: Expr, value: Expr): void => k.store(memory, add(i, part), value);
  const markAll = (value: number): void =>
    k.for("l", from, to, (l) => set(parts.mark, get(parts.lists, l), i32Constant(value)));

  markAll(1);
  const kept = k.variable("kept", i32Constant(0));
  k.for("i", 0, k.let("count", k.load(memory, parts.count)), (i) => {
    const block = k.let("block", get(parts.placed, i));
    k.if(op("eq", get(parts.mark, block), 0), () => {
      set(parts.placed, read(kept), block);
      k.assign(kept, add(read(kept), 1));
    });
  });
  markAll(0);
  const end = k.variable("end", k.load(memory, parts.end));
  k.for("j", from, to, (j) => {
    const block = k.let("block", get(parts.lists, j));
    const bytes = k.let("bytes", maxIndex(get(parts.bytes, block), 0));
    const start = k.let("start", firstFit(k, get, parts, block, bytes, read(kept), base));
    const isTooLarge = k.let("is_too_large", op("gt_s", bytes, sub(limit, start)));
    k.if(isTooLarge, () => {
      const first = select(op("eq", k.load(error, 0), 0), i32Constant(errorNumber), k.load(error, 0));
      k.store(error, 0, first);
    });
    set(parts.address, block, start);
    insert(k, memory, parts, block, start, read(kept));
    k.assign(kept, add(read(kept), 1));
    k.assign(end, select(isTooLarge, read(end), maxIndex(read(end), add(start, bytes))));
  });
  k.store(memory, parts.count, read(kept));
  k.store(memory, parts.end, read(end));
  return k.finish();
}

/** The lowest address from which the block overlaps no placed one that lives at the same time. */
function firstFit(
  k: KernelBuilder,
  get: (part: number, i: Expr) => Expr,
  parts: ReturnType<typeof tableParts>,
  block: Expr,
  bytes: Expr,
  count: Expr,
  base: number,
): Expr {
  const at = k.variable("at", i32Constant(base));
  const found = k.variable("found", i32Constant(0));
  const [first, last] = [k.let("first", get(parts.first, block)), k.let("last", get(parts.last, block))];
  k.for("i", 0, count, (i) => {
    const other = k.let("other", get(parts.placed, i));
    const meets = op(
      "and",
      op("le_s", get(parts.first, other), last),
      op("le_s", first, get(parts.last, other)),
    );
    k.if(op("and", meets, op("eq", read(found), 0)), () => {
      const start = k.let("place", get(parts.address, other));
      k.if(
        op("le_s", add(read(at), bytes), start),
        () => k.assign(found, i32Constant(1)),
        () => k.assign(at, maxIndex(read(at), add(start, maxIndex(get(parts.bytes, other), 0)))),
      );
    });
  });
  return read(at);
}

/** Keeps the placed blocks in the order of their addresses. */
function insert(
  k: KernelBuilder,
  memory: Buffer,
  parts: ReturnType<typeof tableParts>,
  block: Expr,
  start: Expr,
  count: Expr,
): void {
  const position = k.variable("position", count);
  k.for("i", 0, count, (i) => {
    const above = k.let("above", sub(sub(count, 1), i));
    const other = k.let("other", k.load(memory, add(above, parts.placed)));
    k.if(op("gt_s", k.load(memory, add(other, parts.address)), start), () => {
      k.store(memory, add(above, parts.placed + 1), other);
      k.assign(position, above);
    });
  });
  k.store(memory, add(read(position), parts.placed), block);
}
