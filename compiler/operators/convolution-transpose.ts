/**
 * Transposed convolution, as ordinary convolutions: results whose place has the same remainder modulo the stride meet
 * the same taps, so each combination of remainders (a phase) is a convolution of the input with those taps, written
 * to every stride-th place. Nothing is multiplied by inserted zeros and nothing is added up afterwards.
 */

import { addDims, type Dim, isStatic, multiplyDims, staticDim } from "../ir/dim.js";
import type { TensorType } from "../ir/graph.js";
import { elementCount, forEachIndex, type TensorData, tensor } from "../ir/tensor.js";
import {
  type ConvolutionParameters,
  convolution,
  convolutionFlops,
  packTaps,
} from "../kernels/convolution.js";
import { add, constant, i32Constant, mul } from "../loop/builder.js";
import { f32 } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import type { Border, Placement } from "../lowering/scope.js";
import { splitBias } from "./convolution.js";
import {
  type AttributesOf,
  attribute,
  defineOperator,
  type EvaluationContext,
  type NodeView,
  type Operator,
} from "./operator.js";
import { windowAttributes } from "./window.js";

const attributes = {
  ...windowAttributes,
  group: attribute.int(1),
  output_padding: attribute.optional("ints"),
  output_shape: attribute.optional("ints"),
} as const;
type Schema = typeof attributes;

interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly out: readonly Dim[];
}

/** Extents of the result and the padding at its start, as the specification of ConvTranspose computes them. */
function geometryOf(
  a: AttributesOf<Schema>,
  kernel: readonly number[],
  spatial: readonly Dim[],
  fail: (reason: string) => never,
): Geometry {
  const rank = kernel.length;
  const list = (
    name: string,
    given: readonly number[] | undefined,
    count: number,
    fallback: number,
  ): readonly number[] => {
    const values =
      given === undefined || given.length === 0 ? new Array<number>(count).fill(fallback) : given;
    if (values.length !== count || values.some((n) => n < fallback))
      fail(`${name} [${values}] does not fit ${rank} spatial dims`);
    return values;
  };
  const strides = list("strides", a.strides, rank, 1);
  const dilations = list("dilations", a.dilations, rank, 1);
  const outputPadding = list("output_padding", a.output_padding, rank, 0);
  const pads = list("pads", a.pads, 2 * rank, 0);
  const full = spatial.map((dim, i) =>
    addDims(
      multiplyDims(addDims(dim, -1), strides[i]!),
      outputPadding[i]! + (kernel[i]! - 1) * dilations[i]! + 1,
    ),
  );
  const shape =
    a.output_shape !== undefined && a.output_shape.length > 0 ? a.output_shape.slice(-rank) : undefined;
  const same = a.auto_pad === "SAME_UPPER" || a.auto_pad === "SAME_LOWER";
  if (shape === undefined && !same) {
    const out = full.map((dim, i) => addDims(dim, -(pads[i]! + pads[i + rank]!)));
    return { kernel, strides, dilations, before: pads.slice(0, rank), out };
  }
  const out = shape ?? spatial.map((dim, i) => multiplyDims(dim, strides[i]!));
  const before = full.map((dim, i) => {
    const total = Math.max(0, staticDim(dim, "an extent") - staticDim(out[i]!, "an extent"));
    return a.auto_pad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
  return { kernel, strides, dilations, before, out };
}

function geometry(context: NodeView<Schema>): Geometry {
  const kernel = context
    .input(1)
    .shape.slice(2)
    .map((dim) => staticDim(dim, "the kernel of a convolution"));
  return geometryOf(context.attributes, kernel, context.input(0).shape.slice(2), (reason) =>
    context.fail(reason),
  );
}

function infer(context: NodeView<Schema>): TensorType[] {
  const [x, w] = [context.input(0), context.input(1)];
  if (x.dtype !== "float32" || w.dtype !== "float32")
    context.fail(`takes float32 in this version, not ${x.dtype}`, "E_UNSUPPORTED");
  if (x.rank < 3 || x.rank !== w.rank)
    context.fail("input and weights must be [N, C, ...spatial] of one rank", "E_SHAPE");
  const [channels, weightChannels] = [x.shape[1]!, w.shape[0]!];
  if (isStatic(channels) && isStatic(weightChannels) && channels !== weightChannels) {
    context.fail(`${channels} input channels, but weights for ${weightChannels}`, "E_SHAPE");
  }
  const { out } = geometry(context);
  if (out.some((dim) => isStatic(dim) && dim < 0))
    context.fail(`the result would have the extents [${out}]`, "E_SHAPE");
  return [
    { dtype: x.dtype, shape: [x.shape[0]!, multiplyDims(w.shape[1]!, context.attributes.group), ...out] },
  ];
}

/** The taps that results of one remainder meet on one dim. */
interface Phase {
  readonly remainder: number;
  /** Taps in the order of the input places they read. */
  readonly taps: readonly number[];
  /** First input place read for the first result, and the distance between places of neighbouring taps. */
  readonly first: number;
  readonly step: number;
  /** Results of this remainder. */
  readonly count: number;
}

function phasesOf(g: Geometry, dim: number): Phase[] {
  const [stride, dilation, before, extent] = [
    g.strides[dim]!,
    g.dilations[dim]!,
    g.before[dim]!,
    g.out[dim] as number,
  ];
  return Array.from({ length: Math.min(stride, extent) }, (_, remainder): Phase => {
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
      count: Math.ceil((extent - remainder) / stride),
    };
  });
}

/** Zeros that some phase reads before and after the input. */
function borderOf(context: NodeView<Schema>): Border {
  const g = geometry(context);
  const before = [0, 0];
  const after = [0, 0];
  g.kernel.forEach((_, dim) => {
    const extent = staticDim(context.input(0).shape[dim + 2]!, "a spatial dim");
    const phases = phasesOf(g, dim).filter(({ taps }) => taps.length > 0);
    const last = (p: Phase): number => p.first + (p.taps.length - 1) * p.step + p.count - 1;
    before.push(Math.max(0, ...phases.map((p) => -p.first)));
    after.push(Math.max(0, ...phases.map((p) => last(p) - (extent - 1))));
  });
  return { before, after };
}

function lower(context: LoweringContext<Schema>): void {
  const g = geometry(context);
  const border = borderOf(context);
  const input = context.withBorder(0, border);
  const weights = context.input(1).constant;
  if (weights === null)
    context.fail("weights must be known at compile time in this version", "E_UNSUPPORTED");
  const choose = (chosen: readonly Phase[]): void => {
    if (chosen.length < g.kernel.length) {
      for (const phase of phasesOf(g, chosen.length)) choose([...chosen, phase]);
      return;
    }
    if (chosen.every(({ taps }) => taps.length > 0))
      lowerPhase(context, g, chosen, shifted(input, border, chosen), weights!);
    else lowerEmpty(context, g, chosen);
  };
  choose([]);
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

function parametersOf(context: NodeView<Schema>, phases: readonly Phase[]): ConvolutionParameters {
  const [channels, outPerGroup] = [context.input(1).shape[0] as number, context.input(1).shape[1] as number];
  const { group } = context.attributes;
  return {
    batch: staticDim(context.input(0).shape[0]!, "the batch"),
    groups: group,
    inChannels: channels / group,
    outChannels: outPerGroup,
    out: phases.map(({ count }) => count),
    kernel: phases.map(({ taps }) => taps.length),
    strides: phases.map(() => 1),
    dilations: phases.map(({ step }) => step),
  };
}

function lowerPhase(
  context: LoweringContext<Schema>,
  g: Geometry,
  phases: readonly Phase[],
  input: Placement,
  weights: TensorData,
): void {
  const p = parametersOf(context, phases);
  const key = `${p.groups}.${phases.map(({ taps }) => taps.join("-")).join("x")}`;
  const name = `deconv_${p.kernel.join("x")}_s${g.strides.join("x")}_${p.inChannels}to${p.outChannels}_${p.out.join("x")}`;
  context.kernel({ name, flops: convolutionFlops(p) }, (s) => {
    const packed = context.packed(weights, `deconv.${key}`, () => packTaps(p, weightOf(p, phases, weights)));
    convolution(s, p, {
      input: s.view("x", input, "read"),
      weights: s.view("w", packed, "read"),
      packed: true,
      result: (value, n, channel, places) => {
        const at = places.map((place, i) => add(mul(place, g.strides[i]!), phases[i]!.remainder));
        s.result(value, [n, channel, ...at], { axis: 1, count: value.type.lanes });
      },
    });
  });
}

/** Weights [C, M / group, ...kernel]: the tap of a phase is one of the kernel's. */
function weightOf(p: ConvolutionParameters, phases: readonly Phase[], weights: TensorData) {
  const kernel = weights.dims.slice(2);
  const data = weights.data as Float32Array;
  const counts = phases.map(({ taps }) => taps.length);
  return (out: number, channel: number, tap: number): number => {
    const group = Math.floor(out / p.outChannels);
    let at = (group * p.inChannels + channel) * p.outChannels + (out % p.outChannels);
    let rest = tap;
    const chosen = counts.map((_, i) => {
      const inner = elementCount(counts.slice(i + 1));
      const index = Math.floor(rest / inner);
      rest -= index * inner;
      return phases[i]!.taps[index]!;
    });
    chosen.forEach((k, i) => {
      at = at * kernel[i]! + k;
    });
    return data[at]!;
  };
}

/** Results that no tap meets: zero, and what the epilogue makes of it. */
function lowerEmpty(context: LoweringContext<Schema>, g: Geometry, phases: readonly Phase[]): void {
  const [batch, channels] = context.node.outputs[0]!.shape as [number, number];
  context.kernel({ name: "deconv_empty", flops: 0 }, (s) => {
    s.for("n", 0, batch, (n) => {
      const nest = (at: readonly ReturnType<typeof add>[]): void => {
        const phase = phases[at.length];
        if (phase === undefined) {
          s.for("c", 0, channels, (c) => s.result(constant(f32, 0), [n, c, ...at]));
          return;
        }
        const stride = g.strides[at.length]!;
        s.for("o", 0, phase.count, (o) => nest([...at, add(mul(o, stride), i32Constant(phase.remainder))]));
      };
      nest([]);
    });
  });
}

function evaluate(context: EvaluationContext<Schema>): TensorData[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { dims } = context.outputs[0]!;
  const fail = (reason: string): never => {
    throw new Error(reason);
  };
  const g = geometryOf(context.attributes, w.dims.slice(2), x.dims.slice(2), fail);
  const y = new Float64Array(elementCount(dims));
  const [xs, ws] = [x.data as Float32Array, w.data as Float32Array];
  const perGroup = x.dims[1]! / context.attributes.group;
  forEachIndex(x.dims, (from, at) => {
    const group = Math.floor(from[1]! / perGroup);
    forEachIndex(w.dims.slice(1), (tap, step) => {
      let to = from[0]! * dims[1]! + group * w.dims[1]! + tap[0]!;
      for (let i = 0; i < g.kernel.length; i++) {
        const place = from[i + 2]! * g.strides[i]! + tap[i + 1]! * g.dilations[i]! - g.before[i]!;
        if (place < 0 || place >= dims[i + 2]!) return;
        to = to * dims[i + 2]! + place;
      }
      y[to] = y[to]! + xs[at]! * ws[from[1]! * elementCount(w.dims.slice(1)) + step]!;
    });
  });
  return [tensor("float32", dims, Float32Array.from(y))];
}

const ConvTranspose = defineOperator({
  name: "ConvTranspose",
  summary: "Transposed convolution over any number of spatial dims.",
  inputs: ["X", "W", "B?"],
  attributes,
  versions: [1, 11, 22].map((since) => ({ since, upgrade: splitBias("ConvTranspose") })),
  infer,
  flops: (context) =>
    2 *
    elementCount(context.input(0).shape as number[]) *
    elementCount((context.input(1).shape as number[]).slice(1)),
  layout: () => ({ inputs: ["channels-last", "row-major"], output: "channels-last" }),
  border: borderOf,
  epilogue: true,
  lower,
  evaluate,
});

export const convolutionTransposeOperators: readonly Operator[] = [ConvTranspose];
