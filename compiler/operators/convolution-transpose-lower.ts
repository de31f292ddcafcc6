/**
 * Transposed convolution, as ordinary convolutions: results whose place has the same remainder modulo the stride meet
 * the same taps, so each combination of remainders (a phase) is a convolution of the input with those taps, written
 * to every stride-th place. Nothing is multiplied by inserted zeros and nothing is added up afterwards. What phases do
 * not cover is left to plain loops.
 */

import {
  addDims,
  ceilDivDims,
  type Dim,
  equalDims,
  floorDivDims,
  isStatic,
  maxDims,
  multiplyDims,
  subtractDims,
} from "../ir/dim.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import {
  type ConvolutionParameters,
  convolution,
  convolutionFlops,
  packTaps,
} from "../kernels/convolution.js";
import { directTranspose } from "../kernels/convolution-direct.js";
import { add, constant, i32Constant, mul } from "../loop/builder.js";
import { type Expr, f32, registerTypes } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { extentsName } from "../lowering/names.js";
import type { Border, Placement } from "../lowering/scope.js";
import {
  type FixedGeometry,
  geometry,
  isFixedGeometry,
  type TransposeAttributes,
} from "./convolution-transpose-window.js";
import type { NodeView } from "./operator.js";

/** The taps that results of one remainder meet on one dim. */
interface Phase {
  readonly remainder: number;
  /** Taps in the order of the input places they read. */
  readonly taps: readonly number[];
  /** First input place read for the first result, and the distance between places of neighbouring taps. */
  readonly first: number;
  readonly step: number;
  /** Results of this remainder. */
  readonly count: Dim;
}

function phasesOf(g: FixedGeometry, dim: number): Phase[] {
  const [stride, dilation, before, extent] = [
    g.strides[dim]!,
    g.dilations[dim]!,
    g.before[dim]!,
    g.out[dim]!,
  ];
  const remainders = isStatic(extent) ? Math.min(stride, extent) : stride;
  return Array.from({ length: remainders }, (_, remainder): Phase => {
    const met = Array.from({ length: g.kernel[dim]! }, (_, tap) => ({
      tap,
      place: remainder + before - tap * dilation,
    }))
      .filter(({ place }) => ((place % stride) + stride) % stride === 0)
      .map(({ tap, place }) => ({ tap, place: place / stride }))
      .reverse();
    return {
      remainder,
      taps: met.map(({ tap }) => tap),
      first: met[0]?.place ?? 0,
      step: met.length > 1 ? met[1]!.place - met[0]!.place : 1,
      count: ceilDivDims(addDims(extent, -remainder), stride),
    };
  });
}

interface PhasePlan {
  readonly geometry: FixedGeometry;
  /** Zeros that some phase reads before and after the input. */
  readonly border: Border;
}

/** How phases make the result of float32 and weights that are constants; null where they do not serve. */
export function phasePlan(context: NodeView<TransposeAttributes>): PhasePlan | null {
  const [x, w] = [context.input(0), context.input(1)];
  const g = geometry(context);
  if (x.dtype !== "float32" || w.constant === null || !isFixedGeometry(g)) return null;
  const [before, after] = [[0, 0], [0, 0] as Dim[]];
  g.kernel.forEach((_, dim) => {
    const phases = phasesOf(g, dim).filter(({ taps }) => taps.length > 0);
    // Behind the last element that there is.
    const passed = phases.map((p): Dim => {
      const last = addDims(p.count, p.first + (p.taps.length - 1) * p.step - 1);
      return addDims(subtractDims(last, x.shape[dim + 2]!), 1);
    });
    before.push(Math.max(0, ...phases.map((p) => -p.first)));
    after.push(passed.reduce(maxDims, 0));
  });
  if (!after.every(isStatic)) return null;
  return { geometry: g, border: { before, after } };
}

export function lowerTranspose(context: LoweringContext<TransposeAttributes>): void {
  const plan = phasePlan(context);
  if (plan === null) lowerDirect(context);
  else lowerPhases(context, plan, context.input(1).constant!);
}

/** Plain loops, for every element type and extents of all kinds. */
function lowerDirect(context: LoweringContext<TransposeAttributes>): void {
  const [x, w] = [context.input(0), context.input(1)];
  const { group } = context.attributes;
  const parameters = {
    scalar: registerTypes[x.dtype],
    batch: x.shape[0]!,
    groups: group,
    inChannels: floorDivDims(w.shape[0]!, group),
    outChannels: w.shape[1]!,
  };
  const name = `deconv_direct_${x.dtype}_${extentsName(w.shape)}`;
  context.kernel({ name, flops: transposeFlops(context) }, (s) => {
    const window = { ...geometry(context), shape: x.shape };
    directTranspose(s, parameters, window, {
      input: s.view("x", context.placement(0), "read"),
      weights: s.view("w", context.placement(1), "read"),
      result: (value, indices) => s.result(value, indices),
    });
  });
}

/** Of fixed extents; others are not counted. */
export function transposeFlops(context: NodeView<TransposeAttributes>): number {
  const [, ...weights] = context.input(1).shape;
  const dims = [...context.input(0).shape, ...weights];
  return dims.every(isStatic) ? 2 * elementCount(dims) : 0;
}

function lowerPhases(
  context: LoweringContext<TransposeAttributes>,
  { geometry: g, border }: PhasePlan,
  weights: TensorData,
): void {
  const input = context.withBorder(0, border);
  const joined = joinedPhases(context, g);
  const choose = (chosen: readonly Phase[]): void => {
    if (chosen.length < g.kernel.length) {
      const phases = phasesOf(g, chosen.length);
      const isJoined = joined !== null && chosen.length === g.kernel.length - 1;
      for (const phase of isJoined ? phases.slice(0, 1) : phases) choose([...chosen, phase]);
      return;
    }
    if (chosen.every(({ taps }) => taps.length > 0))
      lowerPhase(context, g, { phases: chosen, joined }, shifted(input, border, chosen), weights);
    else lowerEmpty(context, g, chosen);
  };
  choose([]);
}

/**
 * The phases of the last dim where they are computed at once, as channels of one convolution: of a result with a single
 * channel, two or four that see the same input places by one tap each, as where the kernel is as wide as the stride.
 * They are neighbours in the result, so that they fill vectors.
 */
function joinedPhases(context: NodeView<TransposeAttributes>, g: FixedGeometry): readonly Phase[] | null {
  const phases = phasesOf(g, g.kernel.length - 1);
  const isOneMap = context.attributes.group === 1 && context.input(1).shape[1] === 1;
  const [first] = phases;
  const isAlike = phases.every(
    ({ taps, first: place, count }) =>
      taps.length === 1 && place === first!.first && equalDims(count, first!.count),
  );
  return isOneMap && isAlike && (phases.length === 2 || phases.length === 4) ? phases : null;
}

/** The input from the first place that a phase reads. */
function shifted(input: Placement, border: Border, phases: readonly Phase[]): Placement {
  const { shape, strides } = input.strided;
  const skip = phases.map(({ first }, i) => first + border.before[i + 2]!);
  const offset = skip.reduce<Dim>(
    (sum, n, i) => addDims(sum, multiplyDims(strides[i + 2]!, n)),
    input.strided.offset,
  );
  const left = shape.map((dim, axis) => (axis < 2 ? dim : addDims(dim, -skip[axis - 2]!)));
  return { buffer: input.buffer, strided: { shape: left, strides, offset } };
}

/** What one convolution computes: a phase of each dim, or the first of those that are joined on the last one. */
interface Part {
  readonly phases: readonly Phase[];
  readonly joined: readonly Phase[] | null;
}

function parametersOf(
  context: NodeView<TransposeAttributes>,
  { phases, joined }: Part,
): ConvolutionParameters {
  const [channels, outPerGroup] = [context.input(1).shape[0] as number, context.input(1).shape[1] as number];
  const { group } = context.attributes;
  return {
    batch: context.input(0).shape[0]!,
    groups: group,
    inChannels: channels / group,
    outChannels: joined === null ? outPerGroup : joined.length,
    out: phases.map(({ count }) => count),
    kernel: phases.map(({ taps }) => taps.length),
    strides: phases.map(() => 1),
    dilations: phases.map(({ step }) => step),
  };
}

function lowerPhase(
  context: LoweringContext<TransposeAttributes>,
  g: FixedGeometry,
  part: Part,
  input: Placement,
  weights: TensorData,
): void {
  const { phases, joined } = part;
  const p = parametersOf(context, part);
  const key = `${p.groups}.${joined?.length ?? 1}.${phases.map(({ taps }) => taps.join("-")).join("x")}`;
  const place = (places: readonly Expr[]): Expr[] =>
    places.map((at, i) => add(mul(at, g.strides[i]!), phases[i]!.remainder));
  const name = `deconv_${p.kernel.join("x")}_s${g.strides.join("x")}_${p.inChannels}to${p.outChannels}_${extentsName(p.out)}`;
  context.kernel({ name, flops: convolutionFlops(p) }, (s) => {
    const packed = context.packed(weights, `deconv.${key}`, () => packTaps(p, weightOf(p, part, weights)));
    convolution(s, p, {
      input: s.view("x", input, "read"),
      weights: s.view("w", packed, "read"),
      packed: true,
      result: (value, n, channel, places) => {
        const at = place(places);
        if (joined === null) s.result(value, [n, channel, ...at], { axis: 1, count: value.type.lanes });
        else s.result(value, [n, i32Constant(0), ...at.slice(0, -1), add(at.at(-1)!, channel)]);
      },
      ...(joined !== null && {
        across: (value, n, places) => {
          const indices = [n, i32Constant(0), ...place(places)];
          s.result(value, indices, { axis: indices.length - 1, count: value.type.lanes });
        },
      }),
    });
  });
}

/** Weights [C, M / group, ...kernel]: the tap of a phase is one of the kernel's. */
function weightOf(p: ConvolutionParameters, { phases, joined }: Part, weights: TensorData) {
  const kernel = weights.dims.slice(2);
  const data = weights.data as Float32Array;
  const counts = phases.map(({ taps }) => taps.length);
  const outPerGroup = weights.dims[1]!;
  return (out: number, channel: number, tap: number): number => {
    const group = Math.floor(out / p.outChannels);
    const own = joined === null ? phases : [...phases.slice(0, -1), joined[out]!];
    let at = (group * p.inChannels + channel) * outPerGroup + (joined === null ? out % outPerGroup : 0);
    let rest = tap;
    const chosen = counts.map((_, i) => {
      const inner = elementCount(counts.slice(i + 1));
      const index = Math.floor(rest / inner);
      rest -= index * inner;
      return own[i]!.taps[index]!;
    });
    chosen.forEach((k, i) => {
      at = at * kernel[i]! + k;
    });
    return data[at]!;
  };
}

/** Results that no tap meets: zero, and what the epilogue makes of it. */
function lowerEmpty(
  context: LoweringContext<TransposeAttributes>,
  g: FixedGeometry,
  phases: readonly Phase[],
): void {
  const [batch, channels] = context.node.outputs[0]!.shape as [Dim, Dim];
  context.kernel({ name: "deconv_empty", flops: 0 }, (s) => {
    s.for("n", 0, s.dim(batch), (n) => {
      const nest = (at: readonly ReturnType<typeof add>[]): void => {
        const phase = phases[at.length];
        if (phase === undefined) {
          s.for("c", 0, s.dim(channels), (c) => s.result(constant(f32, 0), [n, c, ...at]));
          return;
        }
        const stride = g.strides[at.length]!;
        s.for("o", 0, s.dim(phase.count), (o) =>
          nest([...at, add(mul(o, stride), i32Constant(phase.remainder))]),
        );
      };
      nest([]);
    });
  });
}
