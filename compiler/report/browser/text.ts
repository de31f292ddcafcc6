/** The IR after a stage as text, and what differs between any two stages. */

import { element } from "./dom.js";
import { type Line, LineList } from "./list.js";
import { data, textOf } from "./state.js";

interface Change {
  readonly value: string[];
  readonly added?: boolean;
  readonly removed?: boolean;
}

/** jsdiff, which the page carries. */
declare const Diff: {
  diffArrays(a: string[], b: string[], options: { timeout: number }): Change[] | undefined;
};

const context = 3;

export class TextView {
  private readonly list = new LineList("IR");
  private readonly from = this.choice("From");
  private readonly to = this.choice("To");
  private readonly note = element("p", { class: "note", role: "status" });
  private readonly whole = element("input", { type: "checkbox", onchange: () => this.draw() });
  readonly root: HTMLElement;

  constructor() {
    const bar = element(
      "div",
      { class: "bar" },
      element("label", {}, "From ", this.from),
      element("label", {}, "to ", this.to),
      element("label", {}, this.whole, " Whole text"),
      this.note,
    );
    this.root = element("div", { class: "text" }, bar, this.list.root);
  }

  /** What the stage has changed. */
  show(stage: number): void {
    this.to.value = String(stage);
    this.from.value = String(Math.max(0, stage - 1));
    this.draw();
  }

  find(text: string): boolean {
    return this.list.find(text);
  }

  private choice(label: string): HTMLSelectElement {
    const select = element("select", { "aria-label": label, onchange: () => this.draw() });
    data.stages.forEach(({ name }, i) => {
      select.append(element("option", { value: i }, `${i} ${name}`));
    });
    return select;
  }

  private draw(): void {
    const [from, to] = [Number(this.from.value), Number(this.to.value)];
    const after = stageText(to);
    if (from === to) {
      this.note.textContent = `${after.length} lines`;
      this.list.show(after.map((text) => ({ text: `  ${text}` })));
      return;
    }
    const changes = Diff.diffArrays(stageText(from), after, { timeout: 3000 });
    if (changes === undefined) {
      this.note.textContent = "too different to compare; the text after is shown";
      this.list.show(after.map((text) => ({ text: `  ${text}` })));
      return;
    }
    const total = (key: "added" | "removed") =>
      changes.reduce((sum, change) => sum + (change[key] ? change.value.length : 0), 0);
    this.note.textContent = `+${total("added")} −${total("removed")} lines`;
    this.list.show(linesOf(changes, this.whole.checked));
  }
}

/** The text after a stage, which may be that of an earlier one. */
function stageText(stage: number): string[] {
  for (let i = stage; i >= 0; i--) {
    const { text } = data.stages[i]!;
    if (text !== null) return textOf(text);
  }
  return [];
}

function linesOf(changes: readonly Change[], isWhole: boolean): Line[] {
  return changes.flatMap(({ value, added, removed }, i): Line[] => {
    const kind = added ? "added" : removed ? "removed" : undefined;
    const sign = added ? "+ " : removed ? "- " : "  ";
    const lines = value.map((text): Line => ({ text: sign + text, kind }));
    if (isWhole || kind !== undefined) return lines;
    const before = i === 0 ? 0 : context;
    const after = i === changes.length - 1 ? 0 : context;
    const hidden = lines.length - before - after;
    if (hidden <= 1) return lines;
    const gap: Line = { text: `  ⋯ ${hidden} lines that are the same`, kind: "gap" };
    return [...lines.slice(0, before), gap, ...lines.slice(lines.length - after)];
  });
}
