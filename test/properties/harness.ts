/**
 * Properties of single operators: a random node is compiled twice, for the shapes it is fed and with every dim of its
 * inputs left open, and both modules must give what onnxruntime-web gives.
 *
 *     KILN_CASES=1000 KILN_SEED=7 npm run properties
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { KilnError } from "../../compiler/index.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { findOperator } from "../../compiler/operators/index.js";
import { expectTensors, runCompiled, runOnnxruntime, type Tensors } from "../harness.js";
import type { Tolerance } from "../harness-compare.js";
import { caseCount, sweep } from "../harness-random.js";
import { type AttributeSpec, buildModel, type ValueSpec } from "../onnx/build-model.js";

export interface PropertyCase {
  readonly op: string;
  /** Default: 17. */
  readonly opset?: number;
  readonly attributes?: Record<string, AttributeSpec>;
  /** Null for an input that is left out. */
  readonly inputs: readonly (TensorData | null)[];
  /** Inputs that are constants of the model; the others are fed. */
  readonly constants?: readonly number[];
  /** Inputs whose dims are never left open, as the number of their elements is part of what they say. */
  readonly closed?: readonly number[];
  /** Element type of each output. Default: one of float32. */
  readonly outputs?: readonly DType[];
}

export interface Property {
  /** The operators that it makes. */
  readonly operators: readonly string[];
  readonly cases: fc.Arbitrary<PropertyCase>;
  /** Share of the cases that may be refused with all dims open. Default: none. */
  readonly refused?: number;
  /** Share of the cases that onnxruntime-web may not take. Default: none. */
  readonly untaken?: number;
  readonly tolerance?: Tolerance;
}

const usualTolerance: Tolerance = { absolute: 2e-5, relative: 1e-4 };
const usualCases = 20;

/** Nothing for a case that is not compiled or not taken. */
type Outcome = "compared" | "refused" | "untaken";

export function property(name: string, { operators, cases, ...options }: Property): void {
  test(name, async () => {
    expect(operators.filter((operator) => findOperator(operator) === undefined)).toEqual([]);
    const counts: Record<Outcome, number> = { compared: 0, refused: 0, untaken: 0 };
    const check = async (one: PropertyCase) => {
      const outcome = await checkCase(one, options.tolerance ?? usualTolerance);
      counts[outcome]++;
    };
    await fc.assert(fc.asyncProperty(cases, check), sweep(usualCases));
    const total = counts.compared + counts.refused + counts.untaken;
    const { refused = 0, untaken = 0 } = options;
    expect(total, "cases that ran, the limit on time not met").toBeGreaterThanOrEqual(caseCount(usualCases));
    expect(counts.refused / total, `${counts.refused} of ${total} refused`).toBeLessThanOrEqual(refused);
    expect(counts.untaken / total, `${counts.untaken} of ${total} untaken`).toBeLessThanOrEqual(untaken);
  });
}

async function checkCase(one: PropertyCase, tolerance: Tolerance): Promise<Outcome> {
  const { model, feeds } = modelOf(one, false);
  const reference = await resultsOfRival(model, feeds);
  if (reference === null) return "untaken";
  expectTensors(await runCompiled(model, feeds), reference, tolerance, "fixed dims");
  try {
    expectTensors(await runCompiled(modelOf(one, true).model, feeds), reference, tolerance, "open dims");
  } catch (error) {
    if (error instanceof KilnError && error.code === "E_UNSUPPORTED") return "refused";
    throw error;
  }
  return "compared";
}

async function resultsOfRival(model: Uint8Array, feeds: Tensors): Promise<Tensors | null> {
  try {
    return await runOnnxruntime(model, feeds);
  } catch {
    return null;
  }
}

/** The bytes of the model and its feeds. Inputs are called x0, x1, ..., outputs y0, y1, ... */
function modelOf(one: PropertyCase, areOpen: boolean): { model: Uint8Array; feeds: Tensors } {
  const { op, opset = 17, attributes = {}, inputs, constants = [], closed = [], outputs = ["float32"] } = one;
  const given = inputs.flatMap((value, i) => (value === null ? [] : [{ name: `x${i}`, value, i }]));
  const fed = given.filter(({ i }) => !constants.includes(i));
  const kept = given.filter(({ i }) => constants.includes(i));
  const typeOf = ({ dtype, dims }: TensorData, name: string, isOpen: boolean): ValueSpec => [
    dtype,
    isOpen ? dims.map((_, axis) => `${name}_${axis}`) : dims,
  ];
  const model = buildModel({
    opset,
    inputs: Object.fromEntries(
      fed.map(({ name, value, i }) => [name, typeOf(value, name, areOpen && !closed.includes(i))]),
    ),
    initializers: Object.fromEntries(kept.map(({ name, value }) => [name, value])),
    outputs: Object.fromEntries(outputs.map((dtype, i) => [`y${i}`, [dtype]])),
    nodes: [
      {
        op,
        attributes,
        inputs: inputs.map((value, i) => (value === null ? "" : `x${i}`)),
        outputs: outputs.map((_, i) => `y${i}`),
      },
    ],
  });
  return { model, feeds: Object.fromEntries(fed.map(({ name, value }) => [name, value])) };
}
