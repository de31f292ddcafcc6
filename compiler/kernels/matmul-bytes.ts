/**
 * Matrix product of bytes, [rows, depth] x [depth, columns], added up in int32, with a right operand that is known at
 * compile time. It stays a byte an element: a 32-bit word has four neighbouring steps of the depth, a vector of words
 * four columns. A mask, and a shift before it, make pairs of int16 of them, the first and third step and the second and
 * fourth, which WebAssembly multiplies and adds up eight at a time. The left operand is made such pairs beforehand, once
 * for all columns (`pairSteps`), its zero points taken off.
 *
 * What is stored of the right operand has no sign, so its zero points, of which those of signed bytes are 128 more, are
 * taken off the sums: the sum of a * (b - zero) is that of a * b less zero times the sum of a.
 */

import type { Dim } from "../ir/dim.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { add, constant, i32Constant, mul, type Operand, op, read, splat } from "../loop/builder.js";
import type { Buffer, Expr, ExprType, Variable } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import { forPanelTiles, type PanelTile, vectorAt } from "./panel-tiles.js";
import { columnOf, packedOffset, panelsOf } from "./panels.js";
import { finishTile, lanes, type TileResult, vectorsOf } from "./tile.js";

export interface ByteMatrix {
  /** Runs of steps of the depth; those of one follow one another in a row of the left operand. */
  readonly runs: number;
  /** Steps of a run. */
  readonly depth: number;
  readonly columns: number;
}

const i32x4: ExprType = { scalar: "i32", lanes: 4 };

/** Steps of the depth in a word. */
const STEPS = 4;

/** Two vectors of columns and five rows: the sums, the steps of a word and a pair are the 15 registers that V8 has. */
const panelWidth = 8;
const largestTile = 5;

/** The second and fourth byte of a word are left out. */
const EVEN = 0x00ff00ff;

const wordsOf = ({ depth }: Pick<ByteMatrix, "depth">): number => Math.ceil(depth / STEPS);

/** Words that `pairSteps` makes of so many steps. */
export const pairsOf = (m: Pick<ByteMatrix, "depth">): number => 2 * wordsOf(m);

/** Words of four steps, the columns of a panel side by side, of bytes without a sign. */
export function packBytes(
  m: ByteMatrix,
  element: (run: number, step: number, column: number) => number,
): TensorData {
  const panels = panelsOf(m.columns, panelWidth);
  const words = wordsOf(m);
  const packed = new Uint8Array(STEPS * packedOffset(panels, panels.length, m.runs * words));
  let at = 0;
  const packWord = (run: number, k: number, first: number, columns: number): void => {
    for (let j = 0; j < columns; j++) {
      for (let i = 0; i < STEPS && k + i < m.depth; i++)
        packed[at + j * STEPS + i] = element(run, k + i, first + j);
    }
  };
  for (const { start, count, columns, packed: width } of panels) {
    for (let panel = 0; panel < count; panel++) {
      for (let word = 0; word < m.runs * words; word++, at += width * STEPS) {
        const run = Math.floor(word / words);
        packWord(run, (word - run * words) * STEPS, start + panel * columns, columns);
      }
    }
  }
  return tensor("int32", [packed.length / STEPS], new Int32Array(packed.buffer));
}

/** A number for each column, in the order in which the kernel reads them. */
export function packColumns(m: ByteMatrix, number: (column: number) => number): TensorData {
  const padded = Math.ceil(m.columns / lanes) * lanes;
  const data = Int32Array.from({ length: padded }, (_, column) => (column < m.columns ? number(column) : 0));
  return tensor("int32", [padded], data);
}

export interface PairOperands {
  /** A step of a row of the left operand, its zero point taken off. */
  readonly left: (k: Expr) => Expr;
  readonly pair: (index: Expr, value: Expr) => void;
  readonly sum: (value: Expr) => void;
}

/** Makes pairs of some steps of a row of the left operand, and their sum. */
export function pairSteps(s: NodeScope, depth: number, { left, pair, sum }: PairOperands): void {
  const total = s.variable("sum", i32Constant(0));
  const makePairs = (word: Expr, steps: number): void => {
    const first = s.let("k", mul(word, STEPS));
    const a = Array.from({ length: steps }, (_, i) => s.let("a", left(add(first, i))));
    for (const value of a) s.assign(total, op("add", read(total), value));
    for (const i of [0, 1]) {
      const low = op("and", a[i] ?? i32Constant(0), 0xffff);
      const high = a[i + 2];
      const at = add(mul(word, 2), i);
      pair(at, high === undefined ? low : op("or", low, op("shl", high, 16)));
    }
  };
  const whole = Math.floor(depth / STEPS);
  s.for("word", 0, whole, (word) => makePairs(word, STEPS));
  if (depth % STEPS > 0) makePairs(i32Constant(whole), depth % STEPS);
  sum(read(total));
}

export interface ByteOperands {
  /** As `pairSteps` makes them, for each row. */
  readonly pairs: Buffer;
  readonly pairAt: (row: Operand, run: Operand, index: Operand) => Expr;
  readonly sum: (row: Expr) => Expr;
  /** As `packBytes` makes it. */
  readonly words: Buffer;
  /** Less what is taken off the right operand, as `packColumns` makes it; nothing where it is null. */
  readonly zeros: Buffer | null;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

/** The product; what is between a panel's loop and that of its tiles comes from `within`. */
export function matmulBytes(
  s: NodeScope,
  rows: Dim,
  m: ByteMatrix,
  operandsOf: (indices: readonly Expr[]) => ByteOperands,
  within: readonly Dim[] = [],
): void {
  const panels = panelsOf(m.columns, panelWidth);
  const depths = [m.runs * wordsOf(m)];
  forPanelTiles(s, rows, { panels, largest: largestTile, depths, within }, (place) => {
    const operands = operandsOf(place.indices);
    multiplyTile(s, m, operands, place, (value, r, c) =>
      operands.result(value, add(place.row, r), columnOf(place, c)),
    );
  });
}

function multiplyTile(
  s: NodeScope,
  m: ByteMatrix,
  operands: ByteOperands,
  place: PanelTile,
  result: TileResult,
): void {
  const { tile, row, packed, parts } = place;
  const rows = Array.from({ length: tile.rows }, (_, r) => s.let("row", add(row, r)));
  const vectors = Array.from({ length: vectorsOf(tile) }, (_, v) => v);
  const { zeros } = operands;
  const taken =
    zeros === null
      ? null
      : vectors.map((v) => s.let("zero", s.load(zeros, columnOf(place, v * lanes), lanes)));
  const sums = rows.map((r): Variable[] => {
    const sum = taken === null ? null : s.let("sum", operands.sum(r));
    return vectors.map((v) =>
      s.variable("acc", sum === null ? constant(i32x4, 0) : op("mul", taken![v]!, splat(sum, lanes))),
    );
  });
  const words = wordsOf(m);
  const addWord = (run: Expr, word: Expr): void => {
    const from = s.let("from", mul(add(mul(run, words), word), packed));
    const unpack = (v: number): Expr[] => {
      const at = vectorAt(parts[0]!, packed, from, v);
      const bytes = s.let("bytes", s.load(operands.words, at, lanes));
      const odd = op("and", op("shr_u", bytes, 8), EVEN);
      return [s.let("even", op("and", bytes, EVEN)), s.let("odd", odd)];
    };
    const addVectors = (some: readonly number[]): void => {
      const steps = some.map(unpack);
      sums.forEach((ofRow, r) => {
        for (const i of [0, 1]) {
          const at = operands.pairAt(rows[r]!, run, add(mul(word, 2), i));
          const pair = s.let("pair", s.loadSplat(operands.pairs, at));
          some.forEach((v, n) => {
            s.assign(ofRow[v]!, op("add", read(ofRow[v]!), op("dot_i16", pair, steps[n]![i]!)));
          });
        }
      });
    };
    // Of more than two vectors the steps would not stay in registers beside the sums.
    if (vectors.length <= 2) addVectors(vectors);
    else for (const v of vectors) addVectors([v]);
  };
  const addRun = (run: Expr): void => s.for("word", 0, words, (word) => addWord(run, word));
  if (m.runs === 1) addRun(i32Constant(0));
  else s.for("run", 0, m.runs, addRun);
  finishTile(
    s,
    tile,
    sums.map((ofRow) => ofRow.map(read)),
    result,
  );
}
