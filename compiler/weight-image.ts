/** The constants of a module as they lie in memory: as bytes, for a file of their own, and their digest. */

import type { MemoryPlan } from "../passes/memory/plan.js";

type PlannedWeights = Pick<MemoryPlan, "addresses" | "constants" | "weights">;

export function weightImage(plan: PlannedWeights): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(plan.weights.byteLength);
  for (const { offset, data } of pieces(plan)) image.set(data, offset);
  return image;
}

/**
 * SHA-256 of the image, in lower-case hexadecimal. Node's takes it piece by piece; the Web Crypto that browsers have needs
 * all of it, and copies that: of VGG-19's 575 MB each would be there twice more.
 */
export async function weightDigest(plan: PlannedWeights): Promise<string> {
  const node = globalThis.process?.getBuiltinModule?.("node:crypto");
  if (node === undefined) return hexadecimal(await crypto.subtle.digest("SHA-256", weightImage(plan)));
  const hash = node.createHash("sha256");
  let end = 0;
  const skipTo = (offset: number): void => {
    if (offset > end) hash.update(new Uint8Array(offset - end));
  };
  for (const { offset, data } of pieces(plan)) {
    skipTo(offset);
    hash.update(data);
    end = offset + data.byteLength;
  }
  skipTo(plan.weights.byteLength);
  return hash.digest("hex");
}

/** What lies where in the image, in that order; between them are zeros. */
const pieces = ({ addresses, constants, weights }: PlannedWeights) =>
  constants.map((buffer) => ({
    offset: addresses.get(buffer)! - weights.address,
    data: buffer.data ?? new Uint8Array(),
  }));

const hexadecimal = (digest: ArrayBuffer): string =>
  Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
