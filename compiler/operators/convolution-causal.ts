/** CausalConvWithState: the convolution before the recurrence of state-space models, one block of time after another. */

import { isStatic, printDim, productOfDims, subtractDims } from "../ir/dim.js";
import type { TensorType } from "../ir/graph.js";
import { causalConvolution } from "../kernels/convolution-causal.js";
import { sigmoid } from "../kernels/math.js";
import { op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = { activation: attribute.string("none") } as const;
type View = NodeView<typeof attributes>;

const swish = (x: Expr): Expr => op("mul", x, sigmoid(x));
const activations: Readonly<Record<string, (x: Expr) => Expr>> = { none: (x) => x, silu: swish, swish };

function activationOf({ attributes: { activation }, fail }: View): (x: Expr) => Expr {
  return Object.hasOwn(activations, activation)
    ? activations[activation]!
    : fail(`activation "${activation}" is not defined`);
}

function infer(context: View): TensorType[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { dtype } = x;
  if (x.rank !== 3) context.fail(`takes an input of 3 dims, not ${x.rank}`, "E_SHAPE");
  activationOf(context);
  const [batch, channels] = [x.shape[0]!, x.shape[1]!];
  const taps = w.shape[2] ?? context.fail(`takes weights of 3 dims, not ${w.rank}`, "E_SHAPE");
  if (taps === 0) context.fail("its weights are empty", "E_SHAPE");
  const state = [batch, channels, subtractDims(taps, 1)];
  const wanted = [x.shape, [channels, 1, taps], [channels], state];
  wanted.forEach((shape, i) => {
    const value = context.optional(i);
    if (value === null) return;
    const reason = `input ${i} is [${value.shape.map(printDim)}], not [${shape.map(printDim)}]`;
    if (value.dtype !== dtype) context.fail(`combines ${dtype} and ${value.dtype}`);
    if (value.rank !== shape.length) context.fail(reason, "E_SHAPE");
    for (const [axis, dim] of value.shape.entries()) context.requireEqual(dim, shape[axis]!, reason);
  });
  return [
    { dtype, shape: x.shape },
    { dtype, shape: state },
  ];
}

function flopsOf(context: View): number {
  const count = productOfDims([2, ...context.input(0).shape, context.input(1).shape[2]!]);
  return isStatic(count) ? count : 0;
}

function lower(context: LoweringContext<typeof attributes>): void {
  const [batch, channels, length] = context.input(0).shape as [number, number, number];
  const taps = context.input(1).shape[2]!;
  context.kernel({ name: `causal_conv_${printDim(taps)}`, flops: flopsOf(context) }, (s) => {
    const given = (i: number) =>
      context.optional(i) === null ? null : s.view("x", context.placement(i), "read");
    causalConvolution(
      s,
      { batch, channels, length, taps, activate: activationOf(context) },
      {
        x: given(0)!,
        weights: given(1)!,
        bias: given(2),
        past: given(3),
        y: s.view("y", context.output(0), "write"),
        present: context.node.outputs.length > 1 ? s.view("present", context.output(1), "write") : null,
      },
    );
  });
}

const rowMajor = "row-major" as const;

const CausalConvWithState = defineOperator({
  name: "CausalConvWithState",
  summary:
    "Depthwise convolution over time that sees only what came before, with the last elements as a state.",
  inputs: ["input", "weight", "bias?", "past_state?"],
  types: floats,
  attributes,
  versions: [{ since: 27 }],
  infer,
  layout: () => ({ inputs: [rowMajor, rowMajor, rowMajor, rowMajor], output: rowMajor }),
  flops: flopsOf,
  lower,
  evaluate: evaluateByKernels(lower),
});

export const causalConvolutionOperators: readonly Operator[] = [CausalConvWithState];
