/** The versions of Resize, and Upsample, as the forms of Resize that graphs have. */

import { isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { allAxes } from "./axes.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { encodeElements } from "./numbers.js";
import {
  attribute,
  defineExpansion,
  elementsOf,
  type ImportedNode,
  type Operator,
  type OperatorVersion,
  oldVersion,
} from "./operator.js";
import { resizeAttributes, scaledSize } from "./resize-plan.js";

type View = ImportedNode<typeof resizeAttributes>;

/** A node by the version of 18. */
function resize(b: GraphBuilder, inputs: readonly (Value | null)[], view: View): Value[] {
  const [x, roi] = inputs;
  const [scales, sizes] = [present(inputs[2]), present(inputs[3])];
  if ((scales === null) === (sizes === null)) view.fail("needs either scales or sizes");
  const { antialias, mode } = view.attributes;
  const resized = resizedAxes(x!, scales ?? sizes!, view);
  if (mode === "cubic" && antialias === 0 && resized.length > mostCubicAxes)
    return [axisByAxis(b, x!, [present(roi), scales, sizes], resized, view)];
  const name = antialias !== 0 && mode !== "nearest" ? "kiln.ResizeAntialias" : "Resize";
  const computed = scales === null ? sizes : sizesByScales(b, x!, scales, view);
  return [b.op(name, [x!, roi ?? null, scales, computed], presentAttributes(view))];
}

/** A result element of cubic interpolation is made of four to the power of the axes: beyond this they are too many. */
const mostCubicAxes = 2;

interface AxisPlace {
  readonly axis: number;
  /** Its place in the lists of scales and sizes, which are so long. */
  readonly place: number;
  readonly count: number;
}

/** Axes that may get another size or be cropped. Those of a policy depend on each other and are left together. */
function resizedAxes(x: Value, amounts: Value, { attributes }: View): AxisPlace[] {
  if (attributes.keep_aspect_ratio_policy !== "stretch") return [];
  const known = elementsOf(amounts);
  const axes = attributes.axes ?? allAxes(x.rank);
  const isCropped = attributes.coordinate_transformation_mode === "tf_crop_and_resize";
  return axes.flatMap((axis, place) => {
    const [amount, dim] = [known?.[place], x.shape.at(axis)];
    const stays = amount !== undefined && (amounts.dtype === "int64" ? amount === dim : amount === 1);
    return stays && !isCropped ? [] : [{ axis, place, count: axes.length }];
  });
}

/** The same by one axis after the other: their order does not matter. */
function axisByAxis(
  b: GraphBuilder,
  x: Value,
  [roi, scales, sizes]: readonly (Value | null)[],
  axes: readonly AxisPlace[],
  view: View,
): Value {
  return axes.reduce((value, { axis, place, count }) => {
    const at = (list: Value | null | undefined, ...places: number[]): Value | null =>
      list ? b.op("Gather", [list, b.ints(places)]) : null;
    const inputs = [value, at(roi, place, place + count), at(scales, place), at(sizes, place)];
    return resize(b, inputs, { ...view, attributes: { ...view.attributes, axes: [axis] } })[0]!;
  }, x);
}

/** An input without elements counts as left out. */
const present = (value: Value | null | undefined): Value | null =>
  value === null || value === undefined || value.shape[0] === 0 ? null : value;

/** Sizes as a run computes them, where inference cannot tell them from the scales. */
function sizesByScales(b: GraphBuilder, x: Value, scales: Value, view: View): Value | null {
  const axes = view.attributes.axes ?? allAxes(x.rank);
  const known = elementsOf(scales);
  const isTold = axes.every((axis, i) => {
    const [scale, dim] = [known?.[i], x.shape[axis < 0 ? axis + x.rank : axis]];
    if (scale === undefined || !isStatic(scale)) return known !== null && known.length !== axes.length;
    return dim === undefined || scaledSize(dim, scale) !== null;
  });
  if (isTold) return null;
  const dims = b.op("Gather", [b.op("Shape", [x]), b.ints(axes)]);
  const lengths = b.op("Mul", [b.cast(dims, "float32"), scales]);
  return b.cast(b.op("Floor", [lengths]), "int64");
}

/** What was meant before there were modes to choose from. */
function upsample(
  b: GraphBuilder,
  x: Value,
  scales: Value,
  mode: string,
  view: Omit<ImportedNode, "attributes">,
): Value[] {
  const attributes = {
    ...defaults,
    mode: mode === "bilinear" ? "linear" : mode,
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  };
  return resize(b, [x, null, scales], { ...view, attributes });
}

const defaults = Object.fromEntries(
  Object.entries(resizeAttributes).flatMap(([name, spec]) =>
    "default" in spec ? [[name, spec.default]] : [],
  ),
) as unknown as View["attributes"];

const {
  antialias: _antialias,
  axes: _axes,
  keep_aspect_ratio_policy: _policy,
  ...attributes11
} = resizeAttributes;

const older = (since: number): OperatorVersion =>
  oldVersion(since, attributes11, (b, inputs, view) =>
    resize(b, inputs, { ...view, attributes: { ...defaults, ...view.attributes } }),
  );

const newer = (since: number): OperatorVersion => oldVersion(since, resizeAttributes, resize);

export const resizeVersions: readonly OperatorVersion[] = [
  oldVersion(
    10,
    { mode: resizeAttributes.mode },
    (b, [x, scales], view) => upsample(b, x!, scales!, view.attributes.mode, view),
    ["X", "scales"],
  ),
  older(11),
  older(13),
  newer(18),
  newer(19),
];

const upsampleMode = { mode: attribute.string("nearest") } as const;

const numbers = (b: GraphBuilder, values: readonly number[]): Value =>
  b.constant(encodeElements("float32", [values.length], values));

const Upsample = defineExpansion({
  name: "Upsample",
  summary: "Resize as it was before opset 10.",
  inputs: ["X", "scales"],
  attributes: upsampleMode,
  versions: [
    oldVersion(
      1,
      {
        ...upsampleMode,
        height_scale: attribute.required("float"),
        width_scale: attribute.required("float"),
      },
      (b, [x], view) => {
        const { mode, height_scale, width_scale } = view.attributes;
        return upsample(b, x!, numbers(b, [1, 1, height_scale, width_scale]), mode, view);
      },
      ["X"],
    ),
    oldVersion(
      7,
      { ...upsampleMode, scales: attribute.required("floats") },
      (b, [x], view) => upsample(b, x!, numbers(b, view.attributes.scales), view.attributes.mode, view),
      ["X"],
    ),
    { since: 9 },
    { since: 10 },
  ],
  expand: (b, [x, scales], view) => upsample(b, x!, scales!, view.attributes.mode, view),
});

export const upsampleOperators: readonly Operator[] = [Upsample];
