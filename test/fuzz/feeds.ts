/** Feeds for any model: open dims are a few elements long, and numbers are small, as indices and sizes are. */

import { arrayTypes, bytesOf } from "../../runtime/elements.js";
import type { Feed, Model } from "../../runtime/index.js";

export function makeFeeds(model: Model, next: () => number): Record<string, Feed> {
  const sizes = new Map<string, number>();
  const sizeOf = (dim: number | string): number => {
    if (typeof dim === "number") return dim;
    if (!sizes.has(dim)) sizes.set(dim, Math.floor(next() * 6));
    return sizes.get(dim)!;
  };
  return Object.fromEntries(
    model.inputs.map(({ name, type, dims }) => {
      const shape = dims.map(sizeOf);
      const count = shape.reduce((product, size) => product * size, 1);
      const bytes = new ArrayBuffer(bytesOf(type, count));
      const data = new (arrayTypes.get(type)!)(bytes);
      for (let i = 0; i < data.length; i++) {
        const value = type === "bool" ? Math.floor(next() * 2) : Math.floor(next() * 8) - 2;
        data[i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : value;
      }
      return [name, { type, data, dims: shape } as Feed];
    }),
  );
}
