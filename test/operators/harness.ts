/**
 * Runs single operators in two ways that share nothing but their declaration: by their `evaluate` facets, with all
 * inputs constant, and by lowering them to Loop IR, which is then interpreted.
 */

import { expect } from "vitest";
import { dimSymbols } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Graph } from "../../compiler/ir/graph.js";
import {
  elementCount,
  elementsOfBytes,
  type TensorData,
  tensor,
  tensorBytes,
  toNumbers,
} from "../../compiler/ir/tensor.js";
import { verifyGraph } from "../../compiler/ir/verify.js";
import { defaultLimits } from "../../compiler/limits.js";
import { runProgram } from "../../compiler/loop/interpret.js";
import { shareKernels } from "../../compiler/loop/share.js";
import { verifyProgram } from "../../compiler/loop/verify.js";
import { lowerGraph } from "../../compiler/lowering/lower.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { importModel } from "../../compiler/onnx/import.js";
import type { OnnxModel } from "../../compiler/onnx/model.js";
import { evaluateNode } from "../../compiler/operators/evaluate.js";
import { findOperator } from "../../compiler/operators/index.js";
import { decodeElements, encodeElements } from "../../compiler/operators/numbers.js";
import { chooseByCost } from "../../compiler/tuning/choice.js";
import { type AttributeSpec, buildModel, type NodeSpec } from "../onnx/build-model.js";

/** Numbers as a tensor: `[1, 2, 3]` is float32[3]; other shapes and types are made with `of`. */
export type Given = TensorData | number | readonly number[] | null;

/** A tensor of this type and shape, from numbers. */
export const of = (dtype: DType, dims: readonly number[], values: readonly number[]): TensorData =>
  encodeElements(dtype, dims, values);

/** A one-dimensional int64 tensor. */
export const ints = (...values: number[]): TensorData => of("int64", [values.length], values);

const tensorFrom = (given: Exclude<Given, null>): TensorData => {
  if (typeof given === "number") return of("float32", [], [given]);
  return "dtype" in given ? given : of("float32", [given.length], given);
};

export interface NodeCase {
  readonly op: string;
  readonly opset?: number;
  readonly domain?: string;
  readonly attributes?: Record<string, AttributeSpec>;
  readonly inputs: readonly Given[];
  /** Inputs that must be constants of the model where it is lowered. */
  readonly constant?: readonly number[];
  /** Inputs whose dims are not known where it is lowered. */
  readonly open?: readonly number[];
  readonly outputs?: number;
  /** Element type of the outputs, or of each, float32 unless it is given; only the rival asks for it. */
  readonly result?: DType | readonly DType[];
}

/** A model of one node, and its feeds by name; the inputs of the given numbers are initializers instead. */
export function modelBytes(
  node: NodeCase,
  isConstant: (input: number) => boolean,
): { bytes: Uint8Array; feeds: Map<string, TensorData> } {
  const tensors = node.inputs.map((given) => (given === null ? null : tensorFrom(given)));
  const name = (i: number) => (tensors[i] === null ? "" : `x${i}`);
  const present = tensors.flatMap((value, i) => (value === null ? [] : [{ value, i }]));
  const feeds = present.filter(({ i }) => !isConstant(i));
  const outputs = Array.from({ length: node.outputs ?? 1 }, (_, i) => `y${i}`);
  const dimsOf = ({ dims }: TensorData, i: number) => (node.open?.includes(i) ? dims.map(() => null) : dims);
  const spec: NodeSpec = {
    op: node.op,
    inputs: tensors.map((_, i) => name(i)),
    outputs,
    ...(node.domain !== undefined && { domain: node.domain }),
    ...(node.attributes !== undefined && { attributes: node.attributes }),
  };
  const bytes = buildModel({
    opset: node.domain === undefined ? (node.opset ?? 21) : { "": 21, [node.domain]: node.opset ?? 1 },
    inputs: Object.fromEntries(feeds.map(({ value, i }) => [name(i), [value.dtype, dimsOf(value, i)]])),
    initializers: Object.fromEntries(
      present.filter(({ i }) => isConstant(i)).map(({ value, i }) => [name(i), value]),
    ),
    outputs: Object.fromEntries(outputs.map((output, i) => [output, [resultType(node, i)]])),
    nodes: [spec],
  });
  return { bytes, feeds: new Map(feeds.map(({ value, i }) => [name(i), value])) };
}

function resultType({ result = "float32" }: NodeCase, i: number): DType {
  return typeof result === "string" ? result : result[i]!;
}

async function modelOf(
  node: NodeCase,
  isConstant: (input: number) => boolean,
): Promise<{ model: OnnxModel; feeds: Map<string, TensorData> }> {
  const { bytes, feeds } = modelBytes(node, isConstant);
  return { model: await decodeModel(bytes, { limits: defaultLimits }), feeds };
}

export async function graphOf(node: NodeCase, isConstant: (input: number) => boolean): Promise<Graph> {
  const { model } = await modelOf(node, isConstant);
  return importModel(model, { limits: defaultLimits });
}

/** Results by the `evaluate` facets alone. */
export async function evaluate(node: NodeCase): Promise<TensorData[]> {
  return evaluateGraph(await graphOf(node, () => true));
}

/** Computes every node of a graph without inputs. */
export function evaluateGraph(graph: Graph): TensorData[] {
  verifyGraph(graph, { operators: findOperator });
  for (const node of graph.nodes) {
    const results = evaluateNode(findOperator(node.operator)!, node);
    if (results === null) throw new Error(`${node.operator} cannot be evaluated`);
    for (const [i, result] of results.entries()) {
      if (node.outputs[i] !== undefined) node.outputs[i].constant = result;
    }
  }
  return graph.outputs.map(({ constant }) => constant!);
}

/** Results by lowering to loops and interpreting these. */
export async function interpret(node: NodeCase): Promise<TensorData[]> {
  const { model, feeds } = await modelOf(node, (i) => node.constant?.includes(i) ?? false);
  return interpretGraph(importModel(model, { limits: defaultLimits }), feeds);
}

export function interpretGraph(graph: Graph, feeds: ReadonlyMap<string, TensorData>): TensorData[] {
  verifyGraph(graph, { operators: findOperator });
  const program = shareKernels(
    lowerGraph(graph, {
      simd: true,
      fusedMultiplyAdd: false,
      threads: false,
      strict: false,
      choose: chooseByCost,
    }),
  );
  verifyProgram(program);
  const bytes = new Map(graph.inputs.map(({ name }) => [name, tensorBytes(feeds.get(name)!)]));
  return runProgram(program, bytes, undefined, symbolsOf(graph, feeds)).map(({ bytes: data, dims }, i) => {
    const { dtype } = graph.outputs[i]!;
    return tensor(dtype, dims, elementsOfBytes(dtype, elementCount(dims), data));
  });
}

/** What the dims of the inputs say of symbols. */
function symbolsOf(graph: Graph, feeds: ReadonlyMap<string, TensorData>): Map<string, number> {
  const symbols = new Map<string, number>();
  for (const { name, shape } of graph.inputs) {
    shape.forEach((dim, axis) => {
      for (const symbol of dimSymbols(dim)) symbols.set(symbol, feeds.get(name)!.dims[axis]!);
    });
  }
  return symbols;
}

export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Type and shape must be the same; elements may differ by the tolerance, and NaN is like NaN. */
export function expectTensor(actual: TensorData, expected: TensorData, tolerance: Tolerance = {}): void {
  expect(`${actual.dtype}[${actual.dims}]`).toBe(`${expected.dtype}[${expected.dims}]`);
  const { relative = 0, absolute = 0 } = tolerance;
  const [a, b] = [decodeElements(actual), decodeElements(expected)];
  const differs = (i: number) => {
    if (a[i] === b[i] || (Number.isNaN(a[i]) && Number.isNaN(b[i]))) return false;
    return !(Math.abs(a[i]! - b[i]!) <= absolute + relative * Math.abs(b[i]!));
  };
  const wrong = Array.from({ length: b.length }, (_, i) => i).find(differs);
  if (wrong !== undefined) {
    expect.fail(`element ${wrong} is ${a[wrong]}, not ${b[wrong]}: [${toNumbers(actual).slice(0, 24)}]`);
  }
}

/** Expects these results both ways. */
export async function expectResults(
  node: NodeCase,
  expected: readonly Exclude<Given, null>[],
  tolerance?: Tolerance,
): Promise<void> {
  const outputs = { ...node, outputs: expected.length };
  const evaluated = await evaluate(outputs);
  const interpreted = await interpret(outputs);
  expected.forEach((given, i) => {
    expectTensor(evaluated[i]!, tensorFrom(given), tolerance);
    expectTensor(interpreted[i]!, tensorFrom(given), tolerance);
  });
}
