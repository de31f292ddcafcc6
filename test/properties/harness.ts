/**
 * Properties of single operators: a random node is compiled twice, for the shapes it is fed and with every dim of its
 * inputs left open, and both modules must give what onnxruntime-web gives.
 *
 *     KILN_CASES=1000 KILN_SEED=7 npm run properties
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
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
  readonly cases: fc.Arbitrary<PropertyCase>;
  readonly tolerance?: Tolerance;
}

const usualTolerance: Tolerance = { absolute: 2e-5, relative: 1e-4 };
const usualCases = 20;

export function property(name: string, { cases, tolerance = usualTolerance }: Property): void {
  test(name, async () => {
    let compared = 0;
    const check = async (one: PropertyCase) => {
      await checkCase(one, tolerance);
      compared++;
    };
    await fc.assert(fc.asyncProperty(cases, check), sweep(usualCases));
    expect(compared, "cases before the time was up").toBeGreaterThanOrEqual(caseCount(usualCases));
  });
}

async function checkCase(one: PropertyCase, tolerance: Tolerance): Promise<void> {
  const { model, feeds } = modelOf(one, false);
  const reference = await runOnnxruntime(model, feeds);
  expectTensors(await runCompiled(model, feeds), reference, tolerance, "fixed dims");
  expectTensors(await runCompiled(modelOf(one, true).model, feeds), reference, tolerance, "open dims");
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
