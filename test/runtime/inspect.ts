/** Loads a model while watching what the runtime instantiates, since a Model does not show its memory. */

import { type LoadOptions, load, type Model, type ModuleSource } from "../../runtime/index.js";

/** The model and its linear memory. Not for concurrent use: it stands in for WebAssembly.instantiate meanwhile. */
export async function loadInspected(
  source: ModuleSource,
  options: LoadOptions = {},
): Promise<{ model: Model; memory: Uint8Array }> {
  const { instantiate } = WebAssembly;
  let memory: Uint8Array | undefined;
  WebAssembly.instantiate = (async (module: WebAssembly.Module, ...imports: WebAssembly.Imports[]) => {
    const instance = await instantiate(module, ...imports);
    // Node's fetch instantiates a parser.
    if (!imports.some((one) => "kiln" in one)) return instance;
    memory = new Uint8Array((instance.exports.memory as WebAssembly.Memory).buffer);
    return instance;
  }) as typeof instantiate;
  try {
    const model = await load(source, options);
    return { model, memory: memory! };
  } finally {
    WebAssembly.instantiate = instantiate;
  }
}
