/** Pools: windows whose elements are combined channel by channel. */

import type { DType } from "../ir/dtype.js";
import type { TensorType } from "../ir/graph.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { larger } from "../kernels/math.js";
import { power, root } from "../kernels/norm.js";
import { pool, poolWithIndices, type WindowReducer } from "../kernels/pool.js";
import type { WindowShape } from "../kernels/window.js";
import { add, mul, op } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { memoryOrder } from "../lowering/loops.js";
import { extentsName } from "../lowering/names.js";
import { presentAttributes } from "./builder.js";
import { integerRange, isFloat } from "./integer.js";
import { encodeElements } from "./numbers.js";
import {
  attribute,
  defineOperator,
  type EvaluationContext,
  type NodeView,
  type Operator,
  type OperatorFacets,
  oldVersion,
} from "./operator.js";
import { floats } from "./pointwise.js";
import { forEachWindow, type WindowElements } from "./pooling-evaluate.js";
import { type Reach, windowReach } from "./reach.js";
import { type Window, windowAttributes, windowOf } from "./window.js";

const attributes = {
  ...windowAttributes,
  kernel_shape: attribute.required("ints"),
  ceil_mode: attribute.int(0),
} as const;
type PoolAttributes = typeof attributes;
type PoolView<S extends PoolAttributes = PoolAttributes> = NodeView<S>;

const poolWindow = (context: Pick<NodeView<PoolAttributes>, "attributes" | "input" | "fail">): Window =>
  windowOf(
    context,
    context.attributes,
    context.attributes.kernel_shape,
    context.input(0).shape.slice(2),
    context.attributes.ceil_mode !== 0,
  );

function pooledType(context: PoolView): TensorType {
  const { dtype, shape } = context.input(0);
  return { dtype, shape: [shape[0]!, shape[1]!, ...poolWindow(context).out] };
}

const windowShape = (context: PoolView): WindowShape => ({
  shape: context.input(0).shape,
  ...poolWindow(context),
});

function kernelName(context: PoolView, kind: string): string {
  const { kernel, strides } = poolWindow(context);
  return `${kind}_${kernel.join("x")}_s${strides.join("x")}_${extentsName(context.node.outputs[0]!.shape.slice(1))}`;
}

/** In ceil mode the padding that counts ends where it was said to end, not with the last window. */
function poolReach(context: PoolView): Reach | null {
  const { attributes, outputs } = context.node;
  const countsPadding = attributes.count_include_pad === 1 && attributes.ceil_mode === 1;
  if (countsPadding || outputs.length > 1) return null;
  return windowReach(attributes, poolWindow(context), context.input(0).shape.slice(2));
}

interface PoolDeclaration<S extends PoolAttributes>
  extends Pick<OperatorFacets<S>, "name" | "summary" | "attributes" | "versions"> {
  /** Refuses attributes that have no meaning. */
  readonly check?: (context: PoolView<S>) => void;
  readonly reducer: (context: PoolView<S>) => WindowReducer;
  /** The same on numbers. */
  readonly fold: (window: WindowElements, attributes: PoolView<S>["attributes"]) => number;
}

/** A pool of floats with one result. */
function floatPool<const S extends PoolAttributes>(declaration: PoolDeclaration<S>): Operator {
  const { check, reducer, fold, ...rest } = declaration;
  const kind = rest.name.toLowerCase();
  return defineOperator<S>({
    ...rest,
    inputs: ["X"],
    types: floats,
    infer: (context) => {
      check?.(context);
      return [pooledType(context)];
    },
    layout,
    reach: poolReach,
    epilogue: true,
    lower: (context) => {
      context.kernel({ name: kernelName(context, kind), flops: 0 }, (s) => {
        pool(
          s,
          windowShape(context),
          memoryOrder(context.output()),
          reducer(context),
          (indices) => s.operand(0, indices),
          (value, indices) => s.result(value, indices),
        );
      });
    },
    evaluate: (context) => {
      const { dtype, dims } = context.outputs[0]!;
      const values = new Float64Array(elementCount(dims));
      forEachWindow(context.input(0), poolWindow(context.view as PoolView), (window, at) => {
        values[at] = fold(window, context.attributes);
      });
      return [encodeElements(dtype, dims, values)];
    },
  });
}

const layout = () => ({ inputs: ["channels-last"] as const, output: "channels-last" as const });

// ---------------------------------------------------------------------------------------------- MaxPool

const maxAttributes = { ...attributes, storage_order: attribute.int(0) } as const;
type MaxView = NodeView<typeof maxAttributes>;

const maxTypes: readonly DType[] = [...floats, "int8", "uint8"];

function largestOf(dtype: DType): WindowReducer {
  const scalar = registerTypes[dtype];
  const initial = isFloat(dtype) ? Number.NEGATIVE_INFINITY : integerRange(dtype).min;
  return { scalar, initial, combine: isFloat(dtype) ? larger : (best, x) => op("max_s", best, x) };
}

/** The number of an element in the whole input; with storage_order 1 the first spatial dim runs fastest. */
function placeNumber(context: MaxView, dim: (axis: number) => Expr) {
  const { rank } = context.input(0);
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  if (context.attributes.storage_order !== 0) spatial.reverse();
  return (indices: readonly Expr[]): Expr => {
    const number = [1, ...spatial].reduce(
      (sum, axis) => add(mul(sum, dim(axis)), indices[axis]!),
      indices[0]!,
    );
    return op("i32_to_i64_s", number);
  };
}

function lowerMaxPool(context: LoweringContext<typeof maxAttributes>): void {
  const { dtype, shape } = context.input(0);
  const name = kernelName(context, "maxpool");
  context.kernel({ name, flops: 0 }, (s) => {
    const load = (indices: readonly Expr[]): Expr => s.operand(0, indices);
    const order = memoryOrder(context.output());
    if (context.node.outputs.length < 2) {
      pool(s, windowShape(context), order, largestOf(dtype), load, (value, at) => s.result(value, at));
      return;
    }
    const places = s.view("places", context.output(1), "write");
    const number = placeNumber(context, (axis) => s.dim(shape[axis]!));
    poolWithIndices(s, windowShape(context), order, largestOf(dtype), load, number, (value, place, at) => {
      s.result(value, at);
      places.store(at, place);
    });
  });
}

function evaluateMaxPool(context: EvaluationContext<typeof maxAttributes>): TensorData[] {
  const x = context.input(0);
  const { dtype, dims } = context.outputs[0]!;
  const spatial = x.dims.slice(2);
  const size = elementCount(spatial);
  const [best, places] = [new Float64Array(elementCount(dims)), new Float64Array(elementCount(dims))];
  const smallest = Number(largestOf(dtype).initial);
  forEachWindow(x, poolWindow(context.view as PoolView), (window, at, channel) => {
    const value = window.values.reduce((a, b) => Math.max(a, b), smallest);
    best[at] = value;
    const found = Math.max(
      0,
      window.values.findIndex((v) => Object.is(v, value) || v === value),
    );
    const place = window.places[found] ?? 0;
    places[at] =
      channel * size + (context.attributes.storage_order === 0 ? place : transposed(place, spatial));
  });
  const results = [encodeElements(dtype, dims, best)];
  return context.outputs.length < 2 ? results : [...results, encodeElements("int64", dims, places)];
}

/** The number of a place counted with the first dim running fastest. */
function transposed(place: number, dims: readonly number[]): number {
  let [rest, number, stride] = [place, 0, elementCount(dims)];
  for (const dim of [...dims].reverse()) {
    stride /= dim;
    number += (rest % dim) * stride;
    rest = Math.floor(rest / dim);
  }
  return number;
}

const MaxPool = defineOperator({
  name: "MaxPool",
  summary: "Largest element of each window, and where it lies.",
  inputs: ["X"],
  types: maxTypes,
  attributes: maxAttributes,
  versions: [1, 8, 10, 11, 12, 22].map((since) => ({ since })),
  infer: (context) => {
    const values = pooledType(context);
    return [values, { dtype: "int64", shape: values.shape }];
  },
  layout,
  reach: poolReach,
  epilogue: true,
  lower: lowerMaxPool,
  evaluate: evaluateMaxPool,
});

// ---------------------------------------------------------------------------------------------- means and norms

const AveragePool = floatPool({
  name: "AveragePool",
  summary: "Mean of each window; padding counts only where count_include_pad says so.",
  attributes: { ...attributes, count_include_pad: attribute.int(0) },
  versions: [1, 7, 10, 11, 19, 22].map((since) => ({ since })),
  reducer: ({ attributes: { count_include_pad }, ...context }) => {
    const scalar = registerTypes[context.input(0).dtype];
    return {
      scalar,
      initial: 0,
      combine: (sum, x) => op("add", sum, x),
      finish: (sum, count) =>
        op(
          "div",
          sum,
          op(scalar === "f64" ? "i32_to_f64_s" : "i32_to_f32_s", count(count_include_pad !== 0)),
        ),
    };
  },
  fold: ({ values, padded }, { count_include_pad }) =>
    values.reduce((a, b) => a + b, 0) / (count_include_pad !== 0 ? padded : values.length),
});

const lpAttributes = { ...attributes, p: attribute.int(2) } as const;

const LpPool = floatPool({
  name: "LpPool",
  summary: "The p-norm of each window.",
  attributes: lpAttributes,
  versions: [
    oldVersion(1, { ...lpAttributes, p: attribute.float(2) }, (b, [x], view) => [
      b.op("LpPool", [x!], presentAttributes(view)),
    ]),
    ...[2, 11, 18, 22].map((since) => ({ since })),
  ],
  check: ({ attributes: { p }, fail }) => {
    if (!(p > 0)) fail(`p is ${p}, and must be positive`);
  },
  reducer: ({ attributes: { p }, ...context }) => ({
    scalar: registerTypes[context.input(0).dtype],
    initial: 0,
    combine: (sum, x) => op("add", sum, power(op("abs", x), p)),
    finish: (sum) => root(sum, p),
  }),
  fold: ({ values }, { p }) => values.reduce((sum, x) => sum + Math.abs(x) ** p, 0) ** (1 / p),
});

export const poolingOperators: readonly Operator[] = [MaxPool, AveragePool, LpPool];
