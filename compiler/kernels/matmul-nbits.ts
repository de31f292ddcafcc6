/**
 * Matrix product of numbers and a matrix of small integers, [rows, depth] x [columns, depth]', that stand for
 * (integer - zero) * scale, with a scale and a zero for every block of neighbouring integers of a column.
 *
 * The integers stay as small as the model has them. They are packed so that a vector of 32-bit words has four columns in
 * its lanes, and each word the integers of 32 / bits neighbouring steps of the depth, the first topmost. Only a mask is
 * needed to make numbers of one step's integers, without a bit of them moved: they come out 2^shift times as large, and
 * what they are multiplied by has been made as much smaller beforehand, in one kernel for all columns (`scaleSteps`). It
 * also sums up what the blocks' numbers stand for beside their integers: (integer - zero) * a, summed over a block, is
 * the sum of integer * a less zero times the sum of a. A block is summed up before its scale is applied.
 */

import type { Dim } from "../ir/dim.js";
import type { TypedArray } from "../ir/dtype.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { add, constant, i32Constant, mul, type Operand, op, read } from "../loop/builder.js";
import { type Buffer, type Expr, type ExprType, f32, f32x4, type Variable } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import { forPanelTiles, type PanelTile, vectorAt } from "./panel-tiles.js";
import { columnOf, type PackedPanels, packedOffset, packPanels, panelsOf } from "./panels.js";
import { Accumulators, lanes, type TileResult, vectorsOf } from "./tile.js";

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

const i32x4: ExprType = { scalar: "i32", lanes: 4 };

const wordsPerBlock = ({ bits, block }: BlockMatrix): number => (block * bits) / 32;

/** Two vectors of columns and four rows are eight sums, which leaves registers for what they are made of. */
const panelWidth = 8;
const largestTile = 4;

/** Sums that are enough to hide how long a multiply-add takes. */
const SUMS = 8;

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

/**
 * The integers of four bytes, the first in the topmost bits. That one's top bit, the word's sign, is flipped, which takes
 * the middle off it.
 */
function packWord(m: BlockMatrix, bytes: TypedArray, from: number): number {
  const mask = 2 ** m.bits - 1;
  let word = 0;
  for (let i = 0; i < 4; i++) {
    for (let bit = 0; bit < 8; bit += m.bits) {
      word = (word << m.bits) | ((Number(bytes[from + i]) >> bit) & mask);
    }
  }
  return word ^ -(2 ** 31);
}

/** How far up the integer of a step is in its word. */
const shiftOf = ({ bits }: BlockMatrix, step: number): number => 32 - bits * (step + 1);

export interface StepOperands {
  /** A step of a row of the left operand. */
  readonly left: (k: Expr) => Expr;
  /** Takes the same, as `BlockOperands` have it. */
  readonly step: (k: Expr, value: Expr) => void;
  /** Takes what a block's sum begins with, and what is added to that for each 1 of its zero. */
  readonly start: (block: Expr, value: Expr, perZero: Expr) => void;
}

/** Makes of a row of the left operand what does not depend on the column. */
export function scaleSteps(s: NodeScope, m: BlockMatrix, { left, step, start }: StepOperands): void {
  const perWord = 32 / m.bits;
  const scaleBlock = (block: Expr, length: number): void => {
    // The topmost integers have the middle taken off, others have not.
    const [top, others] = [0, 1].map(() => s.variable("sum", constant(f32, 0))) as [Variable, Variable];
    const scaleWord = (word: Expr, steps: number): void => {
      const first = s.let("k", add(mul(block, m.block), mul(word, perWord)));
      for (let i = 0; i < steps; i++) {
        const a = s.let("a", left(add(first, i)));
        step(add(first, i), op("mul", a, constant(f32, 2 ** -shiftOf(m, i))));
        const sum = i === 0 ? top : others;
        s.assign(sum, op("add", read(sum), a));
      }
    };
    const words = Math.floor(length / perWord);
    s.for("word", 0, words, (word) => scaleWord(word, perWord));
    if (length % perWord > 0) scaleWord(i32Constant(words), length % perWord);
    const all = op("add", read(top), read(others));
    start(block, op("mul", read(others), constant(f32, -middleOf(m))), op("neg", all));
  };
  const whole = Math.floor(m.depth / m.block);
  s.for("block", 0, whole, (block) => scaleBlock(block, m.block));
  if (m.depth % m.block > 0) scaleBlock(i32Constant(whole), m.depth % m.block);
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
  /** As `scaleSteps` makes them, for each row. */
  readonly steps: Buffer;
  readonly stepAt: (row: Operand, k: Operand) => Expr;
  readonly starts: Buffer;
  readonly startAt: (row: Operand, block: Operand, of: "sum" | "zero") => Expr;
  /** As `packIntegers` and `packBlockNumbers` make them. */
  readonly integers: Buffer;
  readonly scales: Buffer;
  /** What is taken off the integers, whose middle is 0 here; nothing where it is null. */
  readonly zeros: Buffer | null;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

export function matmulBlocks(s: NodeScope, rows: Dim, m: BlockMatrix, operands: BlockOperands): void {
  const blocks = blocksOf(m);
  const depths = [blocks * wordsPerBlock(m), blocks];
  forPanelTiles(s, rows, { panels: panelsFor(m), largest: largestTile, depths }, (place) => {
    new BlockTile(s, m, operands, place).multiply((value, r, c) =>
      operands.result(value, add(place.row, r), columnOf(place, c)),
    );
  });
}

/** A few rows of the result and the columns of one panel or of several. */
class BlockTile {
  private readonly vectors: number;
  /** How often each sum is there: few would not hide the time that an addition takes. */
  private readonly chains: number;

  constructor(
    private readonly s: NodeScope,
    private readonly m: BlockMatrix,
    private readonly operands: BlockOperands,
    private readonly place: PanelTile,
  ) {
    const { tile } = place;
    this.vectors = vectorsOf(tile);
    this.chains = tile.rows === 1 ? Math.max(1, Math.floor(SUMS / this.vectors)) : 1;
  }

  multiply(result: TileResult): void {
    const { s, m } = this;
    const totals = new Accumulators(s, this.place.tile);
    const whole = Math.floor(m.depth / m.block);
    s.for("block", 0, whole, (block) => this.addBlock(totals, block, m.block));
    if (m.depth % m.block > 0) this.addBlock(totals, i32Constant(whole), m.depth % m.block);
    totals.finish(result);
  }

  /** Adds a block's sums times its scales; the last block may be shorter. */
  private addBlock(totals: Accumulators, block: Expr, length: number): void {
    const { s, operands } = this;
    const sums = this.starts(block).flatMap((start) =>
      Array.from({ length: this.chains }, (_, chain) =>
        s.variable("sum", chain === 0 ? start : constant(f32x4, 0)),
      ),
    );
    const perWord = 32 / this.m.bits;
    const words = Math.floor(length / perWord);
    s.for("word", 0, words, (word) => this.addWord(sums, block, word, perWord));
    if (length % perWord > 0) this.addWord(sums, block, i32Constant(words), length % perWord);
    this.numbers("scale", operands.scales, block).forEach((scale, vector) => {
      for (let row = 0; row < this.place.tile.rows; row++) {
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

  /** What the sums of a block begin with, for each row and vector. */
  private starts(block: Expr): Expr[] {
    const { s, operands } = this;
    const zeros = operands.zeros === null ? null : this.numbers("zero", operands.zeros, block);
    return Array.from({ length: this.place.tile.rows }, (_, r) => {
      const row = add(this.place.row, r);
      const load = (of: "sum" | "zero") => s.loadSplat(operands.starts, operands.startAt(row, block, of));
      const sum = s.let("start", load("sum"));
      if (zeros === null) return this.forVectors(() => sum);
      const perZero = s.let("start", load("zero"));
      return this.forVectors((v) => op("fma", zeros[v]!, perZero, sum));
    }).flat();
  }

  /** Adds the products of the first `steps` integers of each of a word for every column. */
  private addWord(sums: readonly Variable[], block: Expr, word: Expr, steps: number): void {
    const { s, m, operands, place } = this;
    const from = s.let("from", mul(add(mul(block, wordsPerBlock(m)), word), place.packed));
    const k = s.let("k", add(mul(block, m.block), mul(word, 32 / m.bits)));
    const words = this.forVectors((v) =>
      s.let("packed", s.load(operands.integers, vectorAt(place.parts[0]!, place.packed, from, v), lanes)),
    );
    const topmost = -(2 ** (32 - m.bits));
    if (this.place.tile.rows === 1) {
      for (let step = 0; step < steps; step++) {
        const mask = constant(i32x4, (topmost >>> (step * m.bits)) | 0);
        this.addStep(sums, this.weights(words, mask), add(k, step), step % this.chains);
      }
      return;
    }
    // Written out, the engine would load all that the rows need before it adds anything, and run out of registers.
    const mask = s.variable("mask", constant(i32x4, topmost));
    s.for("step", 0, steps, (step) => {
      this.addStep(sums, this.weights(words, read(mask)), add(k, step), 0);
      s.assign(mask, op("shr_u", read(mask), m.bits));
    });
  }

  /** The integers of words that a mask leaves, as numbers. */
  private weights(words: readonly Expr[], mask: Expr): Expr[] {
    return words.map((word) => this.s.let("b", op("i32_to_f32_s", op("and", word, mask))));
  }

  private addStep(sums: readonly Variable[], weights: readonly Expr[], k: Expr, chain: number): void {
    const { s, operands } = this;
    for (let row = 0; row < this.place.tile.rows; row++) {
      const a = s.let("a", s.loadSplat(operands.steps, operands.stepAt(add(this.place.row, row), k)));
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
    const { parts, packed } = this.place;
    return this.forVectors((v) => {
      const loaded = this.s.load(buffer, vectorAt(parts[1]!, packed, mul(block, packed), v), lanes);
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
