/**
 * Convolutions of small integers with weights that are known: products of bytes whose rows are the windows of a line of
 * results. The input is made pairs of int16 first (`kernels/matmul-bytes.ts`), channels side by side and with its border,
 * so that what a window has of a line follows one another; nothing is copied for each window.
 */

import { addDims, type Dim, printDim, productOfDims } from "../ir/dim.js";
import {
  type ByteMatrix,
  type ByteOperands,
  matmulBytes,
  pairSteps,
  pairsOf,
} from "../kernels/matmul-bytes.js";
import { add, div, i32Constant, mul, type Operand, op, read, rem } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { Placement, TensorView } from "../lowering/scope.js";
import { flopsOf } from "./convolution-lower.js";
import { type ConvolutionAttributes, convolutionWindow } from "./convolution-window.js";
import { centredElement, type PackedOperands, packedMatrix } from "./integer-matmul.js";
import type { NodeView } from "./operator.js";
import { type FixedWindow, isFixed } from "./window.js";

/** Bytes of weights that may be read once for each line of results; more are read panel by panel. */
const NEAR_BYTES = 2 ** 18;

/** A window over two spatial dims; one is a line of it. */
interface PlaneWindow {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly before: readonly [number, number];
  /** Extents of input with border, and of result. */
  readonly padded: readonly [Dim, Dim];
  readonly out: readonly [Dim, Dim];
}

/** True where weights and zero points are known, and the window is of one or two dims that overlap the input. */
export function isPackable(context: NodeView<ConvolutionAttributes>): boolean {
  const [w, wZero] = [context.input(1), context.optional(3)];
  if (w.constant === null || (wZero !== null && wZero.constant === null)) return false;
  const window = convolutionWindow(context);
  const isPlane = w.rank === 3 || w.rank === 4;
  if (!isPlane || context.attributes.group !== 1 || !isFixed(window)) return false;
  return w.constant.data.length > 0 && [...window.before, ...window.after].every((size) => size >= 0);
}

function planeOf(context: NodeView<ConvolutionAttributes>): PlaneWindow {
  const { kernel, strides, dilations, before, after, out } = convolutionWindow(context) as FixedWindow;
  const spatial = context.input(0).shape.slice(2);
  const isLine = spatial.length === 1;
  const two = <T>(values: readonly T[], other: T): [T, T] =>
    isLine ? [other, values[0]!] : [values[0]!, values[1]!];
  const padded = spatial.map((dim, i) => addDims(dim, before[i]! + after[i]!));
  return {
    kernel: two(kernel, 1),
    strides: two(strides, 1),
    dilations: two(dilations, 1),
    before: two(before, 0),
    padded: two<Dim>(padded, 1),
    out: two<Dim>(out, 1),
  };
}

/** Indices of [N, C, ...spatial], of which a line has no row. */
const indicesOf = (rank: number, n: Operand, c: Operand, y: Operand, x: Operand): Operand[] =>
  rank === 3 ? [n, c, x] : [n, c, y, x];

export function lowerPackedConvolution(context: LoweringContext<ConvolutionAttributes>): void {
  const [x, w] = [context.input(0), context.input(1)];
  const plane = planeOf(context);
  const batch = x.shape[0]!;
  const channels = w.shape[1] as number;
  const packed = packedWeights(context, plane, channels);
  const pairs = pairsOf({ depth: channels });
  const room = (name: string, shape: readonly Dim[]): Placement =>
    context.scratch(name, { type: { dtype: "int32", shape } });
  const lines = [batch, ...plane.padded] as const;
  const pixels = room("pixels", [...lines, pairs]);
  const sums =
    packed.zeros === null
      ? null
      : { pixels: room("sums", lines), windows: room("windows", [batch, ...plane.out]) };
  pairPixels(context, plane, { channels, pixels, sums: sums?.pixels ?? null });
  if (sums !== null) addWindows(context, plane, sums);
  const name = `conv_${x.dtype}_${w.dtype}_${w.shape.map(printDim).join("x")}`;
  context.kernel({ name, flops: flopsOf(context) }, (s) => {
    const view = s.view("pixels", pixels, "read");
    const windows = sums === null ? null : s.view("windows", sums.windows, "read");
    const words = s.view("w", packed.words, "read").buffer;
    const zeros = packed.zeros === null ? null : s.view("zeros", packed.zeros, "read").buffer;
    const operandsOf = ([n, y]: readonly Expr[]): ByteOperands => ({
      pairs: view.buffer,
      pairAt: (row, run, index) => {
        const [ky, kx] = tapOf(plane, run);
        const line = add(mul(y!, plane.strides[0]), mul(ky, plane.dilations[0]));
        const column = add(mul(row, plane.strides[1]), mul(kx, plane.dilations[1]));
        return view.index([n!, line, column, index]);
      },
      sum: (row) => windows!.load([n!, y!, row]),
      words,
      zeros,
      result: (value, row, column) =>
        s.result(value, indicesOf(x.rank, n!, column, y!, row) as Expr[], {
          axis: 1,
          count: value.type.lanes,
        }),
    });
    multiplyLines(s, [batch, plane.out[0]], plane.out[1], packed.matrix, operandsOf);
  });
}

/** Few weights are near for every line of results; many are taken panel by panel, each for all lines. */
function multiplyLines(
  s: NodeScope,
  lines: readonly Dim[],
  places: Dim,
  matrix: ByteMatrix,
  operandsOf: (indices: readonly Expr[]) => ByteOperands,
): void {
  if (matrix.runs * matrix.depth * matrix.columns > NEAR_BYTES) {
    matmulBytes(s, places, matrix, operandsOf, lines);
    return;
  }
  loopsInOrder(s, lines, (indices) => {
    const operands = operandsOf(indices);
    matmulBytes(s, places, matrix, () => operands);
  });
}

/** A line of the window is a run where its pixels follow one another, else each of its taps is. */
const joinsTaps = ({ kernel, dilations }: PlaneWindow): boolean => kernel[1] === 1 || dilations[1] === 1;

function tapOf(plane: PlaneWindow, run: Operand): [Operand, Operand] {
  return joinsTaps(plane) ? [run, 0] : [div(run, plane.kernel[1]), rem(run, plane.kernel[1])];
}

function packedWeights(
  context: LoweringContext<ConvolutionAttributes>,
  plane: PlaneWindow,
  channels: number,
): PackedOperands {
  const [rows, columns] = plane.kernel;
  const { data, dims } = context.input(1).constant!;
  const zero = context.optional(3)?.constant ?? null;
  const steps = 2 * pairsOf({ depth: channels });
  const joins = joinsTaps(plane);
  const matrix = {
    runs: joins ? rows : rows * columns,
    depth: steps * (joins ? columns : 1),
    columns: dims[0] as number,
  };
  const zeros = zero === null ? [0] : Array.from(zero.data, Number);
  return packedMatrix(context, matrix, context.input(1).constant!, zeros, (run, step, column) => {
    const channel = step % steps;
    const tap = joins ? run * columns + Math.floor(step / steps) : run;
    return channel < channels ? data[(column * channels + channel) * rows * columns + tap] : undefined;
  });
}

interface Pixels {
  readonly channels: number;
  readonly pixels: Placement;
  /** Sums over the channels; null where nobody asks. */
  readonly sums: Placement | null;
}

/** The input as pairs, its zero point taken off; the border is the zero point. */
function pairPixels(
  context: LoweringContext<ConvolutionAttributes>,
  { before, padded }: PlaneWindow,
  { channels, pixels, sums }: Pixels,
): void {
  const x = context.input(0);
  const [batch, , ...spatial] = x.shape;
  const extents = [batch!, ...(spatial.length === 1 ? [1, ...spatial] : spatial)];
  const hasBorder = padded.some((dim, i) => dim !== extents[i + 1]);
  context.kernel({ name: `pair_pixels_${channels}`, flops: 0 }, (s) => {
    const pairs = s.view("pixels", pixels, "write");
    const totals = sums === null ? null : s.view("sums", sums, "write");
    if (hasBorder) {
      clear(s, pairs);
      if (totals !== null) clear(s, totals);
    }
    loopsInOrder(s, extents, (place) => {
      const [n, y, column] = place as [Expr, Expr, Expr];
      const at = [n, add(y, before[0]), add(column, before[1])];
      pairSteps(s, channels, {
        left: (c) => centredElement(s, context, 0, indicesOf(x.rank, n, c, y, column)),
        pair: (index, value) => pairs.store([...at, index], value),
        sum: (value) => totals?.store(at, value),
      });
    });
  });
}

/** Fills a dense tensor with zeros. */
function clear(s: NodeScope, { buffer, strided, start }: TensorView): void {
  const store = (i: Expr): void => s.store(buffer, add(s.dim(start), i), i32Constant(0));
  s.for("i", 0, s.dim(productOfDims(strided.shape)), store, { mode: "vectorize" });
}

/** Adds up the pixels' sums for every window. */
function addWindows(
  context: LoweringContext<ConvolutionAttributes>,
  { kernel, strides, dilations, out }: PlaneWindow,
  sums: { readonly pixels: Placement; readonly windows: Placement },
): void {
  context.kernel({ name: `add_windows_${kernel.join("x")}`, flops: 0 }, (s) => {
    const [pixels, windows] = [s.view("sums", sums.pixels, "read"), s.view("windows", sums.windows, "write")];
    loopsInOrder(s, [context.input(0).shape[0]!, ...out], (place) => {
      const [n, y, x] = place as [Expr, Expr, Expr];
      const total = s.variable("total", i32Constant(0));
      loopsInOrder(s, kernel, (tap) => {
        const line = add(mul(y, strides[0]), mul(tap[0]!, dilations[0]));
        const column = add(mul(x, strides[1]), mul(tap[1]!, dilations[1]));
        s.assign(total, op("add", read(total), pixels.load([n, line, column])));
      });
      windows.store([n, y, x], read(total));
    });
  });
}
