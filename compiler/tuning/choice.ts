/** Decisions of lowering that a model of the cost makes, and that measurement can make better. */

export type ChoiceKind = "algorithm" | "tile";

/** Kinds in the order in which they are decided: an algorithm has tiles of its own. */
export const choiceKinds: readonly ChoiceKind[] = ["algorithm", "tile"];

export interface Choice {
  readonly kind: ChoiceKind;
  /** What is computed, with all that its time depends on: equal keys are one decision. */
  readonly key: string;
  /** What can be chosen, what the model of the cost takes first. */
  readonly candidates: readonly string[];
  /** Names of the model's nodes that are computed. */
  readonly nodes: readonly string[];
}

/** Makes a decision: one of the candidates. */
export type Choose = (choice: Choice) => string;

export const chooseByCost: Choose = ({ candidates }) => candidates[0]!;

/** The decisions as `choose` makes them, and where it makes none, or one that cannot be had, those of the cost. */
export function choosing(choose: (choice: Choice) => string | undefined): Choose {
  return (choice) => {
    const chosen = choose(choice);
    return chosen !== undefined && choice.candidates.includes(chosen) ? chosen : chooseByCost(choice);
  };
}
