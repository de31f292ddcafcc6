/** WebAssembly text, through wabt. */

import wabt from "wabt";
import { KilnError } from "../diagnostics.js";
import type { Kernel } from "../loop/ir.js";
import { withInvoked } from "../loop/program.js";
import { ModuleBuilder, type WasmFeatures } from "./builder.js";
import { emitKernels } from "./emit.js";
import { kernelNames, wasmName } from "./module.js";
import type { OptimizationLevel } from "./passes.js";

/** The text of one kernel's function, optimised as it would be in a module. */
export function kernelWat(
  kernel: Kernel,
  features: WasmFeatures,
  optimize: OptimizationLevel = 3,
): Promise<string> {
  const names = kernelNames(withInvoked([kernel]));
  const name = names.get(kernel)!;
  using builder = new ModuleBuilder(features);
  builder.memory(1);
  emitKernels(builder, { names, hot: new Map() });
  builder.export(name);
  builder.optimize(optimize);
  return functionWat(builder.binary(), name);
}

/** The text of the function of this name, or of the kernel of this name where that is distinct. */
export async function functionWat(wasm: Uint8Array, name: string): Promise<string> {
  const text = await moduleWat(wasm);
  const start = text.indexOf(`\n  (func $${wasmName(name)} `);
  if (start < 0) throw new KilnError("E_INPUT", `the module has no function "${name}"`);
  const end = text.indexOf("\n  (", start + 1);
  return text.slice(start + 1, end < 0 ? undefined : end);
}

/** The texts of all functions, by name. */
export async function functionTexts(wasm: Uint8Array): Promise<Map<string, string>> {
  const parts = (await moduleWat(wasm)).split(/\n(?= {2}\()/);
  const functions = parts.filter((part) => part.startsWith("  (func $"));
  return new Map(functions.map((part) => [/^ {2}\(func \$(\S+)/.exec(part)![1]!, part]));
}

async function moduleWat(wasm: Uint8Array): Promise<string> {
  const { readWasm } = await wabt();
  const module = readWasm(wasm, { readDebugNames: true, relaxed_simd: true, threads: true });
  try {
    module.applyNames();
    return module.toText({ foldExprs: true, inlineExport: false });
  } finally {
    module.destroy();
  }
}
