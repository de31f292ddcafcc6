/** Networks of the zoo, compiled when a page asks for them. */

import { compile } from "onnx-kiln";
import { buildNetwork, zoo } from "../zoo/index.js";

export interface NetworkInfo {
  readonly name: string;
  readonly parameters: number;
  readonly paper: string;
}

export interface NetworkFigures {
  readonly compileMs: number;
  readonly flops: number;
  readonly codeBytes: number;
  readonly weightBytes: number;
  readonly arenaBytes: number;
  readonly kernels: number;
}

export const networkList = (): NetworkInfo[] =>
  zoo.map(({ name, parameters, paper }) => ({ name, parameters, paper }));

interface CompiledNetwork {
  readonly wasm: Uint8Array;
  readonly figures: NetworkFigures;
}

const compiled = new Map<string, Promise<CompiledNetwork>>();

/** The network as a module, or null where the zoo has none of this name. */
export async function compileNetwork(name: string): Promise<CompiledNetwork | null> {
  const entry = zoo.find((each) => each.name === name);
  if (entry === undefined) return null;
  let network = compiled.get(name);
  if (network === undefined) {
    network = (async () => {
      const { wasm, report } = await compile(buildNetwork(entry).encode());
      const { compileMs, flops, codeBytes, weightBytes, arenaBytes, kernels } = report;
      const figures = { compileMs, flops, codeBytes, weightBytes, arenaBytes, kernels: kernels.length };
      return { wasm, figures };
    })();
    compiled.set(name, network);
  }
  return await network;
}
