/** The text of both IRs after every pass, for whole networks: it parses back to the same. */

import { describe, expect, test } from "vitest";
import { equalGraphs } from "../../compiler/ir/compare.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { graphResources, printGraph } from "../../compiler/ir/print.js";
import { defaultLimits } from "../../compiler/limits.js";
import { parseProgram } from "../../compiler/loop/parse.js";
import { printProgram } from "../../compiler/loop/print.js";
import {
  callsOf,
  kernelsOf,
  mapCalls,
  type Program,
  type ProgramBuffer,
} from "../../compiler/loop/program.js";
import { verifyProgram } from "../../compiler/loop/verify.js";
import { Pipeline } from "../../compiler/stages.js";
import { loopPasses } from "../../passes/loop/pipeline.js";
import { graphPipeline } from "../../passes/pipeline.js";
import { hasLightModels, lightNetworks, ocrNetworks, readNetwork } from "./models.js";

function expectGraphText(graph: Graph, after: string): void {
  const text = printGraph(graph);
  const parsed = parseGraph(text, graphResources(graph));
  expect(equalGraphs(graph, parsed), after).toBeNull();
  expect(printGraph(parsed) === text, after).toBe(true);
}

function expectProgramText(program: Program, after: string): void {
  const text = printProgram(program);
  const constants = program.buffers.flatMap(({ name, data }) =>
    data === undefined ? [] : [[name, data] as const],
  );
  const parsed = parseProgram(text, new Map(constants));
  verifyProgram(parsed);
  expect(printProgram(parsed) === text, after).toBe(true);
  // The bytes of constants are not text: they are the resources themselves, some of them tens of megabytes.
  expect(
    parsed.buffers.every(({ data }, i) => data === program.buffers[i]!.data),
    after,
  ).toBe(true);
  const names = (buffers: readonly ProgramBuffer[]) => buffers.map(({ name }) => name);
  const shape = ({ inputs, outputs, ...program }: Program) => ({
    buffers: program.buffers.map(({ data: _, ...buffer }) => buffer),
    inputs: names(inputs),
    outputs: names(outputs),
    calls: callsOf(program).map(({ kernel, args, ...call }) => ({
      ...call,
      kernel: kernel.name,
      args: args.map(({ buffer, byteOffset }) => `${buffer.name} + ${byteOffset}`),
    })),
  });
  expect(shape(parsed), after).toEqual(shape(program));
}

const networks = [...ocrNetworks, ...(hasLightModels ? lightNetworks : [])];

describe("text after every pass reads back", () => {
  for (const network of networks) {
    test(network.name, async () => {
      const pipeline = new Pipeline({ inputShapes: { [network.input]: network.dims } });
      const graph = await pipeline.importGraph(readNetwork(network));
      expectGraphText(graph, "import");
      for (const pass of graphPipeline(3)) {
        pass.run(graph, { limits: defaultLimits, strict: false });
        expectGraphText(graph, pass.name);
      }
      let program = pipeline.lower(graph);
      expectProgramText(program, "lower");
      for (const pass of loopPasses(3)) {
        const kernels = new Map(kernelsOf(program).map((kernel) => [kernel, pass.run(kernel)]));
        program = mapCalls(program, (call) => ({ ...call, kernel: kernels.get(call.kernel)! }));
        expectProgramText(program, pass.name);
      }
    });
  }
});
