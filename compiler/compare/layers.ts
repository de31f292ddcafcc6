/** Where the results of two engines part. */

import type { Results } from "../bench/engines.js";
import { compareElements } from "./elements.js";
import type { Intermediate } from "./outline.js";

export interface Tolerances {
  /** Largest difference, of integers too; those must be equal where it is not given. */
  readonly absolute: number | undefined;
  /** Of floating-point numbers: relative to the largest magnitude of the value. */
  readonly relative: number;
}

export interface LayerDifference extends Omit<Intermediate, "around"> {
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

/** By layer, in the order of the model, without those that neither engine has computed. */
export function compareLayers(
  layers: readonly Intermediate[],
  results: Results,
  reference: Results,
  tolerances: Tolerances,
): LayerDifference[] {
  return layers.flatMap(({ around, ...layer }): LayerDifference[] => {
    const [actual, expected] = [results[layer.value], reference[layer.value]];
    const missing = { ...layer, dims: expected?.dims ?? [], absolute: 0, relative: 0, at: 0, parts: true };
    if (actual === undefined || expected === undefined) {
      const reason = `${actual === undefined ? "Kiln" : "the other engine"} gives no such result`;
      return [{ ...missing, reason }];
    }
    const [isComputed, isExpected] = [actual, expected].map(
      (one) => !one.dims.slice(0, around.length).includes(0),
    );
    if (isComputed !== isExpected) {
      return [{ ...missing, reason: `only ${isComputed ? "Kiln" : "the other engine"} computes it` }];
    }
    if (!isComputed) return [];
    const [dims, wanted] = [actual, expected].map((one) =>
      one.dims.filter((_, i) => around[i]?.kind !== "branch"),
    );
    if (`${dims}` !== `${wanted}`) {
      return [{ ...missing, dims: wanted!, reason: `its shape is [${dims}], not [${wanted}]` }];
    }
    return [{ ...layer, dims: wanted!, ...compare(actual.data, expected.data, tolerances) }];
  });
}

/** The bodies of which the run has computed nothing: branches that are not taken, and loops without a pass. */
export function bodiesNotEntered(layers: readonly Intermediate[], results: Results): Set<string> {
  const [all, entered] = [new Set<string>(), new Set<string>()];
  for (const { value, around } of layers) {
    const dims = results[value]?.dims ?? [];
    around.forEach(({ body }, i) => {
      all.add(body);
      if (!dims.slice(0, i + 1).includes(0)) entered.add(body);
    });
  }
  return new Set([...all].filter((body) => !entered.has(body)));
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
