/** Moving lanes of 32 bits between two vectors, as transposing and summing across lanes do. */

import { shuffle } from "./builder.js";
import type { Expr } from "./ir.js";

/** A shuffle that takes these lanes, those of the second vector from 4 on. */
function mover(...lanes: readonly number[]): (a: Expr, b: Expr) => Expr {
  const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
  return (a, b) => shuffle(a, b, bytes);
}

/** The lower two lanes of each, and the upper two, in turn. */
export const lowLanes = mover(0, 4, 1, 5);
export const highLanes = mover(2, 6, 3, 7);

/** The lower halves one after the other, and the upper ones. */
export const lowHalves = mover(0, 1, 4, 5);
export const highHalves = mover(2, 3, 6, 7);
