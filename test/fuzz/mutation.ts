/** What every mutator of a model's structure works on. */

import type { Random } from "./random.js";
import type { Seed } from "./seeds.js";
import { type Message, type MessageName, messagesOf } from "./wire.js";

export interface Mutation {
  readonly model: Message;
  readonly random: Random;
  readonly seed: Seed;
  /** Another seed, to take parts from. */
  readonly other: Message;
}

export type Mutator = (mutation: Mutation) => boolean;

/** One of the model's messages of this name. */
export function pickMessage({ model, random }: Mutation, ...names: MessageName[]): Message | undefined {
  const found = [...messagesOf(model)].filter(({ name }) => names.includes(name));
  return found.length === 0 ? undefined : random.pick(found);
}
