/** Graph passes in IR text: what goes in, and what must come out. */

import { expect } from "vitest";
import type { Graph } from "../../../compiler/ir/graph.js";
import { parseGraph } from "../../../compiler/ir/parse.js";
import { printGraph } from "../../../compiler/ir/print.js";
import type { TensorData } from "../../../compiler/ir/tensor.js";
import { verifyGraph } from "../../../compiler/ir/verify.js";
import { defaultLimits, type Limits } from "../../../compiler/limits.js";
import { findOperator } from "../../../compiler/operators/index.js";
import type { GraphPass } from "../../../passes/graph/pass.js";

export interface PassOptions {
  readonly limits?: Partial<Limits>;
  readonly strict?: boolean;
  /** Tensors that the text refers to by name. */
  readonly resources?: ReadonlyMap<string, TensorData>;
}

/** The graph after the passes; verified before, after and in between. */
export function transform(passes: readonly GraphPass[], before: string, options: PassOptions = {}): Graph {
  const graph = parseGraph(before, options.resources);
  verifyGraph(graph, { operators: findOperator });
  for (const pass of passes) {
    pass.run(graph, { limits: { ...defaultLimits, ...options.limits }, strict: options.strict === true });
    verifyGraph(graph, { operators: findOperator });
  }
  return graph;
}

export function expectPass(pass: GraphPass, before: string, after: string, options?: PassOptions): void {
  const graph = transform([pass], before, options);
  expect(printGraph(graph)).toBe(withoutIndent(after));
}

export const expectUnchanged = (pass: GraphPass, text: string, options?: PassOptions): void =>
  expectPass(pass, text, text, options);

/** The text without blank lines around it and without the indent of its first line. */
function withoutIndent(text: string): string {
  const lines = text
    .replace(/^\s*\n/, "")
    .trimEnd()
    .split("\n");
  const indent = /^ */.exec(lines[0]!)![0].length;
  return lines.map((line) => line.slice(indent)).join("\n");
}
