/** A fuzz case: a mutated model, by the seed and the number of the case alone. */

import type { CompileOptions } from "../../compiler/index.js";
import { mutateBytes } from "./mutate-bytes.js";
import { mutateStructure } from "./mutate-structure.js";
import { Random } from "./random.js";
import type { Seed } from "./seeds.js";
import { parseMessage, serialize } from "./wire.js";

export interface FuzzCase {
  readonly index: number;
  /** Name of the model that was mutated. */
  readonly origin: string;
  readonly model: Uint8Array;
  readonly options: CompileOptions;
  /** Whether the module is run as well, on made-up feeds. */
  readonly run: boolean;
}

/** Deeper models are made of copies of copies. */
const largestModel = 4 * 1024 * 1024;

export function makeCase(seeds: readonly Seed[], seed: number, index: number): FuzzCase {
  const random = new Random(seed, index);
  // The networks made for this are few, and have more in them.
  const chosen = random.chance(0.35) ? seeds[random.below(Math.min(13, seeds.length))]! : random.pick(seeds);
  const kind = random.below(10);
  let bytes = kind < 1 ? chosen.model : mutateMessages(chosen, random.pick(seeds), random);
  if (kind < 2) for (let i = random.below(3); i >= 0; i--) bytes = mutateBytes(bytes, random);
  const options: CompileOptions = {
    optimize: random.pick([0, 1, 2, 3, 3, 3, "s"] as const),
    verify: random.chance(0.5),
  };
  return { index, origin: chosen.name, model: bytes, options, run: random.chance(0.3) };
}

function mutateMessages(seed: Seed, otherSeed: Seed, random: Random): Uint8Array {
  const model = parseMessage(seed.model, "Model");
  const other = parseMessage(otherSeed.model, "Model");
  for (let i = random.pick([1, 1, 1, 2, 2, 3, 5]); i > 0; i--)
    mutateStructure({ model, random, seed, other });
  const bytes = serialize(model);
  return bytes.length > largestModel ? seed.model : bytes;
}
