/**
 * Which kernel a convolution gets: the register tile with packed weights, the depthwise one, or plain loops for all
 * that those do not cover.
 */

import { type Dim, equalDims, floorDivDims, isStatic, productOfDims } from "../ir/dim.js";
import { isRowMajor } from "../ir/graph.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { writesOutTaps } from "../kernels/contraction.js";
import {
  type ConvolutionParameters,
  convolution,
  convolutionFlops,
  packConvolution,
} from "../kernels/convolution.js";
import { directConvolution } from "../kernels/convolution-direct.js";
import { depthwise, depthwiseFlops, hasShortRows, packDepthwise } from "../kernels/depthwise.js";
import { lanes, rowsFor, splitEvenly } from "../kernels/tile.js";
import type { WindowShape } from "../kernels/window.js";
import { div, i32Constant, rem } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { isEmptyBorder, joins } from "../lowering/border.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { extentsName } from "../lowering/names.js";
import type { Border, Placement, Target } from "../lowering/scope.js";
import { denseStrides } from "../lowering/strided.js";
import { type ConvolutionAttributes, convolutionWindow } from "./convolution-window.js";
import { lowerWinograd, winogradBorder, winogradPlan } from "./convolution-winograd.js";
import type { NodeView } from "./operator.js";
import { borderOf, isFixed } from "./window.js";

/**
 * Parameters of the kernels with packed weights: for float32, a window of fixed shape and a known number of channels.
 * Null where those do not serve.
 */
export function fixedParameters(context: NodeView<ConvolutionAttributes>): ConvolutionParameters | null {
  const window = convolutionWindow(context);
  const [x, w] = [context.input(0), context.input(1)];
  const [batch] = x.shape as [Dim];
  const [outChannels, inChannels] = w.shape as [Dim, Dim];
  if (x.dtype !== "float32" || !isFixed(window)) return null;
  if (!isStatic(outChannels) || !isStatic(inChannels)) return null;
  const { group } = context.attributes;
  return {
    batch,
    groups: group,
    inChannels,
    outChannels: outChannels / group,
    out: window.out,
    kernel: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
  };
}

const areStatic = (dims: readonly Dim[]): dims is readonly number[] => dims.every(isStatic);

const isDepthwise = (p: ConvolutionParameters): boolean =>
  p.groups > 1 && p.inChannels === 1 && p.outChannels === 1;

const isPointwiseShape = (p: ConvolutionParameters): boolean =>
  p.kernel.every((k) => k === 1) && p.strides.every((s) => s === 1);

function nameOf(kind: string, p: ConvolutionParameters): string {
  const stride = p.strides.some((s) => s !== 1) ? `_s${p.strides.join("x")}` : "";
  const groups = p.groups > 1 && kind === "conv" ? `_g${p.groups}` : "";
  const channels = kind === "conv" ? `${p.inChannels}to${p.outChannels}` : `c${p.groups}`;
  return `${kind}_${p.kernel.join("x")}${stride}${groups}_${channels}_${extentsName(p.out)}`;
}

export function lowerConvolution(context: LoweringContext<ConvolutionAttributes>): void {
  const p = fixedParameters(context);
  if (p === null) lowerDirect(context);
  else lowerPacked(context, p);
}

/** Plain loops, for every element type and extents of all kinds. */
function lowerDirect(context: LoweringContext<ConvolutionAttributes>): void {
  const window = convolutionWindow(context);
  const [x, w] = [context.input(0), context.input(1)];
  const { group } = context.attributes;
  const [outChannels, inChannels] = w.shape as [Dim, Dim];
  const parameters = {
    scalar: registerTypes[x.dtype],
    batch: x.shape[0]!,
    groups: group,
    inChannels,
    outChannels: floorDivDims(outChannels, group),
  };
  const border = borderOf(window);
  const input = border === null ? context.placement(0) : context.withBorder(0, border);
  const shape: WindowShape = { ...window, shape: input.strided.shape };
  const name = `conv_direct_${x.dtype}_${extentsName(w.shape)}`;
  context.kernel({ name, flops: flopsOf(context) }, (s) => {
    directConvolution(s, parameters, border === null ? shape : bordered(shape), {
      input: s.view("x", input, "read"),
      weights: s.view("w", context.placement(1), "read"),
      result: (value, indices) => s.result(value, indices),
    });
  });
}

/** The window on an input that has its border in memory. */
function bordered(shape: WindowShape): WindowShape {
  const none = shape.before.map(() => 0);
  return { ...shape, before: none, after: none, inside: true };
}

/** Zeros around the input that the chosen kernel reads. */
export function convolutionBorder(context: NodeView<ConvolutionAttributes>, target: Target): Border | null {
  const border = borderOf(convolutionWindow(context));
  const p = fixedParameters(context);
  if (border === null || p === null) return border;
  if (leavesOutTaps(context, p, target)) return null;
  const plan = winogradPlan(context, p, target);
  return plan === null ? border : winogradBorder(plan, border);
}

/** True where the kernel leaves out the taps outside of the input, which needs no zeros around it then. */
function leavesOutTaps(
  context: NodeView<ConvolutionAttributes>,
  p: ConvolutionParameters,
  target: Target,
): boolean {
  const { type, shape } = context.input(0);
  const border = borderOf(convolutionWindow(context));
  if (border === null || isEmptyBorder(border) || !shape.slice(2).every(isStatic)) return false;
  if (context.input(1).constant === null) return false;
  if (isDepthwise(p)) return type.layout?.at(-1) === 1 && hasShortRows({ ...p, channels: p.groups }, target);
  const isFirstLayer = p.groups === 1 && isRowMajor(type) && writesOutTaps(p.inChannels, p.kernel);
  return isFirstLayer && target.simd && winogradPlan(context, p, target) === null;
}

function lowerPacked(context: LoweringContext<ConvolutionAttributes>, p: ConvolutionParameters): void {
  const weights = context.input(1).constant;
  const window = convolutionWindow(context);
  const leavesOut = leavesOutTaps(context, p, context.target);
  const unbordered = context.placement(0);
  const outside = { ...window, shape: unbordered.strided.shape };
  if (leavesOut && isDepthwise(p) && unbordered.strided.strides[1] === 1) {
    lowerDepthwise(context, p, unbordered, weights!, outside);
    return;
  }
  const isFirstLayer = leavesOut && !isDepthwise(p);
  const border = convolutionBorder(context, context.target) ?? borderOf(window)!;
  const input = isFirstLayer ? unbordered : context.withBorder(0, border);
  const plan = winogradPlan(context, p, context.target);
  if (plan !== null && input.strided.strides[1] === 1) {
    lowerWinograd(context, plan, input);
    return;
  }
  if (isDepthwise(p) && weights !== null && input.strided.strides[1] === 1) {
    lowerDepthwise(context, p, input, weights, bordered({ ...window, shape: input.strided.shape }));
    return;
  }
  const { parameters, place, placesOf, along } = joinPlaces(context, p, input);
  const isMap = p.groups === 1 && p.outChannels === 1 && along !== null;
  context.kernel({ name: nameOf("conv", p), flops: convolutionFlops(p) }, (s) => {
    const packed =
      weights === null
        ? withTaps(context.placement(1), parameters.kernel.length)
        : context.packed(weights, `conv.${p.groups}`, () => packConvolution(p, weights));
    convolution(s, parameters, {
      input: s.view("x", place, "read"),
      weights: s.view("w", packed, "read"),
      packed: weights !== null,
      ...(isFirstLayer && { window: outside, isPatch: isPart(unbordered) }),
      result: (value, n, channel, places) => {
        s.result(value, [n, channel, ...placesOf(s, places)], { axis: 1, count: value.type.lanes });
      },
      ...(isMap && {
        across: (value, n, places) =>
          s.result(value, [n, i32Constant(0), ...placesOf(s, places)], {
            axis: along,
            count: value.type.lanes,
          }),
      }),
    });
  });
}

/** True of a tensor that is a part of another: its elements do not follow one another in memory. */
const isPart = ({ strided: { shape, strides } }: Placement): boolean =>
  denseStrides(shape).some((stride, axis) => shape[axis] !== 1 && !equalDims(stride, strides[axis]!));

function lowerDepthwise(
  context: LoweringContext<ConvolutionAttributes>,
  p: ConvolutionParameters,
  input: Placement,
  weights: TensorData,
  window: WindowShape,
): void {
  const parameters = { ...p, channels: p.groups };
  context.kernel({ name: nameOf("depthwise", p), flops: depthwiseFlops(parameters) }, (s) => {
    const packed = context.packed(weights, "depthwise", () => packDepthwise(parameters, weights));
    depthwise(s, parameters, window, {
      input: s.view("x", input, "read"),
      weights: s.view("w", packed, "read"),
      result: (value, n, channel, places) => {
        s.result(value, [n, channel, ...places], { axis: 1, count: value.type.lanes });
      },
    });
  });
}

/** How a kernel sees the places of a convolution, and which place of the result each of them is. */
interface JoinedPlaces {
  readonly parameters: ConvolutionParameters;
  readonly place: Placement;
  readonly placesOf: (s: NodeScope, places: readonly Expr[]) => readonly Expr[];
  /** Axis of the result along which the kernel's neighbouring places lie; null where a row's last has none. */
  readonly along: number | null;
}

/**
 * A 1x1 convolution sees places only as rows of a matrix: where they follow one another in memory they become one
 * long dim, so that tiles do not end at the edge of every row. Where they do so in the input alone, as where the result
 * has a border, the place in the result is computed of each row.
 */
function joinPlaces(
  context: LoweringContext<ConvolutionAttributes>,
  p: ConvolutionParameters,
  input: Placement,
): JoinedPlaces {
  const axes = p.out.map((_, i) => i + 2);
  const placesOf = (_: NodeScope, places: readonly Expr[]): readonly Expr[] => places;
  const apart: JoinedPlaces = { parameters: p, place: input, placesOf, along: axes.at(-1)! };
  if (!isPointwiseShape(p) || p.out.length === 1 || !joins(input.strided, axes)) return apart;
  const isWhole = context.joinsDims(axes);
  if (!isWhole && !gainsByDivision(p, context.target)) return apart;
  const { shape, strides, offset } = input.strided;
  const places = productOfDims(p.out);
  const innermost = axes.filter((axis) => shape[axis] !== 1).at(-1) ?? axes.at(-1)!;
  const strided = {
    shape: [shape[0]!, shape[1]!, places],
    offset,
    strides: [strides[0]!, strides[1]!, strides[innermost]!],
  };
  return {
    parameters: { ...p, out: [places], kernel: [1], strides: [1], dilations: [1] },
    place: { buffer: input.buffer, strided },
    placesOf: (s, [place]) => {
      // Other dims hold one place, whose stride may be any.
      if (isWhole) return axes.map((axis) => (axis === innermost ? place! : i32Constant(0)));
      const columns = p.out.at(-1) as number;
      return [s.let("y", div(place!, columns)), s.let("x", rem(place!, columns))];
    },
    along: isWhole ? innermost : null,
  };
}

/** Tiles that keep enough sums to hide how long a multiply-add takes, of the usual eight columns. */
const fewestRows = 4;

/**
 * True where tiles that end at the edge of each row would be small. Threads do without: of places that are divided it
 * is not seen that no two tiles share one.
 */
function gainsByDivision({ out, inChannels }: ConvolutionParameters, target: Target): boolean {
  const [rows, columns] = out;
  if (target.threads || out.length !== 2 || !isStatic(rows!) || !isStatic(columns!)) return false;
  const tiles = splitEvenly(columns, rowsFor(2 * lanes, target));
  return rows > 1 && inChannels >= 32 && tiles.some((tile) => tile.rows < fewestRows);
}

/** Weights [M, C, ...ones] seen with fewer tap dims, as where places are joined. */
function withTaps(weights: Placement, count: number): Placement {
  const { shape, strides, offset } = weights.strided;
  if (shape.length === count + 2) return weights;
  const keep = (dims: readonly Dim[]): Dim[] => dims.slice(0, count + 2);
  return { buffer: weights.buffer, strided: { shape: keep(shape), strides: keep(strides), offset } };
}

/** Of fixed extents; others are not counted. */
export function flopsOf(context: NodeView<ConvolutionAttributes>): number {
  const [, ...weights] = context.input(1).shape;
  const dims = [...context.node.outputs[0]!.shape, ...weights];
  return areStatic(dims) ? 2 * elementCount(dims) : 0;
}
