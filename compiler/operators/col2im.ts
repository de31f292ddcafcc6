/** Operators that put windows back where they were taken from: Col2Im and MaxUnpool. */

import {
  addDims,
  type Dim,
  floorDivDims,
  isStatic,
  modDims,
  multiplyDims,
  printDim,
  productOfDims,
  subtractDims,
} from "../ir/dim.js";
import { forMeetings } from "../kernels/convolution-direct.js";
import { add, constant, div, mul, op, read, rem } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsOver, memoryOrder } from "../lowering/loops.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { allTypes, numeric } from "./pointwise.js";

/** Attributes of windows that are lists of numbers, with their defaults. */
function windowLists(
  context: NodeView<typeof listAttributes>,
  rank: number,
): { strides: readonly number[]; dilations: readonly number[]; pads: readonly number[] } {
  const list = (name: "strides" | "dilations" | "pads", count: number, least: number) => {
    const given = context.attributes[name] ?? [];
    const values = given.length === 0 ? new Array<number>(count).fill(least) : given;
    if (values.length !== count || values.some((n) => n < least))
      context.fail(`${name} [${given}] does not fit ${rank} spatial dims`);
    return values;
  };
  return {
    strides: list("strides", rank, 1),
    dilations: list("dilations", rank, 1),
    pads: list("pads", 2 * rank, 0),
  };
}

const listAttributes = {
  dilations: attribute.optional("ints"),
  pads: attribute.optional("ints"),
  strides: attribute.optional("ints"),
} as const;

// ---------------------------------------------------------------------------------------------- Col2Im

interface Blocks {
  readonly image: readonly Dim[];
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  /** Places of the window on each dim. */
  readonly counts: readonly Dim[];
}

function blocksOf(context: NodeView<typeof listAttributes>): Blocks {
  const [image, kernel] = [context.requireIntegers(1), context.requireIntegers(2)];
  const rank = image.length;
  if (kernel.length !== rank || rank === 0)
    context.fail(`blocks of ${kernel.length} dims for an image of ${rank}`, "E_SHAPE");
  const { strides, dilations, pads } = windowLists(context, rank);
  const counts = image.map((dim, i) => {
    const extent = addDims(multiplyDims(addDims(kernel[i]!, -1), dilations[i]!), 1);
    const room = subtractDims(addDims(dim, pads[i]! + pads[i + rank]!), extent);
    return addDims(floorDivDims(room, strides[i]!), 1);
  });
  return { image, kernel, strides, dilations, before: pads.slice(0, rank), counts };
}

function lowerCol2Im(context: LoweringContext<typeof listAttributes>): void {
  const { image, counts, ...window } = blocksOf(context);
  const { shape, dtype } = context.node.outputs[0]!;
  const zero = constant({ scalar: registerTypes[dtype], lanes: 1 }, 0);
  context.kernel({ name: "col2im", flops: 0 }, (s) => {
    const numberOf = (at: readonly Expr[], dims: readonly Dim[]): Expr =>
      at.reduce((sum, index, i) => add(mul(sum, s.dim(dims[i]!)), index));
    loopsOver(s, shape, memoryOrder(context.output()), ([n, c, ...places]) => {
      const sum = s.variable("sum", zero);
      const blocks = { ...window, shape: [shape[0]!, shape[1]!, ...counts] };
      forMeetings(s, blocks, places, (from, taps) => {
        const row = numberOf([c!, ...taps], [1, ...window.kernel]);
        s.assign(sum, op("add", read(sum), s.operand(0, [n!, row, numberOf(from, counts)])));
      });
      s.result(read(sum), [n!, c!, ...places]);
    });
  });
}

const Col2Im = defineOperator({
  name: "Col2Im",
  summary: "Adds up columns of blocks at the places in an image that they come from.",
  inputs: ["input", "image_shape", "block_shape"],
  types: numeric,
  attributes: listAttributes,
  versions: [{ since: 18 }],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    if (rank !== 3) context.fail(`takes [N, C * block, blocks], not ${rank} dims`, "E_SHAPE");
    const { image, kernel, counts } = blocksOf(context);
    const [batch, rows, columns] = shape as [Dim, Dim, Dim];
    const block = productOfDims(kernel);
    const places = productOfDims(counts);
    const whole = `${printDim(rows)} rows are no multiple of a block of ${printDim(block)}`;
    if (isStatic(block) && block < 1) context.fail(whole, "E_SHAPE");
    context.requireEqual(modDims(rows, block), 0, whole);
    const listed = counts.map(printDim).join(" x ");
    context.requireEqual(columns, places, `${printDim(columns)} columns for ${listed} places`);
    return [{ dtype, shape: [batch, floorDivDims(rows, block), ...image] }];
  },
  layout: () => ({ inputs: ["row-major", "row-major", "row-major"], output: "row-major" }),
  epilogue: true,
  lower: lowerCol2Im,
  evaluate: evaluateByKernels(lowerCol2Im),
});

// ---------------------------------------------------------------------------------------------- MaxUnpool

const unpoolAttributes = {
  kernel_shape: attribute.required("ints"),
  pads: listAttributes.pads,
  strides: listAttributes.strides,
} as const;
type UnpoolView = NodeView<typeof unpoolAttributes>;

/** The shape of the tensor whose pool it was, as far as the window tells: numbers of elements count in it. */
function pooledShape(context: UnpoolView): Dim[] {
  const { shape } = context.input(0);
  const { kernel_shape: kernel } = context.attributes;
  const rank = kernel.length;
  if (shape.length !== rank + 2) context.fail(`kernel of ${rank} dims for ${shape.length - 2}`, "E_SHAPE");
  const attributes = { ...context.attributes, dilations: undefined };
  const { strides, pads } = windowLists({ ...context, attributes }, rank);
  const spatial = shape.slice(2).map((dim, i) => {
    const padding = pads[i]! + pads[i + rank]!;
    return addDims(multiplyDims(addDims(dim, -1), strides[i]!), kernel[i]! - padding);
  });
  return [shape[0]!, shape[1]!, ...spatial];
}

function lowerMaxUnpool(context: LoweringContext<typeof unpoolAttributes>): void {
  const { dtype, shape } = context.input(0);
  const result = context.node.outputs[0]!;
  const pooled = pooledShape(context);
  const output = context.output();
  context.kernel({ name: "maxunpool_zero", flops: 0 }, (s) => {
    const y = s.view("y", output, "write");
    const zero = constant({ scalar: registerTypes[dtype], lanes: 1 }, 0);
    loopsOver(s, result.shape, memoryOrder(output), (indices) => y.store(indices, zero));
  });
  context.kernel({ name: "maxunpool", flops: 0 }, (s) => {
    const y = s.view("y", output, "readwrite");
    const [x, places] = [context.placement(0), context.placement(1)].map((p) => s.view("x", p, "read"));
    loopsOver(s, shape, memoryOrder(context.placement(0)), (indices) => {
      const number = s.let("number", op("i64_to_i32", places!.load(indices)));
      const at: Expr[] = [];
      let rest: Expr = number;
      for (const dim of [...pooled].reverse()) {
        at.unshift(rem(rest, s.dim(dim)));
        rest = s.let("rest", div(rest, s.dim(dim)));
      }
      // What lies outside of the stated shape is written nowhere.
      const isInside = at
        .map((index, axis) => op("lt_u", index, s.dim(result.shape[axis]!)))
        .reduce((all, one) => op("and", all, one), op("eq", rest, 0));
      s.if(isInside, () => y.store(at, x!.load(indices)));
    });
  });
}

const MaxUnpool = defineOperator({
  name: "MaxUnpool",
  summary: "Puts the elements of a MaxPool back to their places, with zeros between them.",
  inputs: ["X", "I", "output_shape?"],
  types: allTypes,
  attributes: unpoolAttributes,
  versions: [9, 11, 22].map((since) => ({ since })),
  infer: (context) => {
    const [x, places] = [context.input(0), context.input(1)];
    if (places.dtype !== "int64") context.fail(`takes indices of int64, not ${places.dtype}`);
    const reason = `indices [${places.shape.map(printDim)}] for [${x.shape.map(printDim)}]`;
    if (places.rank !== x.rank) context.fail(reason, "E_SHAPE");
    for (const [i, dim] of x.shape.entries()) context.requireEqual(places.shape[i]!, dim, reason);
    const pooled = pooledShape(context);
    if (context.optional(2) === null) return [{ dtype: x.dtype, shape: pooled }];
    const shape = context.requireIntegers(2);
    if (shape.length !== x.rank)
      context.fail(`output_shape of ${shape.length} dims for ${x.rank}`, "E_SHAPE");
    return [{ dtype: x.dtype, shape }];
  },
  layout: () => ({ inputs: ["row-major", "row-major", "row-major"], output: "row-major" }),
  lower: lowerMaxUnpool,
  evaluate: evaluateByKernels(lowerMaxUnpool),
  checks: (context) => [
    {
      input: 1,
      what: "number of an element",
      ranges: [{ least: 0, end: productOfDims(pooledShape(context)) }],
    },
  ],
});

export const unfoldingOperators: readonly Operator[] = [Col2Im, MaxUnpool];
