/** Where the results of two engines part. */

import type { Results } from "../bench/engines.js";
import { compareElements } from "./elements.js";
import type { Intermediate } from "./intermediates.js";

export interface Tolerances {
  /** Largest difference, of integers too; those must be equal where it is not given. */
  readonly absolute: number | undefined;
  /** Of floating-point numbers: relative to the largest magnitude of the value. */
  readonly relative: number;
}

export interface LayerDifference extends Intermediate {
  readonly dims: readonly number[];
  /** Largest difference of two elements, and the same relative to the value's largest magnitude. */
  readonly absolute: number;
  readonly relative: number;
  /** Place of the element that differs most. */
  readonly at: number;
  readonly parts: boolean;
  /** Where the two do not even have elements to compare. */
  readonly reason?: string;
}

/** By layer, in the order of the model. */
export function compareLayers(
  layers: readonly Intermediate[],
  results: Results,
  reference: Results,
  tolerances: Tolerances,
): LayerDifference[] {
  return layers.map((layer) => {
    const [actual, expected] = [results[layer.value], reference[layer.value]];
    const missing = { ...layer, dims: expected?.dims ?? [], absolute: 0, relative: 0, at: 0, parts: true };
    if (actual === undefined || expected === undefined) {
      return {
        ...missing,
        reason: `${actual === undefined ? "Kiln" : "the other engine"} gives no such result`,
      };
    }
    if (`${actual.dims}` !== `${expected.dims}`) {
      return { ...missing, reason: `its shape is [${actual.dims}], not [${expected.dims}]` };
    }
    return { ...layer, dims: expected.dims, ...compare(actual.data, expected.data, tolerances) };
  });
}

function compare(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
  { absolute, relative }: Tolerances,
): Pick<LayerDifference, "absolute" | "relative" | "at" | "parts"> {
  const { difference, scale, relative: ofScale, at } = compareElements(actual, expected);
  const isFloat = expected instanceof Float32Array || expected instanceof Float64Array;
  const allowed = isFloat ? (absolute ?? 1e-6) + relative * scale : (absolute ?? 0);
  return { absolute: difference, relative: ofScale, at, parts: difference > allowed };
}
