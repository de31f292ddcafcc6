/** Pools: windows whose elements are combined channel by channel. */

import { type Dim, staticDim } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { type PoolParameters, pool } from "../kernels/pool.js";
import type { LoweringContext } from "../lowering/context.js";
import { memoryOrder } from "../lowering/loops.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { type Window, windowAttributes, windowOf } from "./window.js";

const poolAttributes = {
  ...windowAttributes,
  kernel_shape: attribute.required("ints"),
  ceil_mode: attribute.int(0),
  count_include_pad: attribute.int(0),
  storage_order: attribute.int(0),
} as const;
type PoolView = NodeView<typeof poolAttributes>;

function poolWindow(context: PoolView): Window {
  const { attributes } = context;
  return windowOf(
    context,
    attributes,
    attributes.kernel_shape,
    context.input(0).shape.slice(2),
    attributes.ceil_mode !== 0,
  );
}

function inferPool(context: PoolView): TensorType[] {
  const { dtype, shape } = context.input(0);
  if (dtype !== "float32") context.fail(`takes float32 in this version, not ${dtype}`, "E_UNSUPPORTED");
  if (context.node.outputs.length > 1) context.fail("the Indices output is not there yet", "E_UNSUPPORTED");
  return [{ dtype, shape: [shape[0]!, shape[1]!, ...poolWindow(context).out] }];
}

function parametersOf(context: PoolView, kind: PoolParameters["kind"]): PoolParameters {
  const known = (dim: Dim): number => staticDim(dim, "a dim of a pool");
  const { kernel, strides, dilations, before, after, out } = poolWindow(context);
  const shape = context.input(0).shape.map(known);
  const includePad = context.attributes.count_include_pad !== 0;
  return { kind, shape, kernel, strides, dilations, before, after, out: out.map(known), includePad };
}

function lowerPool(kind: PoolParameters["kind"]) {
  return (context: LoweringContext<typeof poolAttributes>): void => {
    const p = parametersOf(context, kind);
    const name = `${kind}pool_${p.kernel.join("x")}_s${p.strides.join("x")}_${p.shape[1]}x${p.out.join("x")}`;
    context.kernel({ name, flops: 0 }, (s) => {
      pool(
        s,
        p,
        memoryOrder(context.output()),
        (indices) => s.operand(0, indices),
        (value, indices) => s.result(value, indices),
      );
    });
  };
}

const layout = () => ({ inputs: ["channels-last"] as const, output: "channels-last" as const });

const MaxPool = defineOperator({
  name: "MaxPool",
  summary: "Largest element of each window.",
  inputs: ["X"],
  attributes: poolAttributes,
  versions: [{ since: 1 }, { since: 8 }, { since: 10 }, { since: 11 }, { since: 12 }, { since: 22 }],
  infer: inferPool,
  layout,
  epilogue: true,
  lower: lowerPool("max"),
});

const AveragePool = defineOperator({
  name: "AveragePool",
  summary: "Mean of each window; padding counts only where count_include_pad says so.",
  inputs: ["X"],
  attributes: poolAttributes,
  versions: [{ since: 1 }, { since: 7 }, { since: 10 }, { since: 11 }, { since: 19 }, { since: 22 }],
  infer: inferPool,
  layout,
  epilogue: true,
  lower: lowerPool("average"),
});

/** A pool over all of space is a reduction. */
function globalPool(name: string, reduction: string, summary: string): Operator {
  return defineOperator({
    name,
    summary,
    inputs: ["X"],
    attributes: {},
    versions: [{ since: 1 }, { since: 22 }],
    infer: (context) => context.fail("is written out when it is imported"),
    expand: (b: GraphBuilder, inputs: (Value | null)[], view) => {
      const x = inputs[0];
      if (x === null || x === undefined || x.rank < 3) return view.fail("needs an input [N, C, ...spatial]");
      const axes = Array.from({ length: x.rank - 2 }, (_, i) => i + 2);
      return [b.op(reduction, [x, b.ints(axes)], { keepdims: 1 })];
    },
  });
}

export const poolingOperators: readonly Operator[] = [
  MaxPool,
  AveragePool,
  globalPool("GlobalAveragePool", "ReduceMean", "Mean over all of space."),
  globalPool("GlobalMaxPool", "ReduceMax", "Largest element over all of space."),
];
