/** Compiles a case with default options, runs it, and says how it went. */

import { runtimeElements, runtimeTensor } from "../../compiler/cli/elements.js";
import { compile, KilnError } from "../../compiler/index.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { type Feed, load, type Model, type Tensor } from "../../runtime/index.js";
import { type Case, dataSetsOf } from "./cases.js";
import { difference, randomCases, typeDifference } from "./compare.js";
import { leaveDimsOpen } from "./dynamic.js";

export interface Outcome {
  readonly name: string;
  /** "refused": the compiler says that it cannot; "failed": anything else that is not right. */
  readonly status: "passed" | "refused" | "failed";
  /** Why it did not pass. */
  readonly reason?: string;
}

export interface CaseOptions {
  /** Leave the dims of the inputs open. */
  readonly dynamic?: boolean;
  /** Compile to code without SIMD. */
  readonly scalar?: boolean;
}

export async function runCase(
  one: Case,
  { dynamic = false, scalar = false }: CaseOptions = {},
): Promise<Outcome> {
  const { name } = one;
  let model: Model | undefined;
  try {
    const artifact = await compile(dynamic ? leaveDimsOpen(one.model) : one.model, {
      features: { simd: !scalar },
    });
    if (!WebAssembly.validate(artifact.wasm as BufferSource)) return failed(name, "the module is not valid");
    model = await load(artifact.wasm as BufferSource);
  } catch (error) {
    const isRefusal = error instanceof KilnError && error.code !== "E_INTERNAL";
    return { name, status: isRefusal ? "refused" : "failed", reason: messageOf(error) };
  }
  try {
    for (const { inputs, outputs } of dataSetsOf(one)) {
      const results = model.runSync(feedsOf(model, inputs));
      for (const [i, expected] of outputs.entries()) {
        const info = model.outputs[i];
        if (info === undefined) return failed(name, `there is no output ${i}`);
        const compare = randomCases.test(name) ? typeDifference : difference;
        const wrong = compare(tensorOf(results[info.name]!), expected);
        if (wrong !== null) return failed(name, `output "${info.name}": ${wrong}`);
      }
    }
    return { name, status: "passed" };
  } catch (error) {
    return failed(name, messageOf(error));
  } finally {
    model.dispose();
  }
}

const failed = (name: string, reason: string): Outcome => ({ name, status: "failed", reason });

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");

function feedsOf(model: Model, inputs: readonly TensorData[]): Record<string, Feed> {
  return Object.fromEntries(
    inputs.map((input, i) => [model.inputs[i]?.name ?? `input ${i}`, runtimeTensor(input) as Feed]),
  );
}

const tensorOf = (result: Tensor): TensorData => ({
  dtype: result.type,
  data: runtimeElements(result),
  dims: result.dims,
});
