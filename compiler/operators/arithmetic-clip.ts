/** Clip: bounds are inputs of its current form, both there; old versions have them as attributes, or leave them out. */

import type { DType } from "../ir/dtype.js";
import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import * as math from "../kernels/math.js";
import { op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { GraphBuilder } from "./builder.js";
import { integerRange, isFloat, typedOp } from "./integer.js";
import { decodeElement, encodeElement } from "./numbers.js";
import { attribute, type NodeView, type Operator, type OperatorVersion, oldVersion } from "./operator.js";
import { numeric, pointwise } from "./pointwise.js";

type Bound = "min" | "max";

/** The bound that changes nothing. */
function openBound(dtype: DType, bound: Bound): TensorData {
  if (isFloat(dtype)) {
    const infinity = bound === "min" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return scalar(dtype, encodeElement(dtype, infinity));
  }
  const range = integerRange(dtype);
  const big = dtype === "int64" || dtype === "uint64";
  return scalar(dtype, big ? range[bound] : Number(range[bound]));
}

function scalar(dtype: DType, stored: number | bigint): TensorData {
  const data = new dtypes[dtype].array(1);
  data[0] = stored;
  return tensor(dtype, [], data);
}

function clip(b: GraphBuilder, x: Value, low: Value | null, high: Value | null): Value[] {
  if (low === null && high === null) return [x];
  const bound = (value: Value | null, which: Bound) => value ?? b.constant(openBound(x.dtype, which));
  return [b.op("Clip", [x, bound(low, "min"), bound(high, "max")])];
}

/** Bounds as attributes: their defaults are the limits of float32. */
const withAttributes = (since: number): OperatorVersion =>
  oldVersion(
    since,
    { min: attribute.optional("float"), max: attribute.optional("float") },
    (b, [x], { attributes: { min, max } }) => {
      const bound = (value: number | undefined) => (value === undefined ? null : b.scalar(x!.dtype, value));
      return clip(b, x!, bound(min), bound(max));
    },
    ["input"],
  );

const withInputs = (since: number): OperatorVersion =>
  oldVersion(since, {}, (b, [x, low = null, high = null]) => clip(b, x!, low, high), [
    "input",
    "min?",
    "max?",
  ]);

function isOpen(context: NodeView, input: number, bound: Bound): boolean {
  const { constant, dtype } = context.input(input);
  if (constant === null || constant.data.length !== 1) return false;
  const open = openBound(dtype, bound).data[0]!;
  return decodeElement(dtype, constant.data[0]!) === decodeElement(dtype, open);
}

function limited(x: Expr, bound: Expr, by: "min" | "max", dtype: DType): Expr {
  const isKnown = isFloat(dtype) && bound.kind === "constant" && !Number.isNaN(Number(bound.value));
  if (!isKnown) return op(typedOp(by, dtype), x, bound);
  return by === "max" ? math.atLeast(x, bound) : math.atMost(x, bound);
}

const Clip = pointwise({
  name: "Clip",
  summary: "x limited to the range from min to max; max where that is below min.",
  inputs: ["input", "min", "max"],
  attributes: {},
  versions: [withAttributes(1), withAttributes(6), withInputs(11), withInputs(12), withInputs(13)],
  types: numeric,
  emit: ([x, low, high], context) => {
    const { dtype } = context.input(0);
    const raised = isOpen(context, 1, "min") ? x! : limited(x!, low!, "max", dtype);
    return isOpen(context, 2, "max") ? raised : limited(raised, high!, "min", dtype);
  },
  evaluate: ([x, low, high]) => Math.min(Math.max(x!, low!), high!),
});

export const clipOperators: readonly Operator[] = [Clip];
