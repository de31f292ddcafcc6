/** Sampling at places that a grid gives, and grids of affine maps. */

import { type Dim, printDim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { type GridSampleParameters, gridSample } from "../kernels/grid-sample.js";
import { intToFloat } from "../kernels/interpolation.js";
import { constant, i32Constant, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { injective } from "./injective.js";
import { isFloat } from "./integer.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type ElementContext,
  type ImportedNode,
  type NodeView,
  type Operator,
  oldVersion,
} from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = {
  align_corners: attribute.int(0),
  mode: attribute.string("linear"),
  padding_mode: attribute.string("zeros"),
} as const;
type GridView = NodeView<typeof attributes>;

const modes: readonly string[] = ["linear", "nearest", "cubic"];
const paddings: readonly string[] = ["zeros", "border", "reflection"];

function checkGrid(context: GridView): void {
  const [x, grid] = [context.input(0), context.input(1)];
  const { mode, padding_mode } = context.attributes;
  if (!modes.includes(mode)) context.fail(`mode "${mode}" is not defined`);
  if (!paddings.includes(padding_mode)) context.fail(`padding_mode "${padding_mode}" is not defined`);
  if (!floats.includes(grid.dtype)) context.fail(`takes no grid of ${grid.dtype}`, "E_UNSUPPORTED");
  if (mode !== "nearest" && !isFloat(x.dtype)) context.fail(`mode "${mode}" on ${x.dtype}`, "E_UNSUPPORTED");
  if (x.rank < 3 || grid.rank !== x.rank)
    context.fail(`an image of ${x.rank} dims and a grid of ${grid.rank}`, "E_SHAPE");
  const given = `a grid [${grid.shape.map(printDim)}] for [${x.shape.map(printDim)}]`;
  context.requireEqual(grid.shape.at(-1)!, x.rank - 2, given);
  context.requireEqual(grid.shape[0]!, x.shape[0]!, given);
}

function lowerGridSample(context: LoweringContext<typeof attributes>): void {
  const { dtype, shape } = context.input(0);
  const { mode, padding_mode, align_corners } = context.attributes;
  const parameters: GridSampleParameters = {
    mode: mode as GridSampleParameters["mode"],
    padding: padding_mode as GridSampleParameters["padding"],
    alignCorners: align_corners !== 0,
    shape,
    out: context.node.outputs[0]!.shape.slice(2),
    scalar: registerTypes[dtype],
  };
  context.kernel({ name: `gridsample_${mode}_${padding_mode}`, flops: 0 }, (s) => {
    gridSample(s, parameters, {
      image: (indices) => s.operand(0, indices),
      grid: (indices) => s.operand(1, indices),
      result: (value, indices) => s.result(value, indices),
    });
  });
}

const GridSample = defineOperator({
  name: "GridSample",
  summary: "Elements of an image at places of a grid, interpolated.",
  inputs: ["X", "grid"],
  attributes,
  versions: [
    oldVersion(16, { ...attributes, mode: attribute.string("bilinear") }, upgradeModes),
    { since: 20 },
    { since: 22 },
  ],
  infer: (context) => {
    checkGrid(context);
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: [shape[0]!, shape[1]!, ...context.input(1).shape.slice(1, -1)] }];
  },
  layout: () => ({ inputs: ["channels-last", "row-major"], output: "channels-last" }),
  epilogue: true,
  lower: lowerGridSample,
  evaluate: evaluateByKernels(lowerGridSample),
});

/** Modes were named after images once. */
function upgradeModes(
  b: GraphBuilder,
  [x, grid]: (Value | null)[],
  view: ImportedNode<typeof attributes>,
): Value[] {
  const mode = view.attributes.mode.replace(/^bi/, "");
  return [b.op("GridSample", [x!, grid!], { ...presentAttributes(view), mode })];
}

/** As it was before it came to ONNX. */
const MicrosoftGridSample = defineExpansion({
  name: "GridSample",
  domain: "com.microsoft",
  summary: "GridSample of ai.onnx.",
  inputs: ["X", "Grid"],
  attributes: { ...attributes, mode: attribute.string("bilinear") },
  versions: [{ since: 1 }],
  expand: upgradeModes,
});

// ---------------------------------------------------------------------------------------------- AffineGrid

const affineAttributes = { align_corners: attribute.int(0) } as const;
type AffineContext = ElementContext<typeof affineAttributes>;

/** Places of a dim from -1 to 1: its ends are those of the elements at the ends, or the middles of these. */
function coordinate(context: AffineContext, index: Expr, extent: Dim, scalar: "f32" | "f64"): Expr {
  const size = context.dim(extent);
  if (context.attributes.align_corners === 0) {
    const place = op("add", op("mul", intToFloat(index, scalar), 2), 1);
    return op("sub", op("div", place, intToFloat(size, scalar)), 1);
  }
  const last = sub(size, 1);
  const place = op("div", op("mul", intToFloat(index, scalar), 2), intToFloat(last, scalar));
  // A single place lies at the start, as there is no step from it to another.
  return op("sub", select(op("eq", last, 0), constant(place.type, 0), place), 1);
}

const AffineGrid = injective({
  name: "AffineGrid",
  summary: "The grid of an affine map, for GridSample.",
  inputs: ["theta", "size"],
  types: floats,
  attributes: affineAttributes,
  versions: [20],
  infer: (context) => {
    const theta = context.input(0);
    const size = context.requireIntegers(1);
    const rank = size.length - 2;
    if (rank !== 2 && rank !== 3) context.fail(`size has ${size.length} numbers, not 4 or 5`, "E_SHAPE");
    const reason = `theta [${theta.shape.map(printDim)}] for the size [${size.map(printDim)}]`;
    if (theta.rank !== 3) context.fail(reason, "E_SHAPE");
    for (const [i, wanted] of [size[0]!, rank, rank + 1].entries()) {
      context.requireEqual(theta.shape[i]!, wanted, reason);
    }
    return [{ dtype: theta.dtype, shape: [size[0]!, ...size.slice(2), rank] }];
  },
  injective: (context, indices) => {
    const { shape } = context.node.outputs[0]!;
    const spatial = shape.slice(1, -1);
    const [batch, row] = [indices[0]!, indices.at(-1)!];
    const scalar = registerTypes[context.input(0).dtype] as "f32" | "f64";
    const element = (column: number) => context.load(0, [batch, row, i32Constant(column)]);
    // The last dim is the first coordinate.
    const terms = spatial.map((extent, i) =>
      op("mul", element(spatial.length - 1 - i), coordinate(context, indices[i + 1]!, extent, scalar)),
    );
    return terms.reduceRight((sum, term) => op("add", sum, term), element(spatial.length));
  },
});

export const gridOperators: readonly Operator[] = [GridSample, MicrosoftGridSample, AffineGrid];
