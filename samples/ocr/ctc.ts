/**
 * Decoding of Connectionist Temporal Classification (Graves et al. 2006): the network says for each step along a
 * line which character is there, or none (the blank, class 0).
 */

export const blank = 0;

/**
 * A space is written between two characters when the network gives it this probability anywhere between them. It
 * seldom wins against the blank beside Chinese characters, after punctuation and around digits, since the network
 * learnt from texts with few spaces there. On twelve pages of random words, dates and prices that are not among
 * the sample pictures (1943 characters), 112 errors at a threshold of 0.5 became 18.
 */
const spaceThreshold = 0.02;

/** What the network says of one step. */
export interface Step {
  /** The class with the highest probability. */
  label: number;
  probability: number;
  blankProbability: number;
  spaceProbability: number;
}

/** The best class of each step, from probabilities of [steps, classes], where the last class is the space. */
export function bestSteps(probabilities: Float32Array, classes: number): Step[] {
  const steps: Step[] = [];
  for (let start = 0; start < probabilities.length; start += classes) {
    let label = 0;
    for (let index = 1; index < classes; index++) {
      if (probabilities[start + index]! > probabilities[start + label]!) label = index;
    }
    steps.push({
      label,
      probability: probabilities[start + label]!,
      blankProbability: probabilities[start + blank]!,
      spaceProbability: probabilities[start + classes - 1]!,
    });
  }
  return steps;
}

/**
 * Greedy decoding: runs of one class count once and blanks not at all, so a doubled letter is two runs with a
 * blank between them. The confidence is the mean probability of the characters without spaces, 0 if there are
 * none.
 */
export function greedyDecode(
  steps: readonly Step[],
  alphabet: readonly string[],
): { text: string; confidence: number } {
  const space = alphabet.length - 1;
  let text = "";
  let characters = 0;
  let total = 0;
  let spaceSeen = 0;
  for (const [index, { label, probability, spaceProbability }] of steps.entries()) {
    if (label === blank || label === space) spaceSeen = Math.max(spaceSeen, spaceProbability);
    else if (label !== steps[index - 1]?.label) {
      if (characters > 0 && spaceSeen >= spaceThreshold) text += " ";
      text += alphabet[label]!;
      characters++;
      total += probability;
      spaceSeen = 0;
    }
  }
  return { text, confidence: characters === 0 ? 0 : total / characters };
}

/**
 * Joins the steps of two windows on one line, where `second` begins at step `offset` of `first` and they overlap.
 * The seam is where both are surest that no character is, in the middle half of the overlap: near the end of a
 * window a character may be cut.
 */
export function joinWindows(first: readonly Step[], second: readonly Step[], offset: number): Step[] {
  const overlap = first.length - offset;
  const margin = Math.floor(overlap / 4);
  let seam = offset + margin;
  let surest = -1;
  for (let at = offset + margin; at < first.length - margin; at++) {
    const sure = first[at]!.blankProbability * second[at - offset]!.blankProbability;
    if (sure > surest) {
      surest = sure;
      seam = at;
    }
  }
  return [...first.slice(0, seam), ...second.slice(seam - offset)];
}
