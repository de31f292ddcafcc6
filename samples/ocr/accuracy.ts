/** Levenshtein distance: the fewest insertions, deletions and replacements of characters that make b of a. */
export function editDistance(a: string, b: string): number {
  const from = [...a];
  const to = [...b];
  let row = to.map((_, index) => index + 1);
  for (const [i, character] of from.entries()) {
    const next: number[] = [];
    for (const [j, other] of to.entries()) {
      const replaced = (j === 0 ? i : row[j - 1]!) + (character === other ? 0 : 1);
      const deleted = row[j]! + 1;
      const inserted = (j === 0 ? i + 1 : next[j - 1]!) + 1;
      next.push(Math.min(replaced, deleted, inserted));
    }
    row = next;
  }
  return row.at(-1) ?? from.length;
}

/** Characters of the expected text, and how many edits away what was read is. Line breaks count as characters. */
export function compareText(expected: readonly string[], read: readonly string[]) {
  const text = expected.join("\n");
  return { characters: [...text].length, errors: editDistance(text, read.join("\n")) };
}
