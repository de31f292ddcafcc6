/** A list of many lines of the same height, of which only those in view are elements. */

import { element } from "./dom.js";

export interface Line {
  readonly text: string;
  readonly kind?: "added" | "removed" | "gap" | undefined;
}

const height = 18;
const margin = 20;

export class LineList {
  readonly root = element("div", { class: "lines", tabindex: 0, role: "region" });
  private readonly inner = element("div", { class: "lines-inner" });
  private lines: readonly Line[] = [];
  private shown = "";

  constructor(label: string) {
    this.root.setAttribute("aria-label", label);
    this.root.append(this.inner);
    this.root.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  show(lines: readonly Line[]): void {
    this.lines = lines;
    const longest = lines.reduce((most, { text }) => Math.max(most, text.length), 0);
    this.inner.style.height = `${lines.length * height}px`;
    this.inner.style.minWidth = `calc(${Math.min(longest, 20000) + 4}ch + 1rem)`;
    this.shown = "";
    this.root.scrollTop = 0;
    this.draw();
  }

  /** Brings the next line with this text, from the one at the top on, into view. */
  find(text: string): boolean {
    const wanted = text.toLowerCase();
    const from = Math.floor(this.root.scrollTop / height) + 1;
    const { length } = this.lines;
    for (let i = 0; i < length; i++) {
      const at = (from + i) % length;
      if (!this.lines[at]!.text.toLowerCase().includes(wanted)) continue;
      this.root.scrollTop = at * height;
      return true;
    }
    return false;
  }

  private draw(): void {
    const { scrollTop, clientHeight } = this.root;
    const first = Math.max(0, Math.floor(scrollTop / height) - margin);
    const last = Math.min(this.lines.length, Math.ceil((scrollTop + clientHeight) / height) + margin);
    const range = `${first}-${last}`;
    if (range === this.shown) return;
    this.shown = range;
    this.inner.replaceChildren(
      ...this.lines.slice(first, last).map(({ text, kind }, i) => {
        const line = element("div", { class: `line ${kind ?? ""}` }, text || " ");
        line.style.top = `${(first + i) * height}px`;
        return line;
      }),
    );
  }
}
