/**
 * Matrix product of numbers and a matrix of small integers, [rows, depth] x [columns, depth]', that stand for
 * (integer - zero) * scale, with a scale and a zero for every block of neighbouring integers of a column.
 *
 * The integers stay as small as the model has them. They are packed so that a vector of 32-bit words has four columns in
 * its lanes, and each word the integers of 32 / bits neighbouring steps of the depth, the first topmost: two shifts make a
 * vector of numbers of one step, without a byte of it moved between lanes. Integers are stored with the middle of their
 * range as zero, which the shifts by sign then give. A block is summed up before its scale is applied.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import type { TypedArray } from "../ir/dtype.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { add, constant, i32Constant, mul, type Operand, op, read } from "../loop/builder.js";
import { type Buffer, type Expr, f32, f32x4, type Variable } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import {
  Accumulators,
  lanes,
  type PackedPanels,
  packedOffset,
  packPanels,
  panelsOf,
  type Tile,
  type TileResult,
  tileRuns,
} from "./tile.js";

export interface BlockMatrix {
  readonly depth: number;
  readonly columns: number;
  /** Bits of an integer: 2, 4 or 8. */
  readonly bits: number;
  /** Integers of a column that share a scale: at least as many as a word holds. */
  readonly block: number;
}

export const blocksOf = ({ depth, block }: BlockMatrix): number => Math.ceil(depth / block);

/** The integer that stands for 0 where no zero points are given. */
export const middleOf = ({ bits }: BlockMatrix): number => 2 ** (bits - 1);

const wordsPerBlock = ({ bits, block }: BlockMatrix): number => (block * bits) / 32;

/** Two vectors of columns and four rows are eight sums, which leaves registers for what they are made of. */
const panelWidth = 8;
const largestTile = 4;

const panelsFor = (m: BlockMatrix): PackedPanels[] => panelsOf(m.columns, panelWidth);

/** [columns, blocks, bytes of a block] as words, four columns side by side. */
export function packIntegers(m: BlockMatrix, { data }: TensorData): TensorData {
  const words = blocksOf(m) * wordsPerBlock(m);
  const panels = panelsFor(m);
  const packed = new Int32Array(packedOffset(panels, panels.length, words));
  let at = 0;
  for (const { start, count, columns, packed: width } of panels) {
    for (let panel = 0; panel < count; panel++) {
      for (let word = 0; word < words; word++, at += width) {
        for (let j = 0; j < columns; j++) {
          const from = ((start + panel * columns + j) * words + word) * 4;
          packed[at + j] = packWord(m, data, from);
        }
      }
    }
  }
  return tensor("int32", [packed.length], packed);
}

/** The integers of four bytes, the first in the topmost bits, their top bits flipped: that takes the middle off them. */
function packWord(m: BlockMatrix, bytes: TypedArray, from: number): number {
  const mask = 2 ** m.bits - 1;
  let word = 0;
  for (let i = 0; i < 4; i++) {
    for (let bit = 0; bit < 8; bit += m.bits) {
      word = (word << m.bits) | (((Number(bytes[from + i]) >> bit) & mask) ^ middleOf(m));
    }
  }
  return word;
}

/** A number for each block of each column, in the order in which the kernel reads them. */
export function packBlockNumbers(
  m: BlockMatrix,
  element: (column: number, block: number) => number,
): TensorData {
  const { data } = packPanels(1, blocksOf(m), m.columns, panelsFor(m), (_, block, column) =>
    element(column, block),
  );
  return tensor("float32", [data.length], data);
}

export interface BlockOperands {
  readonly left: Buffer;
  /** Place of an element of the left operand. */
  readonly leftAt: (row: Operand, k: Operand) => Expr;
  /** As `packIntegers` and `packBlockNumbers` make them. */
  readonly integers: Buffer;
  readonly scales: Buffer;
  /** What is taken off the integers, whose middle is 0 here; nothing where it is null. */
  readonly zeros: Buffer | null;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

export function matmulBlocks(s: NodeScope, rows: Dim, m: BlockMatrix, operands: BlockOperands): void {
  const panels = panelsFor(m);
  const blocks = blocksOf(m);
  const words = blocks * wordsPerBlock(m);
  const most = s.target.simd ? largestTile : 1;
  const largest = isStatic(rows) ? Math.min(most, rows) : most;
  panels.forEach((stretch, index) => {
    s.for("panel", 0, stretch.count, (panel) => {
      const first = (depth: number): Expr =>
        s.let("w", add(packedOffset(panels, index, depth), mul(panel, depth * stretch.packed)));
      const place = { words: first(words), numbers: first(blocks), packed: stretch.packed };
      const column = s.let("column", add(stretch.start, mul(panel, stretch.columns)));
      for (const run of largest === 0 ? [] : tileRuns(s, rows, largest)) {
        s.for("tile", 0, run.count, (tile) => {
          const row = s.let("row", add(run.start, mul(tile, run.rows)));
          const shape = { rows: run.rows, columns: stretch.columns };
          new BlockTile(s, m, operands, place, row, shape).multiply((value, r, c) =>
            operands.result(value, add(row, r), add(column, c)),
          );
        });
      }
    });
  });
}

interface PanelPlace {
  /** First word of the panel, and first scale. */
  readonly words: Expr;
  readonly numbers: Expr;
  /** Columns that it is packed to. */
  readonly packed: number;
}

/** A few rows of the result and the columns of one panel. */
class BlockTile {
  private readonly vectors: number;
  /** A single row has too few sums to hide the time that an addition takes, so it has each of them twice. */
  private readonly chains: number;

  constructor(
    private readonly s: NodeScope,
    private readonly m: BlockMatrix,
    private readonly operands: BlockOperands,
    private readonly place: PanelPlace,
    private readonly row: Expr,
    private readonly tile: Tile,
  ) {
    this.vectors = place.packed / lanes;
    this.chains = tile.rows === 1 ? 2 : 1;
  }

  multiply(result: TileResult): void {
    const { s, m } = this;
    const totals = new Accumulators(s, this.tile);
    const whole = Math.floor(m.depth / m.block);
    s.for("block", 0, whole, (block) => this.addBlock(totals, block, m.block));
    if (m.depth % m.block > 0) this.addBlock(totals, i32Constant(whole), m.depth % m.block);
    totals.finish(result);
  }

  /** Adds a block's sums times its scales; the last block may be shorter. */
  private addBlock(totals: Accumulators, block: Expr, length: number): void {
    const { s, operands } = this;
    const zeros = operands.zeros === null ? null : this.numbers("zero", operands.zeros, block);
    const sums = Array.from({ length: this.tile.rows * this.vectors * this.chains }, () =>
      s.variable("sum", constant(f32x4, 0)),
    );
    const perWord = 32 / this.m.bits;
    const words = Math.floor(length / perWord);
    s.for("word", 0, words, (word) => this.addWord(sums, zeros, block, word, perWord));
    if (length % perWord > 0) this.addWord(sums, zeros, block, i32Constant(words), length % perWord);
    this.numbers("scale", operands.scales, block).forEach((scale, vector) => {
      for (let row = 0; row < this.tile.rows; row++) {
        const first = this.sumOf(row, vector);
        const parts = sums.slice(first, first + this.chains).map(read);
        totals.multiplyAddOne(
          row,
          vector,
          parts.reduce((a, b) => op("add", a, b)),
          scale,
        );
      }
    });
  }

  /** Adds the products of the first `steps` integers of each of a word for every column. */
  private addWord(
    sums: readonly Variable[],
    zeros: readonly Expr[] | null,
    block: Expr,
    word: Expr,
    steps: number,
  ): void {
    const { s, m, operands, place } = this;
    const from = s.let("from", add(place.words, mul(add(mul(block, wordsPerBlock(m)), word), place.packed)));
    const k = s.let("k", add(mul(block, m.block), mul(word, 32 / m.bits)));
    const loaded = this.forVectors((v) => s.load(operands.integers, add(from, v * lanes), lanes));
    if (this.tile.rows === 1) {
      const packed = loaded.map((vector) => s.let("packed", vector));
      for (let step = 0; step < steps; step++) {
        const raised = packed.map((vector) => op("shl", vector, step * m.bits));
        this.addStep(sums, this.weights(raised, zeros), add(k, step), step % this.chains);
      }
      return;
    }
    // Written out, the engine would load all that the rows need before it adds anything, and run out of registers.
    const packed = loaded.map((vector) => s.variable("packed", vector));
    s.for("step", 0, steps, (step) => {
      this.addStep(sums, this.weights(packed.map(read), zeros), add(k, step), 0);
      for (const rest of packed) s.assign(rest, op("shl", read(rest), m.bits));
    });
  }

  /** The numbers for which the topmost integers of words stand, but for their scale. */
  private weights(words: readonly Expr[], zeros: readonly Expr[] | null): Expr[] {
    return words.map((word, v) => {
      const number = op("i32_to_f32_s", op("shr_s", word, 32 - this.m.bits));
      return this.s.let("b", zeros === null ? number : op("sub", number, zeros[v]!));
    });
  }

  private addStep(sums: readonly Variable[], weights: readonly Expr[], k: Expr, chain: number): void {
    const { s, operands } = this;
    for (let row = 0; row < this.tile.rows; row++) {
      const a = s.let("a", s.loadSplat(operands.left, operands.leftAt(add(this.row, row), k)));
      weights.forEach((b, v) => {
        const sum = sums[this.sumOf(row, v) + chain]!;
        s.assign(sum, op("fma", a, b, read(sum)));
      });
    }
  }

  /** The first of the sums of a vector of the result. */
  private sumOf(row: number, vector: number): number {
    return (row * this.vectors + vector) * this.chains;
  }

  /** The numbers that a block has for the columns. */
  private numbers(name: string, buffer: Buffer, block: Expr): Expr[] {
    const first = add(this.place.numbers, mul(block, this.place.packed));
    return this.forVectors((v) => {
      const loaded = this.s.load(buffer, add(first, v * lanes), lanes);
      return this.s.let(name, loaded.type.scalar === "i32" ? op("i32_to_f32_s", loaded) : loaded);
    });
  }

  private forVectors<T>(make: (vector: number) => T): T[] {
    return Array.from({ length: this.vectors }, (_, vector) => make(vector));
  }
}

/** The same of operands that only the run knows, the integers in the model's own order. */
export interface LooseOperands {
  readonly left: (row: Expr, k: Expr) => Expr;
  /** An integer of a block as it is stored. */
  readonly integer: (column: Expr, block: Expr, step: Expr) => Expr;
  readonly scale: (column: Expr, block: Expr) => Expr;
  readonly zero: (column: Expr, block: Expr) => Expr;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

export function matmulLooseBlocks(s: NodeScope, rows: Dim, m: BlockMatrix, operands: LooseOperands): void {
  s.for("row", 0, s.dim(rows), (row) => {
    s.for("column", 0, m.columns, (column) => {
      const total = s.variable("total", constant(f32, 0));
      s.for("block", 0, blocksOf(m), (block) => {
        const start = s.let("start", mul(block, m.block));
        const zero = s.let("zero", operands.zero(column, block));
        const sum = s.variable("sum", constant(f32, 0));
        const length =
          m.depth % m.block === 0 ? m.block : op("min_s", op("sub", i32Constant(m.depth), start), m.block);
        s.for("k", 0, length, (step) => {
          const integer = op("i32_to_f32_s", operands.integer(column, block, step));
          const a = operands.left(row, add(start, step));
          s.assign(sum, op("fma", a, op("sub", integer, zero), read(sum)));
        });
        s.assign(total, op("fma", read(sum), operands.scale(column, block), read(total)));
      });
      operands.result(read(total), row, column);
    });
  });
}
