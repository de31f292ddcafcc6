/** Runs modules in a process of its own, where the engine asks for a flag to run them. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryFolder } from "../../compiler/bench/temporary-folder.js";
import type { Artifact } from "../../compiler/options.js";
import type { Tensors } from "../harness.js";

/** As small as can be: it knows the module from its metadata alone. */
const host = `
  import { readFileSync, writeFileSync } from "node:fs";
  const [, directory] = process.argv;
  const module = new WebAssembly.Module(readFileSync(directory + "/model.wasm"));
  const [section] = WebAssembly.Module.customSections(module, "kiln");
  const { inputs, outputs } = JSON.parse(new TextDecoder().decode(section));
  const { memory, run } = new WebAssembly.Instance(module).exports;
  new Uint8Array(memory.buffer).set(readFileSync(directory + "/input"), inputs[0].address);
  run();
  writeFileSync(directory + "/output", new Uint8Array(memory.buffer, outputs[0].address, outputs[0].byteLength));
`;

/** The first output for the only input, both of float32. */
export function runElsewhere({ wasm, metadata }: Artifact, feeds: Tensors): Promise<Float32Array> {
  return inTemporaryFolder("kiln-relaxed-", async (folder) => {
    writeFileSync(join(folder, "model.wasm"), wasm);
    writeFileSync(join(folder, "input"), new Uint8Array(feeds[metadata.inputs[0]!.name]!.data.buffer));
    // Engines that have it on by default no longer know the flag.
    const flags = WebAssembly.validate(wasm as Uint8Array<ArrayBuffer>)
      ? []
      : ["--experimental-wasm-relaxed-simd"];
    execFileSync(process.execPath, [...flags, "--input-type=module", "--eval", host, folder]);
    return new Float32Array(Uint8Array.from(readFileSync(join(folder, "output"))).buffer);
  });
}
