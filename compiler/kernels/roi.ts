/**
 * Pools over regions of interest: every region is cut into bins, each of which gives one result for every channel.
 * Channels are the innermost loop.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, maxIndex, minIndex, op, read, select, sub } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { intToFloat } from "./interpolation.js";

export interface RoiParameters {
  /** Of the image: [batch, channels, height, width]. */
  readonly shape: readonly Dim[];
  /** Of the result: [regions, channels, height, width]. */
  readonly out: readonly Dim[];
  readonly scalar: "f32" | "f64";
  readonly scale: number;
}

export interface RoiOperands {
  readonly image: (indices: readonly Expr[]) => Expr;
  /** Left, top, right and bottom of a region: 0 to 3. */
  readonly corner: (region: Expr, which: number) => Expr;
  /** Number of the image that a region is on. */
  readonly batch: (region: Expr) => Expr;
  readonly result: (value: Expr, indices: readonly Expr[]) => void;
}

/** A region on one dim: where it starts, and how long a bin of it is. */
interface Side {
  readonly start: Expr;
  readonly bin: Expr;
}

const vertical = 0;
const horizontal = 1;

// ---------------------------------------------------------------------------------------------- RoiAlign

export interface RoiAlignParameters extends RoiParameters {
  readonly mode: "avg" | "max";
  /** Samples of a bin on each dim; 0 takes as many as there are elements. */
  readonly samplingRatio: number;
  /** Places count from the middle of the first element, else from its corner. */
  readonly halfPixel: boolean;
}

interface SampledSide extends Side {
  readonly samples: Expr;
}

/** The two elements between which a sample lies on one dim. */
interface Neighbours {
  readonly low: Expr;
  readonly high: Expr;
  readonly weights: readonly [Expr, Expr];
}

export function roiAlign(s: KernelScope, p: RoiAlignParameters, operands: RoiOperands): void {
  forRegions(s, p, operands, (region, batch) => {
    const sides = [
      sampledSide(s, p, operands, region, vertical),
      sampledSide(s, p, operands, region, horizontal),
    ];
    forBins(s, p, (bin) => {
      s.for(
        "c",
        0,
        s.dim(p.shape[1]!),
        (c) => {
          const value = sampleBin(s, p, operands, sides as [SampledSide, SampledSide], bin, [batch, c]);
          operands.result(value, [region, c, ...bin]);
        },
        { mode: "vectorize" },
      );
    });
  });
}

function sampledSide(
  s: KernelScope,
  p: RoiAlignParameters,
  { corner }: RoiOperands,
  region: Expr,
  dim: number,
): SampledSide {
  const place = (which: number): Expr => {
    const scaled = op("mul", corner(region, which), p.scale);
    return p.halfPixel ? op("sub", scaled, 0.5) : scaled;
  };
  const start = s.let("start", place(1 - dim));
  const length = op("sub", place(3 - dim), start);
  const bins = intToFloat(s.dim(p.out[dim + 2]!), p.scalar);
  const bin = s.let("bin", op("div", p.halfPixel ? length : op("max", length, 1), bins));
  const samples =
    p.samplingRatio > 0
      ? s.dim(p.samplingRatio)
      : s.let("samples", maxIndex(op(`${p.scalar}_to_i32_s` as OpName, op("ceil", bin)), 0));
  return { start, bin, samples };
}

function sampleBin(
  s: KernelScope,
  p: RoiAlignParameters,
  { image }: RoiOperands,
  sides: readonly [SampledSide, SampledSide],
  bin: readonly Expr[],
  at: readonly Expr[],
): Expr {
  const [rows, columns] = sides;
  const isMax = p.mode === "max";
  const first = constant({ scalar: p.scalar, lanes: 1 }, isMax ? Number.NEGATIVE_INFINITY : 0);
  const accumulator = s.variable("acc", first);
  s.for("iy", 0, rows.samples, (iy) => {
    const y = neighbours(s, p, rows, vertical, bin[0]!, iy);
    s.for("ix", 0, columns.samples, (ix) => {
      const x = neighbours(s, p, columns, horizontal, bin[1]!, ix);
      const corners = [y.low, y.high].flatMap((row, i) =>
        [x.low, x.high].map((column, j) =>
          op("mul", image([...at, row, column]), op("mul", y.weights[i]!, x.weights[j]!)),
        ),
      );
      const value = corners.reduce((a, b) => op(isMax ? "max" : "add", a, b));
      s.assign(accumulator, op(isMax ? "max" : "add", read(accumulator), value));
    });
  });
  const count = maxIndex(op("mul", rows.samples, columns.samples), 1);
  if (!isMax) return op("div", read(accumulator), intToFloat(count, p.scalar));
  const isEmpty = op("eq", op("mul", rows.samples, columns.samples), 0);
  return select(isEmpty, 0, read(accumulator));
}

/** Samples further than one element outside of the image weigh nothing; nearer ones take the element at the edge. */
function neighbours(
  s: KernelScope,
  p: RoiAlignParameters,
  side: SampledSide,
  dim: number,
  bin: Expr,
  sample: Expr,
): Neighbours {
  const extent = s.dim(p.shape[dim + 2]!);
  const within = op("mul", op("add", intToFloat(sample, p.scalar), 0.5), side.bin);
  const place = s.let(
    "place",
    op(
      "add",
      op("add", side.start, op("mul", intToFloat(bin, p.scalar), side.bin)),
      op("div", within, intToFloat(side.samples, p.scalar)),
    ),
  );
  const isOutside = op("or", op("lt", place, -1), op("gt", place, intToFloat(extent, p.scalar)));
  const inside = op("pmax", place, 0);
  const last = sub(extent, 1);
  const low = s.let("low", maxIndex(minIndex(op(`${p.scalar}_to_i32_s` as OpName, inside), last), 0));
  const rest = op("sub", inside, intToFloat(low, p.scalar));
  const t = s.let("t", select(op("ge_s", low, last), 0, rest));
  return {
    low,
    high: s.let("high", minIndex(add(low, 1), last)),
    weights: [s.let("w", select(isOutside, 0, op("sub", 1, t))), s.let("w", select(isOutside, 0, t))],
  };
}

// ---------------------------------------------------------------------------------------------- MaxRoiPool

export function roiMaxPool(s: KernelScope, p: RoiParameters, operands: RoiOperands): void {
  forRegions(s, p, operands, (region, batch) => {
    const sides = [
      wholeSide(s, p, operands, region, vertical),
      wholeSide(s, p, operands, region, horizontal),
    ];
    forBins(s, p, (bin) => {
      const [rows, columns] = sides.map((side, dim) => elementsOf(s, p, side, dim, bin[dim]!));
      const [[top, bottom], [left, right]] = [rows!, columns!];
      const isEmpty = s.let("empty", op("or", op("le_s", bottom, top), op("le_s", right, left)));
      const largest = (c: Expr): void => {
        const lowest = constant({ scalar: p.scalar, lanes: 1 }, Number.NEGATIVE_INFINITY);
        const best = s.variable("best", lowest);
        s.for("y", top, bottom, (y) => {
          s.for("x", left, right, (x) => {
            s.assign(best, op("max", read(best), operands.image([batch, c, y, x])));
          });
        });
        operands.result(select(isEmpty, 0, read(best)), [region, c, ...bin]);
      };
      s.for("c", 0, s.dim(p.shape[1]!), largest, { mode: "vectorize" });
    });
  });
}

/** A region of whole elements, both ends of it counted. */
function wholeSide(
  s: KernelScope,
  p: RoiParameters,
  { corner }: RoiOperands,
  region: Expr,
  dim: number,
): Side {
  const whole = (which: number): Expr => {
    const place = op("mul", corner(region, which), p.scale);
    return op("copysign", op("floor", op("add", op("abs", place), 0.5)), place);
  };
  const start = s.let("start", whole(1 - dim));
  const length = op("max", op("add", op("sub", whole(3 - dim), start), 1), 1);
  return { start, bin: s.let("bin", op("div", length, intToFloat(s.dim(p.out[dim + 2]!), p.scalar))) };
}

/** The elements of a bin on one dim: first, and first behind. */
function elementsOf(
  s: KernelScope,
  p: RoiParameters,
  { start, bin }: Side,
  dim: number,
  number: Expr,
): [Expr, Expr] {
  const edge = (rounding: "floor" | "ceil", n: Expr): Expr => {
    const place = op("add", op(rounding, op("mul", intToFloat(n, p.scalar), bin)), start);
    const index = op(`${p.scalar}_to_i32_s` as OpName, place);
    return s.let("edge", minIndex(maxIndex(index, 0), s.dim(p.shape[dim + 2]!)));
  };
  return [edge("floor", number), edge("ceil", add(number, 1))];
}

// ---------------------------------------------------------------------------------------------- loops

function forRegions(
  s: KernelScope,
  p: RoiParameters,
  { batch }: RoiOperands,
  visit: (region: Expr, batch: Expr) => void,
): void {
  const each = (region: Expr): void => {
    // An image that there is not is no place to read from.
    const last = sub(s.dim(p.shape[0]!), 1);
    visit(region, s.let("image", maxIndex(minIndex(batch(region), last), 0)));
  };
  s.for("r", 0, s.dim(p.out[0]!), each, { mode: "parallel" });
}

function forBins(s: KernelScope, p: RoiParameters, visit: (bin: readonly Expr[]) => void): void {
  s.for("py", 0, s.dim(p.out[2]!), (y) => {
    s.for("px", 0, s.dim(p.out[3]!), (x) => visit([y, x]));
  });
}
