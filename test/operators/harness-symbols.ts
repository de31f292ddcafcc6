/**
 * Runs single operators some of whose integer inputs are known at run time only: inference and lowering see symbols in
 * the place of their elements, and so they see dims that nobody knows.
 */

import { type Dim, evaluateDim, integerSymbol, symbolDim } from "../../compiler/ir/dim.js";
import { dtypes } from "../../compiler/ir/dtype.js";
import type { Attributes } from "../../compiler/ir/graph.js";
import { constantValue, Graph, Value } from "../../compiler/ir/graph.js";
import { type TensorData, tensor, tensorBytes } from "../../compiler/ir/tensor.js";
import { interpretProgram } from "../../compiler/loop/interpret.js";
import type { Define } from "../../compiler/loop/program.js";
import { shareKernels } from "../../compiler/loop/share.js";
import { verifyProgram } from "../../compiler/loop/verify.js";
import { lowerGraph } from "../../compiler/lowering/lower.js";
import { GraphBuilder } from "../../compiler/operators/builder.js";
import { findOperator } from "../../compiler/operators/index.js";
import { decodeElements } from "../../compiler/operators/numbers.js";

export interface SymbolicCase {
  readonly op: string;
  readonly attributes?: Attributes;
  readonly inputs: readonly (TensorData | null)[];
  /** Inputs that are constants. */
  readonly constant?: readonly number[];
  /** Inputs whose elements are symbols. */
  readonly unknown?: readonly number[];
  /** Inputs whose dims are symbols. */
  readonly open?: readonly number[];
  readonly outputs?: number;
}

/** Results by lowering to loops and interpreting these. */
export function interpretUnknown(node: SymbolicCase): TensorData[] {
  const graph = new Graph("symbols");
  const symbols = new Map<string, number>();
  const elements: { name: string; value: number; input: string; index: number }[] = [];
  const openDim = (name: string, dim: number): Dim => {
    symbols.set(name, dim);
    return symbolDim(name);
  };
  const elementSymbol = (input: string, index: number, value: number): Dim => {
    elements.push({ name: `~${input}_${index}`, value, input, index });
    return integerSymbol(`${input}_${index}`);
  };
  const values = node.inputs.map((data, i) => {
    if (data === null) return null;
    if (node.constant?.includes(i)) return constantValue(`x${i}`, data);
    const shape = data.dims.map((dim, axis) =>
      node.open?.includes(i) ? openDim(`d${i}_${axis}`, dim) : dim,
    );
    const value = new Value(`x${i}`, { dtype: data.dtype, shape });
    if (node.unknown?.includes(i)) {
      value.elements = Array.from(decodeElements(data), (element, at) =>
        elementSymbol(value.name, at, element),
      );
    }
    graph.inputs.push(value);
    return value;
  });
  const builder = new GraphBuilder(graph, findOperator);
  graph.outputs = builder.ops(node.op, values, node.attributes ?? {}, node.outputs ?? 1);
  const lowered = shareKernels(lowerGraph(graph, { fusedMultiplyAdd: false }));
  const buffer = (input: string) => lowered.inputs.find(({ name }) => name === input)!;
  const define: Define = {
    kind: "define",
    symbols: elements.map(({ name, input, index }) => ({ name, value: { buffer: buffer(input), index } })),
    source: [],
  };
  const program = { ...lowered, steps: [define, ...lowered.steps] };
  verifyProgram(program);
  const feeds = graph.inputs.map(({ name }): [string, Uint8Array] => [
    name,
    tensorBytes(node.inputs[Number(name.slice(1))]!),
  ]);
  const results = interpretProgram(program, new Map(feeds), undefined, symbols);
  for (const { name, value } of elements) symbols.set(name, value);
  return graph.outputs.map(({ type }, i) => {
    const bytes = results.get(program.outputs[i]!.name)!;
    const dims = type.shape.map((dim) => evaluateDim(dim, symbols));
    return tensor(type.dtype, dims, new dtypes[type.dtype].array(bytes.slice().buffer));
  });
}
