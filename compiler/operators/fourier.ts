/** DFT, as the operator that all transforms become: along an axis that may be known at run time only. */

import {
  addDims,
  type Dim,
  floorDivDims,
  groupDim,
  isStatic,
  multiplyDims,
  productOfDims,
  selectDims,
  subtractDims,
} from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { printType, type Value } from "../ir/graph.js";
import { type Complex, FourierTransform, turnElement } from "../kernels/fourier.js";
import { add, constant, i32Constant, minIndex, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { axisFlags } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { convertElement } from "./cast-emit.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { injective } from "./injective.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type ImportedNode,
  type NodeView,
  type Operator,
  oldVersion,
} from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = { inverse: attribute.int(0), onesided: attribute.int(0) } as const;
type TransformView = NodeView<typeof attributes>;

/** The inverse of a spectrum of which one half is given, so that the result is real. */
const isReal = ({ attributes: { inverse, onesided } }: Pick<TransformView, "attributes">): boolean =>
  inverse !== 0 && onesided !== 0;

/** For each dim 1 where it is the axis, else 0; the last dim holds real and imaginary parts. */
function flagsOf(context: NodeView, input: number): Dim[] {
  const { rank } = context.input(0);
  if (rank < 2) context.fail(`takes 2 dims or more, not ${rank}`, "E_SHAPE");
  const elements = context.requireIntegers(input);
  if (elements.length !== 1) context.fail(`has ${elements.length} axes, not one`);
  const flags = axisFlags(elements, rank, context);
  context.requireEqual(flags[rank - 1]!, 0, "the axis is that of real and imaginary parts");
  return flags;
}

/** The dim that is flagged. */
const flaggedDim = (shape: readonly Dim[], flags: readonly Dim[]): Dim =>
  groupDim(shape.reduce<Dim>((sum, dim, i) => addDims(sum, multiplyDims(flags[i]!, dim)), 0));

/** The number of elements that a transform has, as shape arithmetic: given, or that of the axis. */
const TransformLength = defineOperator({
  name: "TransformLength",
  domain: "kiln",
  summary: "How many elements a Fourier transform along an axis has.",
  inputs: ["X", "axis", "length?"],
  attributes,
  versions: [{ since: 1 }],
  infer: () => [{ dtype: "int64", shape: [1] }],
  elements: (context) => {
    const length = context.optional(2);
    if (length !== null && productOfDims(length.shape) !== 1) {
      context.fail(`dft_length is ${printType(length.type)}, not one number`);
    }
    const given = length === null ? null : context.requireIntegers(2)[0]!;
    const dim = flaggedDim(context.input(0).shape, flagsOf(context, 1));
    const own = isReal(context) ? multiplyDims(subtractDims(dim, 1), 2) : dim;
    const n = given ?? own;
    if (isStatic(n) && n < 1) context.fail(`transforms ${n} elements`, "E_SHAPE");
    return [n];
  },
});

const Turns = injective({
  name: "Turns",
  domain: "kiln",
  summary: "Cosines and sines of all n-th parts of a turn, as float64 or float32.",
  inputs: ["n"],
  attributes: { double: attribute.int(0) },
  versions: [1],
  infer: (context) => [
    {
      dtype: context.attributes.double === 1 ? "float64" : "float32",
      shape: [2, context.requireIntegers(0)[0]!],
    },
  ],
  injective: (context, [which, k]) => {
    const { dtype, shape } = context.node.outputs[0]!.type;
    return convertElement(turnElement(which!, k!, context.dim(shape[1]!)), "float64", dtype);
  },
});

const types: readonly DType[] = floats;

function lower(context: LoweringContext<typeof attributes>): void {
  const { shape } = context.input(0);
  const { dtype } = context.input(2);
  const n = context.input(2).shape[1]!;
  if (context.node.outputs[0]!.shape.includes(0)) return;
  const memory = (name: string) => context.scratch(name, { type: { dtype, shape: [2, n] } });
  const scratch = { re: memory("re"), im: memory("im") };
  context.kernel({ name: `dft_${n}_${shape.join("x")}`, flops: 0 }, (s) => {
    const views = {
      turns: s.view("turns", context.placement(2), "read"),
      re: s.view("re", scratch.re, "readwrite"),
      im: s.view("im", scratch.im, "readwrite"),
    };
    transformLines(s, context, n, (line) => {
      const transform = new FourierTransform(s, n, views);
      line.load((at, value) => transform.store(at, value));
      transform.run();
      line.store((at) => transform.result(at));
    });
  });
}

/** One line of the tensor along the axis. */
interface Line {
  /** Gives all elements of the transform's input. */
  load(visit: (at: Expr, value: Complex) => void): void;
  /** Takes the elements of its result that are wanted. */
  store(element: (at: Expr) => Complex): void;
}

function transformLines(
  s: NodeScope,
  context: LoweringContext<typeof attributes>,
  n: Dim,
  visit: (line: Line) => void,
): void {
  const { shape, rank, dtype } = context.input(0);
  const { inverse, onesided } = context.attributes;
  const computed = context.input(2).dtype;
  const number = (value: number): Expr => constant({ scalar: registerTypes[computed], lanes: 1 }, value);
  const zero: Complex = { re: number(0), im: number(0) };
  const flags = flagsOf(context, 1);
  const isAxis = flags.map((flag) =>
    isStatic(flag) ? flag === 1 : s.let("isAxis", op("ne", s.dim(flag), 0)),
  );
  const choose = (i: number, whenAxis: Expr, other: Expr): Expr => {
    const flag = isAxis[i]!;
    return typeof flag === "boolean" ? (flag ? whenAxis : other) : select(flag, whenAxis, other);
  };
  const [length, given] = [s.dim(n), s.dim(flaggedDim(shape, flags))];
  const parts = s.dim(shape[rank - 1]!);
  const hasImaginary = op("gt_s", parts, 1);
  const real = isReal(context);

  /** The element of a line; the inverse transform is the transform with real and imaginary parts exchanged. */
  const swap = ({ re, im }: Complex): Complex => (inverse !== 0 ? { re: im, im: re } : { re, im });
  const element = (outer: readonly Expr[], at: Expr): Complex => {
    const place = outer.map((index, i) => choose(i, at, index));
    const load = (part: Expr): Expr => convertElement(s.operand(0, [...place, part]), dtype, computed);
    const im = load(minIndex(1, sub(parts, 1)));
    return {
      re: load(i32Constant(0)),
      im: isStatic(shape[rank - 1]!)
        ? shape[rank - 1] === 1
          ? zero.im
          : im
        : select(hasImaginary, im, zero.im),
    };
  };

  const half = s.let("half", op("shr_u", length, 1));
  const line = (outer: readonly Expr[]): Line => ({
    load: (put) => {
      if (!real) {
        const known = s.let("known", minIndex(length, given));
        s.for("at", 0, known, (at) => put(at, swap(element(outer, at))));
        s.for("at", known, length, (at) => put(at, zero));
        return;
      }
      // Of the second half of the spectrum, each element is the conjugate of one of the first.
      s.for("at", 0, length, (at) => {
        const isFirst = op("le_s", at, half);
        const place = s.let("place", select(isFirst, at, sub(length, at)));
        s.if(
          op("lt_s", place, given),
          () => {
            const { re, im } = element(outer, place);
            put(at, swap({ re, im: select(isFirst, im, op("neg", im)) }));
          },
          () => put(at, zero),
        );
      });
    },
    store: (take) => {
      const count = !real && onesided !== 0 ? add(half, 1) : length;
      const elements = convertElement(length, "int32", computed);
      const scale = inverse === 0 ? null : s.let("scale", op("div", number(1), elements));
      s.for("at", 0, count, (at) => {
        const { re, im } = swap(take(at));
        const place = outer.map((index, i) => choose(i, at, index));
        const put = (part: number, value: Expr): void => {
          const scaled = scale === null ? value : op("mul", value, scale);
          s.result(convertElement(scaled, computed, dtype), [...place, i32Constant(part)]);
        };
        put(0, re);
        if (!real) put(1, im);
      });
    },
  });
  const nest = (outer: readonly Expr[]): void => {
    const i = outer.length;
    if (i === rank - 1) visit(line(outer));
    else {
      const extent = choose(i, i32Constant(1), s.dim(shape[i]!));
      s.for(`i${i}`, 0, extent, (index) => nest([...outer, index]));
    }
  };
  nest([]);
}

const Transform = defineOperator({
  name: "DFT",
  domain: "kiln",
  summary: "The discrete Fourier transform along an axis, or its inverse.",
  inputs: ["X", "axis", "turns"],
  types,
  attributes,
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    const last = shape[rank - 1];
    if (last !== undefined && isStatic(last) && last !== 1 && last !== 2) {
      context.fail(`has ${last} numbers for each element, not a real and an imaginary part`, "E_SHAPE");
    }
    const { inverse, onesided } = context.attributes;
    if (onesided !== 0 && inverse === 0 && last === 2) {
      context.fail("a spectrum of complex numbers has no second half to be left out");
    }
    const n = context.input(2).shape[1]!;
    const flags = flagsOf(context, 1);
    const length = onesided !== 0 && inverse === 0 ? addDims(floorDivDims(n, 2), 1) : n;
    const outer = shape.slice(0, -1).map((dim, i) => groupDim(selectDims(flags[i]!, length, dim)));
    return [{ dtype, shape: [...outer, isReal(context) ? 1 : 2] }];
  },
  layout: () => ({ inputs: ["any", "any", "row-major"], output: "row-major" }),
  checks: (context) => {
    const { rank } = context.input(0);
    return [{ input: 1, what: "axis", ranges: [{ least: -rank, end: rank }] }];
  },
  epilogue: true,
  prologue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

/**
 * Transforms of complex numbers are computed in their own type, all others in float64: so does NumPy, in which ONNX's
 * reference implementation is written, and what it expects of sums that cancel is the rounding of that type.
 */
const isDouble = (x: Value): boolean => x.dtype === "float64" || x.shape.at(-1) !== 2;

/** The transform along an axis, of a given length or that of the axis. */
export function fourierTransform(
  b: GraphBuilder,
  x: Value,
  axis: Value,
  length: Value | null,
  { inverse, onesided }: ImportedNode<typeof attributes>["attributes"],
): Value {
  const n = b.op("kiln.TransformLength", [x, axis, length], { inverse, onesided });
  const turns = b.op("kiln.Turns", [n], { double: isDouble(x) ? 1 : 0 });
  return b.op("kiln.DFT", [x, axis, turns], { inverse, onesided });
}

const DFT = defineExpansion({
  name: "DFT",
  summary:
    "The discrete Fourier transform along an axis, its inverse, and the halves of both for real signals.",
  inputs: ["input", "dft_length?", "axis?"],
  types: floats,
  attributes,
  versions: [
    oldVersion(
      17,
      { ...attributes, axis: attribute.int(1) },
      (b, [x, length = null], { attributes: { axis, ...rest } }) => [
        fourierTransform(b, x!, b.scalar("int64", axis), length, rest),
      ],
      ["input", "dft_length?"],
    ),
    { since: 20 },
  ],
  expand: (b, [x, length = null, axis = null], view) => [
    fourierTransform(b, x!, axis ?? b.scalar("int64", -2), length, view.attributes),
  ],
});

export const fourierOperators: readonly Operator[] = [TransformLength, Turns, Transform, DFT];
