/** How far the elements of two tensors are apart. */

export interface ElementDifference {
  /** Largest difference of two elements; infinite where one is NaN and the other is not. */
  readonly difference: number;
  /** Largest finite magnitude that is expected. */
  readonly scale: number;
  /** The difference over the scale. */
  readonly relative: number;
  /** Place of the element that differs most. */
  readonly at: number;
}

type Elements = ArrayLike<number | bigint>;

export function compareElements(actual: Elements, expected: Elements): ElementDifference {
  let [difference, scale, at] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    const wanted = Number(b);
    if (Number.isFinite(wanted)) scale = Math.max(scale, Math.abs(wanted));
    if (a === b || Object.is(a, b)) continue;
    const distance = Math.abs(Number(a) - wanted);
    // Large 64-bit integers may differ and yet be the same number; a NaN differs from all else.
    const found = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance || Number.MIN_VALUE;
    if (found <= difference) continue;
    difference = found;
    at = i;
  }
  return { difference, scale, relative: difference === 0 ? 0 : difference / scale, at };
}
