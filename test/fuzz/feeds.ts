/** Feeds for any model: open dims are a few elements long, and numbers are small, as indices and sizes are. */

import { arrayTypes, bytesOf } from "../../runtime/elements.js";
import type { Feed, Model } from "../../runtime/index.js";

const mostElements = 2 ** 20;

/** Null where they would be large. */
export function makeFeeds(model: Model, next: () => number): Record<string, Feed> | null {
  const sizes = new Map<string, number>();
  const sizeOf = (dim: number | string): number => {
    if (typeof dim === "number") return dim;
    if (!sizes.has(dim)) sizes.set(dim, Math.floor(next() * 6));
    return sizes.get(dim)!;
  };
  const shapes = model.inputs.map(({ dims }) => dims.map(sizeOf));
  const counts = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
  if (counts.some((count) => count > mostElements)) return null;
  return Object.fromEntries(
    model.inputs.map(({ name, type }, i) => {
      const [shape, count] = [shapes[i]!, counts[i]!];
      const bytes = new ArrayBuffer(bytesOf(type, count));
      const data = new (arrayTypes.get(type)!)(bytes);
      for (let at = 0; at < data.length; at++) {
        const value = type === "bool" ? Math.floor(next() * 2) : Math.floor(next() * 8) - 2;
        data[at] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : value;
      }
      return [name, { type, data, dims: shape } as Feed];
    }),
  );
}
