/** onnxruntime-web as the engine that Kiln is compared with. It is no dependency: who compares installs it. */

import type { TensorLike } from "../../runtime/index.js";
import { CommandError } from "./failure.js";

export interface Rival {
  readonly version: string;
  run(): Promise<
    Record<string, { readonly data: ArrayLike<number | bigint>; readonly dims: readonly number[] }>
  >;
}

/** A session on one thread with all graph optimisations, fed with the same inputs at every run. */
export async function openRival(
  model: Uint8Array,
  feeds: Readonly<Record<string, TensorLike>>,
): Promise<Rival> {
  const ort = await importRival();
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type as "float32", data as Float32Array, dims),
    ]),
  );
  return {
    version: ort.env.versions.web ?? "",
    run: async () => (await session.run(inputs)) as unknown as Awaited<ReturnType<Rival["run"]>>,
  };
}

async function importRival(): Promise<typeof import("onnxruntime-web")> {
  try {
    return await import("onnxruntime-web");
  } catch (cause) {
    throw new CommandError("onnxruntime-web, which bench compares with, is not installed", {
      hint: `npm install --no-save onnxruntime-web (${cause instanceof Error ? cause.message : String(cause)})`,
    });
  }
}
