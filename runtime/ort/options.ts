/** Session options: those that Kiln cannot do are refused, as onnxruntime does where it was built without. */

import { env, isLogged } from "./env.js";
import type { InferenceSession } from "./session.js";

const providers = ["wasm", "cpu"];
const locations = ["cpu", "cpu-pinned"];

export function checkOptions(options: InferenceSession.SessionOptions): void {
  checkProviders(options.executionProviders ?? []);
  const { preferredOutputLocation: location } = options;
  for (const one of typeof location === "object" ? Object.values(location) : [location ?? "cpu"]) {
    if (!locations.includes(one)) {
      throw new Error(`Not supported preferred output location: ${one}. Kiln computes on the CPU`);
    }
  }
  if (options.optimizedModelFilePath) {
    throw new Error(
      "optimizedModelFilePath is not supported: Kiln makes WebAssembly, not ONNX (kiln compile)",
    );
  }
}

function checkProviders(asked: readonly InferenceSession.ExecutionProviderConfig[]): void {
  const names = asked.map((one) => (typeof one === "string" ? one : one.name));
  const others = names.filter((name) => !providers.includes(name));
  if (others.length > 0 && others.length === names.length) {
    const list = others.map((name) => `[${name}] backend not found.`).join(", ");
    throw new Error(
      `no available backend found. ERR: ${list} Kiln computes on the CPU: ask for "wasm" or "cpu"`,
    );
  }
  for (const name of others) {
    if (!isLogged("warning")) return;
    console.warn(
      `removing requested execution provider "${name}" from session options because it is not available: ` +
        "Kiln computes on the CPU",
    );
  }
}

/** Threads that a session is to have; undefined leaves it to the runtime. */
export const threadsOf = ({ intraOpNumThreads }: InferenceSession.SessionOptions): number | undefined =>
  intraOpNumThreads || env.wasm.numThreads || undefined;
