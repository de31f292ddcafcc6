/** What one piece of code makes of two engines: a value, or the kind of error and its message. */

import type * as rival from "onnxruntime-web";

export type Engine = Pick<typeof rival, "InferenceSession" | "Tensor" | "env">;

export interface Outcome {
  readonly value?: unknown;
  readonly error?: "TypeError" | "RangeError" | "Error";
  readonly message?: string;
}

export async function outcome(code: () => unknown): Promise<Outcome> {
  try {
    return { value: plain(await code()) };
  } catch (error) {
    const kind =
      error instanceof TypeError ? "TypeError" : error instanceof RangeError ? "RangeError" : "Error";
    return { error: kind, message: (error as Error).message };
  }
}

/** Tensors by what can be asked of them, and floats rounded, so that engines may round differently. */
function plain(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(5));
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value))
    return { array: value.constructor.name, values: plain([...(value as Uint8Array)]) };
  if (Array.isArray(value)) return value.map(plain);
  if ("dims" in value && "location" in value) {
    const { type, dims, size, location, data } = value as rival.Tensor;
    return plain({ type, dims, size, place: location, data });
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
