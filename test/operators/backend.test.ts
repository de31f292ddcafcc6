/**
 * The ONNX backend suite's single-operator cases, evaluated and interpreted, as far as their operators are declared.
 * Inputs that shapes depend on are made constants, since Kiln compiles for fixed shapes.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KilnError } from "../../compiler/diagnostics.js";
import type { Graph } from "../../compiler/ir/graph.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { checkModel, importModel } from "../../compiler/onnx/import.js";
import type { OnnxModel } from "../../compiler/onnx/model.js";
import { decodeTensorProto } from "../../compiler/onnx/tensor.js";
import { evaluateNode } from "../../compiler/operators/evaluate.js";
import { findOperator, qualifiedName } from "../../compiler/operators/index.js";
import { expectTensor, interpretGraph, type Tolerance } from "./harness.js";

const suite = join(import.meta.dirname, "../../../shared/onnx-backend/node");
const read = (path: string) => new Uint8Array(readFileSync(path));

/** Cases that are valid but not compiled, and why. A case that is listed and passes fails the test. */
const refused: readonly [RegExp, string][] = [
  [/training/, "training mode"],
  [/^test_resize_.*_antialias$/, "Resize with antialias where the size shrinks"],
  [/^test_pow_types_int.*_float32$/, "Pow of integers with exponents that are not known to be whole"],
];

/** Kernels of other files than those tested here say what they cannot do yet. */
const othersOperators = new Set([
  "Conv",
  "ConvTranspose",
  "MatMul",
  "Gemm",
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "Softmax",
  "LogSoftmax",
  "Concat",
]);
const isOthers = (operator: string) => othersOperators.has(operator) || operator.startsWith("Reduce");

const tolerances: Readonly<Partial<Record<string, Tolerance>>> = {
  float16: { relative: 1e-3, absolute: 1e-3 },
  bfloat16: { relative: 1e-2, absolute: 1e-2 },
};
const usual: Tolerance = { relative: 1e-4, absolute: 1e-6 };

interface Case {
  readonly model: OnnxModel;
  readonly inputs: readonly TensorData[];
  readonly outputs: readonly TensorData[];
}

/** The case, or null where it has types or operators that are not declared. */
async function loadCase(folder: string): Promise<Case | null> {
  try {
    const model = await decodeModel(read(join(folder, "model.onnx")), { limits: defaultLimits });
    const { inputs, outputs, nodes } = model.graph;
    const isDeclared = nodes.every(
      ({ domain, opType }) =>
        !isOthers(opType) &&
        (["Constant", "If"].includes(opType) || findOperator(qualifiedName(domain, opType)) !== undefined),
    );
    if (!isDeclared) return null;
    const tensors = (kind: string, count: number) =>
      Array.from({ length: count }, (_, i) =>
        decodeTensorProto(read(join(folder, `test_data_set_0/${kind}_${i}.pb`))),
      );
    return {
      model,
      inputs: tensors("input", inputs.length),
      outputs: tensors("output", outputs.length),
    };
  } catch (error) {
    if (error instanceof KilnError && (error.code === "E_UNSUPPORTED" || error.code === "E_LIMIT"))
      return null;
    throw error;
  }
}

/** The model with some of its inputs made constants. */
function withConstants({ model, inputs }: Case, isConstant: (i: number) => boolean): OnnxModel {
  const { graph } = model;
  const given = graph.inputs.flatMap(({ name }, i): [string, TensorData][] =>
    isConstant(i) ? [[name, inputs[i]!]] : [],
  );
  const kept = graph.inputs.filter((_, i) => !isConstant(i));
  return {
    ...model,
    graph: { ...graph, inputs: kept, initializers: new Map([...graph.initializers, ...given]) },
  };
}

function importWith(one: Case, isConstant: (i: number) => boolean): Graph {
  const model = withConstants(one, isConstant);
  const shapes = one.model.graph.inputs.flatMap(({ name }, i): [string, readonly number[]][] =>
    isConstant(i) ? [] : [[name, one.inputs[i]!.dims]],
  );
  return importModel(model, { inputShapes: Object.fromEntries(shapes), limits: defaultLimits });
}

/** As few constants as the operators need: none, or all but the first input. */
function importForRun(one: Case): Graph {
  for (const first of [0, 1]) {
    try {
      return importWith(one, (i) => first > 0 && i >= first);
    } catch (error) {
      if (!(error instanceof KilnError) || error.code !== "E_UNSUPPORTED") throw error;
    }
  }
  return importWith(one, () => true);
}

/** Computes all nodes; false where one is of an operator that others wrote, and has no evaluation. */
function evaluateAll(graph: Graph): boolean {
  for (const node of graph.nodes) {
    const results = evaluateNode(findOperator(node.operator)!, node, Number.POSITIVE_INFINITY);
    if (results === null) {
      if (isOthers(node.operator)) return false;
      throw new Error(`${node.operator} cannot be evaluated`);
    }
    for (const [i, output] of node.outputs.entries()) output.constant = results[i]!;
  }
  return true;
}

describe.skipIf(!existsSync(suite))("ONNX backend cases", () => {
  for (const name of existsSync(suite) ? readdirSync(suite).sort() : []) {
    test(name, async (context) => {
      const one = await loadCase(join(suite, name));
      if (one === null) return context.skip("has types or operators that are not declared");
      const refusal = refused.find(([pattern]) => pattern.test(name));
      if (refusal !== undefined) {
        const model = withConstants(one, () => true);
        expect(checkModel(model, { limits: defaultLimits }), refusal[1]).not.toEqual([]);
        return;
      }
      const compare = (results: readonly TensorData[]) => {
        one.outputs.forEach((expected, i) => {
          expectTensor(results[i]!, expected, tolerances[expected.dtype] ?? usual);
        });
      };
      const constant = importWith(one, () => true);
      if (evaluateAll(constant)) compare(constant.outputs.map((output) => output.constant!));
      const graph = importForRun(one);
      const feeds = one.model.graph.inputs.map(({ name: input }, i): [string, TensorData] => [
        input,
        one.inputs[i]!,
      ]);
      compare(interpretGraph(graph, new Map(feeds)));
    });
  }
});
