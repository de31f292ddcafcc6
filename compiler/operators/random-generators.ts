/**
 * Generators of random numbers: what the operators of `random.ts` are made of.
 *
 * A generator begins from its seed whenever the module runs, so every run gives the same numbers: feeds alone decide
 * the results. Its numbers are drawn in row-major order in float64, as ONNX's reference implementation draws them.
 */

import type { Dim } from "../ir/dim.js";
import { MersenneTwister, normalNumbers, STATE_WORDS, uniformNumbers } from "../kernels/random.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { defineOperator, type Operator } from "./operator.js";

type Numbers = (
  s: KernelScope,
  shape: readonly Dim[],
  generator: MersenneTwister,
  result: (value: Expr, indices: readonly Expr[]) => void,
) => void;

function generator(name: string, kernelName: string, summary: string, numbers: Numbers): Operator {
  return defineOperator({
    name,
    domain: "kiln",
    summary,
    inputs: ["shape", "seed"],
    attributes: {},
    versions: [{ since: 1 }],
    infer: (context) => [{ dtype: "float64", shape: context.requireIntegers(0) }],
    layout: () => ({ inputs: ["any", "any"], output: "row-major" }),
    epilogue: true,
    lower: (context) => {
      const { shape } = context.node.outputs[0]!;
      const state = context.scratch("generator", { type: { dtype: "int32", shape: [STATE_WORDS] } });
      context.kernel({ name: `${kernelName}_${shape.join("x")}`, flops: 0 }, (s) => {
        // Read from memory, so that generators of all seeds share one kernel.
        const seed = s.view("seed", context.placement(1), "read").load([]);
        const twister = new MersenneTwister(s, s.view("state", state, "readwrite"), seed);
        numbers(s, shape, twister, (value, indices) => s.result(value, indices));
      });
    },
  });
}

export const generatorOperators: readonly Operator[] = [
  generator("Uniform", "random_uniform", "Random numbers evenly spread from 0 to 1.", uniformNumbers),
  generator("Normal", "random_normal", "Random numbers around 0 with deviation 1.", normalNumbers),
];
