/** What JavaScript may give `compile` though its types forbid it: found at once, rather than passed over. */

import { KilnError } from "./diagnostics.js";
import type { CompileOptions, Features } from "./options.js";

const optionNames: Readonly<Record<keyof CompileOptions, true>> = {
  dims: true,
  inputShapes: true,
  states: true,
  features: true,
  optimize: true,
  strict: true,
  weights: true,
  externalData: true,
  limits: true,
  arenaBytes: true,
  patches: true,
  tuning: true,
  onChoice: true,
  verify: true,
  profile: true,
  onPass: true,
  onStage: true,
  host: true,
  name: true,
};

const featureNames: Readonly<Record<keyof Features, true>> = { simd: true, relaxedSimd: true, threads: true };

/** @throws KilnError E_INPUT */
export function checkArguments(model: unknown, options: CompileOptions): void {
  // Not `instanceof`: test runners give code a realm of its own.
  if (kindOf(model) !== "Uint8Array") {
    throw new KilnError(
      "E_INPUT",
      `a model is a Uint8Array of the bytes of an ONNX file, got ${kindOf(model)}`,
      {
        ...(typeof model === "string" && { hint: "a path: await readFile(path)" }),
        ...(kindOf(model) === "ArrayBuffer" && { hint: "new Uint8Array(buffer)" }),
      },
    );
  }
  checkNames("option", options, optionNames);
  if (options.features !== undefined) checkNames("feature", options.features, featureNames);
  for (const [name, shape] of Object.entries(options.inputShapes ?? {})) {
    if (Array.isArray(shape)) continue;
    throw new KilnError("E_INPUT", `the shape of "${name}" is an array of sizes, got ${kindOf(shape)}`);
  }
  checkValue("optimize", options.optimize, [0, 1, 2, 3, "s"]);
  checkValue("weights", options.weights, ["embed", "split"]);
}

function checkNames(what: string, given: object, known: Readonly<Record<string, true>>): void {
  const names = Object.keys(known).join(", ");
  if (kindOf(given) !== "Object") {
    throw new KilnError("E_INPUT", `${what}s are an object of ${names}, got ${kindOf(given)}`);
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  throw new KilnError("E_INPUT", `there is no ${what} "${unknown}"`, { hint: `there are ${names}` });
}

function checkValue(name: string, value: unknown, known: readonly unknown[]): void {
  if (value === undefined || known.includes(value)) return;
  throw new KilnError("E_INPUT", `option "${name}" is one of ${known.join(", ")}, not ${String(value)}`);
}

/** `Uint8Array`, `String`, `Object`, `Undefined`; a Buffer is a Uint8Array. */
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);
