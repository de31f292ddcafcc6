/** Pools of known tensors. */

import type { Dim } from "../ir/dim.js";
import { elementCount, forEachIndex, type TensorData } from "../ir/tensor.js";
import { decodeElements } from "./numbers.js";
import type { Window } from "./window.js";

/** What a window holds: the elements inside of the input, their numbers in it, and the taps that are not past the padding. */
export interface WindowElements {
  readonly values: readonly number[];
  readonly places: readonly number[];
  readonly padded: number;
}

/** Visits the windows of all results [N, C, ...window.out] in row-major order, with the number of each. */
export function forEachWindow(
  x: TensorData,
  window: Window,
  visit: (elements: WindowElements, at: number, channel: number) => void,
): void {
  const elements = decodeElements(x);
  const spatial = x.dims.slice(2);
  const [kernel, before, after, out] = [window.kernel, window.before, window.after, window.out].map(known);
  const size = elementCount(spatial);
  forEachIndex([x.dims[0]! * x.dims[1]!, ...out!], ([channel, ...index], at) => {
    const places: number[] = [];
    let padded = 0;
    forEachIndex(kernel!, (tap) => {
      const place = tap.map(
        (k, i) => index[i]! * window.strides[i]! + k * window.dilations[i]! - before![i]!,
      );
      if (place.every((p, i) => p < spatial[i]! + after![i]!)) padded++;
      if (place.every((p, i) => p >= 0 && p < spatial[i]!)) {
        places.push(place.reduce((sum, p, i) => sum * spatial[i]! + p, 0));
      }
    });
    const values = places.map((place) => elements[channel! * size + place]!);
    visit({ values, places, padded }, at, channel!);
  });
}

const known = (dims: readonly Dim[]): number[] => dims as number[]; // evaluation has static shapes only
