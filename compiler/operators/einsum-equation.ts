/** Equations of Einsum: what the dims of each operand and of the result are called. */

export interface Equation {
  /** Labels of each operand's dims. Those that an ellipsis stands for are numbers, 0 for the last of them. */
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** @throws Error where the equation is not one for operands of these ranks */
export function parseEquation(text: string, ranks: readonly number[]): Equation {
  const [left, right, ...more] = text.replaceAll(/\s/g, "").split("->");
  if (more.length > 0) throw new Error("it has more than one arrow");
  const terms = left!.split(",");
  if (terms.length !== ranks.length)
    throw new Error(`it has ${terms.length} terms for ${ranks.length} inputs`);
  const operands = terms.map((term, i) => labelsOf(term, ranks[i]!));
  const broadcast = Math.max(...operands.map((labels) => labels.filter(isBroadcast).length));
  const result =
    right === undefined ? implicitResult(operands, broadcast) : explicitResult(right, operands, broadcast);
  return { operands, result };
}

export const isBroadcast = (label: string): boolean => /^\d+$/.test(label);

/** From the outermost of `count` broadcast dims to the last. */
const broadcastLabels = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${count - 1 - i}`);

/** The letters before and behind the ellipsis; null where there is none. */
function splitTerm(term: string): { before: string[]; behind: string[] | null } {
  const [before, behind, ...more] = term.split("...");
  const letters = [before, behind ?? ""].map((part) => [...part!]);
  if (more.length > 0) throw new Error(`"${term}" has more than one ellipsis`);
  const odd = letters.flat().find((letter) => !/[A-Za-z]/.test(letter));
  if (odd !== undefined) throw new Error(`"${odd}" is no label`);
  return { before: letters[0]!, behind: behind === undefined ? null : letters[1]! };
}

function labelsOf(term: string, rank: number): string[] {
  const { before, behind } = splitTerm(term);
  const count = rank - before.length - (behind?.length ?? 0);
  if (count < 0 || (behind === null && count > 0)) throw new Error(`"${term}" does not name ${rank} dims`);
  return behind === null ? before : [...before, ...broadcastLabels(count), ...behind];
}

function explicitResult(term: string, operands: Equation["operands"], broadcast: number): string[] {
  const { before, behind } = splitTerm(term);
  const labels = behind === null ? before : [...before, ...broadcastLabels(broadcast), ...behind];
  const unknown = labels.find((label) => !operands.some((operand) => operand.includes(label)));
  if (unknown !== undefined) throw new Error(`"${unknown}" is in the result only`);
  if (new Set(labels).size !== labels.length) throw new Error("the result names a dim twice");
  return labels;
}

/** What an equation without an arrow means: the letters that are there once, in the order of the alphabet. */
function implicitResult(operands: Equation["operands"], broadcast: number): string[] {
  const letters = operands.flat().filter((label) => !isBroadcast(label));
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  return [...broadcastLabels(broadcast), ...once.sort()];
}
