/** The graph after a stage. Only what is in view is drawn, so that thousands of nodes scroll as well as ten. */

import type { GraphData, NodeData } from "../data.js";
import { compareGraphs, type Difference } from "./difference.js";
import { element, svg } from "./dom.js";
import { type Layout, layoutGraph } from "./layout.js";
import { classOf, shortened, sourceText, titleOf, tooltipOf } from "./node-text.js";
import { actions, data, sumOf } from "./state.js";

const lineHeight = 16;
const margin = 300;
const measures = { kind: "kind", flops: "FLOPs", bytes: "bytes", ms: "time" } as const;
type Measure = keyof typeof measures;
/** Below this, nobody can read what is written on nodes. */
const legibleZoom = 0.35;

export class GraphView {
  private readonly canvas = svg("svg", { role: "group", "aria-label": "Graph" });
  private readonly scroller = element("div", { class: "scroller", tabindex: -1 }, this.canvas);
  private readonly note = element("p", { class: "note" });
  readonly root: HTMLElement;
  private graph: GraphData = { nodes: [], edges: [] };
  private differences: ReadonlyMap<number, Difference> = new Map();
  private stage = 0;
  /** What is drawn: the places of two stages, so that it is made once. */
  private drawn = "";
  private readonly against: HTMLSelectElement;
  private readonly next: HTMLButtonElement;
  private layout: Layout = { boxes: [], paths: [], width: 0, height: 0 };
  private readonly expanded = new Set<number>();
  private selected = -1;
  private zoom = 1;
  private measure: Measure = data.profile === null ? "kind" : "ms";
  private pending = false;

  constructor() {
    const colour = element("select", {
      "aria-label": "Colour by",
      onchange: () => this.recolour(colour.value),
    });
    for (const [value, text] of Object.entries(measures)) {
      if (value === "ms" && data.profile === null) continue;
      colour.append(element("option", { value, selected: value === this.measure }, text));
    }
    const button = (text: string, label: string, act: () => void) =>
      element("button", { type: "button", title: label, "aria-label": label, onclick: act }, text);
    this.against = element("select", { "aria-label": "Compare with", onchange: () => this.show(this.stage) });
    this.against.append(
      element("option", { value: "" }, "nothing"),
      element("option", { value: "-1" }, "the stage before"),
    );
    data.stages.forEach(({ name, graph }, i) => {
      if (graph !== null) this.against.append(element("option", { value: i }, `${i} ${name}`));
    });
    this.next = button("Next", "To the next node that differs (n)", () => this.nextDifference());
    const bar = element(
      "div",
      { class: "bar" },
      element("label", {}, "Colour by ", colour),
      element("label", {}, "Compare with ", this.against),
      this.next,
      button("−", "Smaller", () => this.scale(1 / 1.25)),
      button("+", "Larger", () => this.scale(1.25)),
      button("Fit", "Fit the width", () => this.fit()),
      button("Expand", "Show what fused groups are made of (e)", () => this.toggleAll()),
      this.note,
    );
    this.root = element("div", { class: "graph" }, bar, this.scroller);
    this.scroller.addEventListener("scroll", () => this.drawSoon());
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.scroller.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.scale(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      },
      { passive: false },
    );
    new ResizeObserver(() => this.drawSoon()).observe(this.scroller);
  }

  /** The graph as it is after the stage: the last one that changed it. */
  show(stage: number): void {
    this.stage = stage;
    const to = graphStage(stage);
    const { value } = this.against;
    const from = value === "" ? -1 : value === "-1" ? graphStage(to - 1) : Number(value);
    this.next.hidden = from < 0;
    if (this.drawn !== `${from} ${to}`) this.put(from, to);
    this.draw();
  }

  private put(from: number, to: number): void {
    this.drawn = `${from} ${to}`;
    const { name, nodes, graph } = data.stages[to]!;
    const before = data.stages[from]?.graph ?? null;
    const { graph: shown, differences } =
      before === null ? { graph: graph!, differences: new Map() } : compareGraphs(before, graph!);
    this.graph = shown;
    this.differences = differences;
    const counted = { added: 0, removed: 0, changed: 0 };
    for (const { kind } of this.differences.values()) counted[kind]++;
    const { added, removed, changed } = counted;
    this.note.textContent =
      before === null
        ? `after ${name}: ${nodes} nodes`
        : `after ${name}, against ${data.stages[from]!.name}: ${added} added, ${removed} removed, ${changed} changed`;
    this.expanded.clear();
    this.selected = -1;
    this.place();
    this.resize();
    this.scroller.scrollTop = 0;
    const first = this.layout.boxes[0];
    const middle = first === undefined ? 0 : (first.x + first.width / 2) * this.zoom;
    this.scroller.scrollLeft = middle - this.scroller.clientWidth / 2;
  }

  /** Selects the next node below that differs, from the top again behind the last. */
  nextDifference(): void {
    const places = [...this.differences.keys()].sort((a, b) => a - b);
    const place = places.find((one) => one > this.selected) ?? places[0];
    if (place !== undefined) this.select(place);
  }

  /** Places of the nodes that have this text in their operator, source or type. */
  matches(text: string): number[] {
    const wanted = text.toLowerCase();
    return this.graph.nodes.flatMap((node, i) => {
      const inner = node.inner.flatMap(({ operator, source }) => [operator, ...source]);
      const own = [node.operator, ...node.source, ...node.types, ...inner];
      return own.some((one) => one.toLowerCase().includes(wanted)) ? [i] : [];
    });
  }

  titleOf(place: number): string {
    return titleOf(this.graph.nodes[place]!);
  }

  sourceOf(place: number): string {
    return sourceText(this.graph.nodes[place]!.source);
  }

  select(place: number, reveal = true): void {
    const node = this.graph.nodes[place];
    if (node === undefined) return;
    this.selected = place;
    actions.showCalls(titleOf(node), node.calls, node, this.differences.get(place));
    const { x, y, width, height } = this.layout.boxes[place]!;
    if (reveal) {
      const { clientWidth, clientHeight } = this.scroller;
      this.scroller.scrollLeft = (x + width / 2) * this.zoom - clientWidth / 2;
      this.scroller.scrollTop = (y + height / 2) * this.zoom - clientHeight / 2;
    }
    this.draw();
    this.canvas.querySelector<SVGElement>(".selected")?.focus({ preventScroll: true });
  }

  toggleAll(): void {
    const fused = this.graph.nodes.flatMap(({ inner }, i) => (inner.length > 0 ? [i] : []));
    const isOpen = fused.every((place) => this.expanded.has(place));
    for (const place of fused) {
      if (isOpen) this.expanded.delete(place);
      else this.expanded.add(place);
    }
    this.place();
    this.draw();
  }

  private toggle(place: number): void {
    const before = this.layout.boxes[place]!.y;
    if (!this.expanded.delete(place)) this.expanded.add(place);
    this.place();
    this.resize();
    this.scroller.scrollTop += (this.layout.boxes[place]!.y - before) * this.zoom;
    this.draw();
  }

  private place(): void {
    const sizes = this.graph.nodes.map((node, i) => {
      const lines = this.linesOf(node, i);
      // Titles are bold, and leave room for the sign of a group.
      const widths = lines.map(({ length }, line) => (line === 0 ? 7.6 : 6.4) * length);
      return {
        width: Math.max(90, 24 + Math.max(...widths) + (node.inner.length > 0 ? 12 : 0)),
        height: 12 + lines.length * lineHeight,
      };
    });
    this.layout = layoutGraph(
      sizes,
      this.graph.edges.map(([from, to]) => [from, to]),
    );
  }

  private linesOf(node: NodeData, place: number): string[] {
    const first = shortened(titleOf(node));
    if (node.kind !== "node") return [first, shortened(node.types.join(", "))];
    if (!this.expanded.has(place)) return [first, shortened(sourceText(node.source))];
    return [
      first,
      ...node.inner.map(({ operator, source }) => shortened(`${operator}  ${sourceText(source)}`)),
    ];
  }

  private recolour(measure: string): void {
    this.measure = measure as Measure;
    this.draw();
  }

  fit(): void {
    this.zoom = Math.min(1, Math.max(0.1, (this.scroller.clientWidth - 16) / this.layout.width));
    this.draw();
  }

  private scale(factor: number): void {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.scroller;
    const before = this.zoom;
    this.zoom = Math.min(3, Math.max(0.1, before * factor));
    this.resize();
    const ratio = this.zoom / before;
    this.scroller.scrollLeft = (scrollLeft + clientWidth / 2) * ratio - clientWidth / 2;
    this.scroller.scrollTop = (scrollTop + clientHeight / 2) * ratio - clientHeight / 2;
    this.draw();
  }

  private drawSoon(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  private resize(): void {
    const { width, height } = this.layout;
    this.canvas.setAttribute("width", String(width * this.zoom));
    this.canvas.setAttribute("height", String(height * this.zoom));
    this.canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  private draw(): void {
    this.resize();
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.scroller;
    const left = scrollLeft / this.zoom - margin;
    const top = scrollTop / this.zoom - margin;
    const right = (scrollLeft + clientWidth) / this.zoom + margin;
    const bottom = (scrollTop + clientHeight) / this.zoom + margin;
    const edges = this.graph.edges.flatMap(([from, to, type], i) => {
      const path = this.layout.paths[i]!;
      if (path[0]![1] > bottom || path.at(-1)![1] < top) return [];
      if (path.every(([x]) => x < left) || path.every(([x]) => x > right)) return [];
      const isNear = from === this.selected || to === this.selected;
      const shape = svg("path", { d: curve(path, top, bottom), class: isNear ? "edge near" : "edge" });
      shape.append(svg("title", {}, type));
      return [shape];
    });
    const nodes = this.layout.boxes.flatMap(({ x, y, width, height }, i) => {
      const isOut = x > right || x + width < left || y > bottom || y + height < top;
      return isOut ? [] : [this.drawNode(i)];
    });
    const focused = document.activeElement?.getAttribute("data-place");
    this.canvas.replaceChildren(...edges, ...nodes);
    if (focused != null)
      this.canvas
        .querySelector<SVGElement>(`[data-place="${Number(focused)}"]`)
        ?.focus({ preventScroll: true });
  }

  private drawNode(place: number): SVGElement {
    const node = this.graph.nodes[place]!;
    const { x, y, width, height } = this.layout.boxes[place]!;
    const isSelected = place === this.selected;
    const difference = this.differences.get(place)?.kind ?? (this.differences.size > 0 ? "equal" : "");
    const group = svg("g", {
      class: `node ${isSelected ? "selected" : ""} ${classOf(node)} ${difference}`,
      transform: `translate(${x} ${y})`,
      tabindex: isSelected || (this.selected < 0 && place === 0) ? 0 : -1,
      role: "button",
      "data-place": place,
      "aria-label":
        `${titleOf(node)} ${sourceText(node.source)}${difference === "equal" ? "" : ` ${difference}`}`.trimEnd(),
      onclick: () => this.select(place, false),
      ondblclick: () => node.inner.length > 0 && this.toggle(place),
    });
    const box = svg("rect", { width, height, rx: node.kind === "node" ? 6 : height / 2 });
    const heat = difference === "" ? this.heatOf(node) : null;
    if (heat !== null) {
      group.classList.add("heated");
      box.style.setProperty("--heat", `${Math.round(heat * 100)}%`);
    }
    if (this.zoom < legibleZoom) {
      group.append(box);
      return group;
    }
    group.append(svg("title", {}, tooltipOf(node)), box);
    this.linesOf(node, place).forEach((line, i) => {
      const text = svg("text", { x: 10, y: 18 + i * lineHeight, class: i === 0 ? "title" : "sub" }, line);
      group.append(text);
    });
    if (node.inner.length > 0) {
      const sign = this.expanded.has(place) ? "▾" : "▸";
      const toggle = svg("text", { x: width - 14, y: 17, class: "toggle", "aria-hidden": true }, sign);
      toggle.addEventListener("click", (event) => {
        event.stopPropagation();
        this.toggle(place);
      });
      group.append(toggle);
    }
    return group;
  }

  /** From 0 to 1, as a share of the hottest node; null where nodes are coloured by what they are. */
  private heatOf(node: NodeData): number | null {
    const { measure } = this;
    if (measure === "kind" || node.kind !== "node") return null;
    const most = this.graph.nodes.reduce((hottest, { calls }) => Math.max(hottest, sumOf(calls, measure)), 0);
    return most === 0 ? 0 : sumOf(node.calls, measure) / most;
  }

  private key(event: KeyboardEvent): void {
    const place = Math.max(0, this.selected);
    const ends = { ArrowDown: [0, 1], ArrowUp: [1, 0] } as const;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const [own, other] = ends[event.key];
      const edge = this.graph.edges.find((one) => one[own] === place);
      event.preventDefault();
      if (edge !== undefined) this.select(edge[other]);
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      this.select(place + (event.key === "ArrowRight" ? 1 : -1));
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (this.selected === place && this.graph.nodes[place]!.inner.length > 0) this.toggle(place);
      else this.select(place);
    }
  }
}

/** The stage up to this one that changed the graph last. */
const graphStage = (stage: number): number =>
  data.stages.findLastIndex(({ graph }, i) => i <= stage && graph !== null);

/** Smooth from point to point; points far above or below what is in view are left out. */
function curve(points: readonly (readonly [number, number])[], top: number, bottom: number): string {
  const near = points.filter(([, y], i) => {
    const before = points[i - 1]?.[1] ?? y;
    const after = points[i + 1]?.[1] ?? y;
    return after >= top && before <= bottom;
  });
  let path = "";
  near.forEach(([x, y], i) => {
    if (i === 0) path = `M${x} ${y}`;
    else {
      const [fromX, fromY] = near[i - 1]!;
      const middle = (fromY + y) / 2;
      path += fromX === x ? `L${x} ${y}` : `C${fromX} ${middle} ${x} ${middle} ${x} ${y}`;
    }
  });
  return path;
}
