/** Operators on signals beside the Fourier transform itself: windows, short-time transforms, and mel filters. */

import {
  addDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  productOfDims,
  subtractDims,
} from "../ir/dim.js";
import { type DType, dtypeFromOnnx } from "../ir/dtype.js";
import { printType } from "../ir/graph.js";
import { turnElement } from "../kernels/fourier.js";
import * as math from "../kernels/math.js";
import { add, constant, i32Constant, maxIndex, minIndex, mul, op, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { fourierTransform } from "./fourier.js";
import { injective } from "./injective.js";
import { attribute, defineExpansion, type ElementContext, type NodeView, type Operator } from "./operator.js";
import { floats, numeric } from "./pointwise.js";

const f64 = { scalar: "f64", lanes: 1 } as const;
const number = (value: number): Expr => constant(f64, value);

/** The one integer that an input holds. */
function oneInteger(context: NodeView, i: number): Dim {
  const { type } = context.input(i);
  if (productOfDims(type.shape) !== 1)
    context.fail(`input ${i} is ${printType(type)}, not one integer`, "E_SHAPE");
  return context.requireIntegers(i)[0]!;
}

/** The type of results, which may be any number. */
function outputType(code: number, context: NodeView): DType {
  const dtype = dtypeFromOnnx(code);
  if (dtype === undefined || !numeric.includes(dtype)) {
    return context.fail(`output_datatype ${code} is not supported`, "E_UNSUPPORTED");
  }
  return dtype;
}

const windowAttributes = { output_datatype: attribute.int(1), periodic: attribute.int(1) } as const;

/**
 * Sums of cosines over one turn, which has as many elements as the window, or one fewer where it is symmetric. A
 * symmetric window of one element is NaN, as the specification's formula has it.
 */
function windowOperator(name: string, summary: string, weights: readonly number[]): Operator {
  return injective({
    name,
    summary,
    inputs: ["size"],
    types: ["int32", "int64"],
    attributes: windowAttributes,
    versions: [17],
    infer: (context) => [
      { dtype: outputType(context.attributes.output_datatype, context), shape: [oneInteger(context, 0)] },
    ],
    injective: (context, [index]) => {
      const { dtype, shape } = context.node.outputs[0]!;
      const size = context.dim(shape[0]!);
      const turn = context.attributes.periodic !== 0 ? size : sub(size, 1);
      const terms = weights.slice(1).map((weight, i) => {
        const cosine = turnElement(i32Constant(0), mul(index!, i + 1), maxIndex(turn, 1));
        return op("mul", cosine, weight);
      });
      const value = terms.reduce((sum, term) => op("add", sum, term), number(weights[0]!));
      const isPoint = op("eq", turn, 0);
      return convertElement(select(isPoint, number(Number.NaN), value), "float64", dtype);
    },
  });
}

const melAttributes = { output_datatype: attribute.int(1) } as const;
/** The inputs of MelWeightMatrix after those that the shape depends on. */
const MEL_INPUTS = ["num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"];
/** A frequency f is 2595 log10(1 + f / 700) mel. */
const MEL_SCALE = 2595;
const MEL_BREAK = 700;

/** The element of an input that holds one number. */
const loadNumber = (context: ElementContext, i: number): Expr =>
  convertElement(
    context.load(
      i,
      context.input(i).shape.map(() => i32Constant(0)),
    ),
    context.input(i).dtype,
    "float64",
  );

const melOf = (frequency: Expr): Expr =>
  op("mul", op("div", math.log(op("add", op("div", frequency, MEL_BREAK), 1)), Math.LN10), MEL_SCALE);

/** The spectrogram bin at which the i-th of the triangles' corners lies; they are equally far apart in mel. */
function cornerBin(context: ElementContext, i: Expr, corners: Expr): Expr {
  const [low, high] = [melOf(loadNumber(context, 3)), melOf(loadNumber(context, 4))];
  const step = op("div", op("sub", high, low), op("i32_to_f64_s", corners));
  const mel = op("add", op("mul", op("i32_to_f64_s", i), step), low);
  const power = math.exp(op("mul", op("div", mel, MEL_SCALE), Math.LN10));
  const frequency = op("mul", op("sub", power, 1), MEL_BREAK);
  const scaled = op("mul", op("add", loadNumber(context, 1), 1), frequency);
  return op("f64_to_i32_s", op("floor", op("div", scaled, loadNumber(context, 2))));
}

const MelCorners = injective({
  name: "MelCorners",
  domain: "kiln",
  summary: "Spectrogram bins of the corners of mel filters.",
  inputs: MEL_INPUTS,
  attributes: {},
  versions: [1],
  infer: (context) => {
    for (const i of [3, 4]) {
      const { type } = context.input(i);
      if (!floats.includes(type.dtype) || productOfDims(type.shape) !== 1) {
        context.fail(`${MEL_INPUTS[i]} is ${printType(type)}, not one float`);
      }
    }
    return [{ dtype: "int32", shape: [addDims(oneInteger(context, 0), 2)] }];
  },
  injective: (context, [i]) => cornerBin(context, i!, context.dim(context.node.outputs[0]!.shape[0]!)),
});

const MelFilters = injective({
  name: "MelFilters",
  domain: "kiln",
  summary: "Triangles between three neighbouring corners each, by spectrogram bin.",
  inputs: ["num_mel_bins", "dft_length", "corners"],
  attributes: melAttributes,
  versions: [1],
  infer: (context) => {
    const [bins, length] = [oneInteger(context, 0), oneInteger(context, 1)];
    const dtype = outputType(context.attributes.output_datatype, context);
    return [{ dtype, shape: [addDims(floorDivDims(length, 2), 1), bins] }];
  },
  injective: (context, [bin, filter]) => {
    const [left, centre, right] = [0, 1, 2].map((k) => context.load(2, [add(filter!, k)])) as [
      Expr,
      Expr,
      Expr,
    ];
    const ratio = (a: Expr, b: Expr): Expr => op("div", op("i32_to_f64_s", a), op("i32_to_f64_s", b));
    const within = (low: Expr, high: Expr): Expr => op("and", op("ge_s", bin!, low), op("lt_s", bin!, high));
    const rising = ratio(op("sub", bin!, left), op("sub", centre, left));
    const falling = ratio(op("sub", right, bin!), op("sub", right, centre));
    const atCentre = select(op("eq", bin!, centre), number(1), number(0));
    const value = select(within(centre, right), falling, select(within(left, centre), rising, atCentre));
    return convertElement(value, "float64", context.node.outputs[0]!.dtype);
  },
});

const MelWeightMatrix = defineExpansion({
  name: "MelWeightMatrix",
  summary: "Weights that take a spectrum's bins to bands of the mel scale.",
  inputs: MEL_INPUTS,
  types: ["int32", "int64"],
  attributes: melAttributes,
  versions: [{ since: 17 }],
  expand: (b, inputs, { attributes }) => {
    const corners = b.op("kiln.MelCorners", inputs);
    return [b.op("kiln.MelFilters", [inputs[0]!, inputs[1]!, corners], { ...attributes })];
  },
});

/** Parts of a signal, as long as the window, that begin a number of elements after each other. */
const Frames = injective({
  name: "Frames",
  domain: "kiln",
  summary: "Parts of a signal that overlap; what lies beyond its end is 0.",
  inputs: ["signal", "frame_step", "window?", "frame_length?"],
  attributes: {},
  versions: [1],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const [batch, samples, parts] = shape as [Dim, Dim, Dim];
    const window = context.optional(2);
    const own = window?.shape[0] ?? samples;
    const length = context.optional(3) === null ? own : oneInteger(context, 3);
    const step = oneInteger(context, 1);
    if (isStatic(step) && step < 1) context.fail(`frame_step is ${step}`);
    if (isStatic(length) && length < 1) context.fail(`frame_length is ${length}`);
    const frames = maxDims(addDims(floorDivDims(subtractDims(samples, length), step), 1), 0);
    return [{ dtype, shape: [batch, frames, window === null ? length : own, parts] }];
  },
  checks: () => [{ input: 1, what: "frame_step", ranges: [{ least: 1, end: 2 ** 31 - 1 }] }],
  injective: (context, [batch, frame, place, part]) => {
    const samples = context.dim(context.input(0).shape[1]!);
    const at = add(mul(frame!, context.dim(oneInteger(context, 1))), place!);
    const sample = context.load(0, [batch!, minIndex(at, sub(samples, 1)), part!]);
    return select(op("lt_s", at, samples), sample, constant(sample.type, 0));
  },
});

const STFT = defineExpansion({
  name: "STFT",
  summary: "Fourier transforms of parts of a signal that overlap, each under a window.",
  inputs: ["signal", "frame_step", "window?", "frame_length?"],
  types: floats,
  attributes: { onesided: attribute.int(1) },
  versions: [{ since: 17 }],
  expand: (b, [given, step, window = null, length = null], { attributes, fail }) => {
    const signal = given!.rank === 2 ? b.op("Unsqueeze", [given!, b.ints([2])]) : given!;
    if (signal.rank !== 3) fail(`takes signals of 3 dims, not ${signal.rank}`, "E_SHAPE");
    if (window !== null && window.rank !== 1) fail(`takes a window of 1 dim, not ${window.rank}`, "E_SHAPE");
    const frames = b.op("kiln.Frames", [signal, step!, window, length]);
    const weighted =
      window === null ? frames : b.op("Mul", [frames, b.op("Unsqueeze", [window, b.ints([1])])]);
    const { onesided } = attributes;
    return [fourierTransform(b, weighted, b.scalar("int64", 2), length, { inverse: 0, onesided })];
  },
});

export const signalOperators: readonly Operator[] = [
  windowOperator("HannWindow", "A window of one period of a cosine.", [0.5, -0.5]),
  windowOperator("HammingWindow", "A window of one period of a cosine that does not reach 0.", [
    25 / 46,
    -21 / 46,
  ]),
  windowOperator("BlackmanWindow", "A window of cosines of one and two periods.", [0.42, -0.5, 0.08]),
  MelCorners,
  MelFilters,
  MelWeightMatrix,
  Frames,
  STFT,
];
