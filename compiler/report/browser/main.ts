/** The page: passes on the left, what is looked at on the right, what is selected below. */

import { detailsPanel, hide } from "./details.js";
import { element } from "./dom.js";
import { time } from "./format.js";
import { GraphView } from "./graph.js";
import { kernelsView } from "./kernels.js";
import { memoryView } from "./memory.js";
import { sizesView } from "./sizes.js";
import { actions, callsOf, data } from "./state.js";
import { TextView } from "./text.js";

const graph = new GraphView();
const text = new TextView();
const tabs: Readonly<Record<string, HTMLElement>> = {
  Graph: graph.root,
  Text: text.root,
  Kernels: kernelsView(),
  Memory: memoryView(),
  Sizes: sizesView(),
};
const names = Object.keys(tabs);
let stage = 0;
let tab = "Graph";

const search = element("input", {
  type: "search",
  placeholder: "Search   /",
  "aria-label": "Search nodes and kernels",
});
const results = element("ul", { class: "results", hidden: true });
const passes = element("ol", { class: "passes" });
const tabButtons = names.map((name, i) =>
  element(
    "button",
    {
      type: "button",
      role: "tab",
      id: `tab-${name}`,
      title: `${name} (${i + 1})`,
      onclick: () => showTab(name),
    },
    name,
  ),
);

function showTab(name: string): void {
  tab = name;
  for (const button of tabButtons) {
    const isShown = button.textContent === name;
    button.setAttribute("aria-selected", String(isShown));
    button.tabIndex = isShown ? 0 : -1;
  }
  for (const [one, view] of Object.entries(tabs)) view.hidden = one !== name;
  if (name === "Graph") graph.show(stage);
  if (name === "Text") text.show(stage);
}

function showStage(index: number): void {
  stage = index;
  passes.querySelectorAll("button").forEach((button) => {
    button.setAttribute("aria-current", String(Number(button.dataset.stage) === index));
  });
  if (tab === "Graph" && data.stages[index]!.ir === "graph") graph.show(stage);
  else showTab("Text");
}

function listPasses(isAll: boolean): void {
  const shown = data.stages.map((one, i) => ({ ...one, i })).filter(({ text }) => isAll || text !== null);
  passes.replaceChildren(
    ...shown.map(({ name, ms, nodes, ir, text, i }) => {
      const facts = `${nodes} ${ir === "graph" ? "nodes" : "calls"}, ${time(ms)}`;
      const button = element(
        "button",
        { type: "button", "data-stage": i, class: text === null ? "same" : "", onclick: () => showStage(i) },
        element("b", {}, name),
        element("span", {}, facts),
      );
      button.setAttribute("aria-current", String(i === stage));
      return element("li", {}, button);
    }),
  );
}

interface Found {
  readonly name: string;
  readonly kind: string;
  readonly act: () => void;
}

function find(): void {
  const wanted = search.value.trim();
  const nodes = wanted === "" ? [] : graph.matches(wanted);
  const kernels = data.kernels.filter(
    ({ name }) => wanted !== "" && name.toLowerCase().includes(wanted.toLowerCase()),
  );
  const found: Found[] = [
    ...nodes.map((place) => ({
      ...{ name: graph.titleOf(place), kind: graph.sourceOf(place) || "node" },
      act: () => {
        showTab("Graph");
        graph.select(place);
      },
    })),
    ...kernels.map(({ name }) => {
      return { name, kind: "kernel", act: () => actions.showCalls(name, callsOf(name), null) };
    }),
  ];
  const most = 30;
  results.hidden = wanted === "";
  const items = found.slice(0, most).map(({ name, kind, act }) => {
    const choose = () => {
      results.hidden = true;
      act();
    };
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", onclick: choose },
        element("b", {}, name),
        element("span", {}, kind),
      ),
    );
  });
  const rest =
    found.length === 0 ? "nothing found" : found.length > most ? `${found.length - most} more` : "";
  results.replaceChildren(...items, ...(rest === "" ? [] : [element("li", { class: "note" }, rest)]));
}

function onKey(event: KeyboardEvent): void {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key === "Escape") {
    results.hidden = true;
    if (document.activeElement === search) search.blur();
    else hide();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const number = Number(event.key);
  if (event.key === "/") {
    event.preventDefault();
    search.focus();
  } else if (number >= 1 && number <= names.length) showTab(names[number - 1]!);
  else if (event.key === "e" && tab === "Graph") graph.toggleAll();
  else if (event.key === "n" && tab === "Graph") graph.nextDifference();
  else if (event.key === "[" || event.key === "]") step(event.key === "]" ? 1 : -1);
}

/** To the next stage in the list. */
function step(by: number): void {
  const shown = Array.from(passes.querySelectorAll("button")).map((button) => Number(button.dataset.stage));
  const at = shown.indexOf(stage);
  showStage(shown[Math.min(shown.length - 1, Math.max(0, at + by))] ?? stage);
}

function toggleTheme(): void {
  const isDark = getComputedStyle(document.documentElement).colorScheme.trim() === "dark";
  document.documentElement.dataset.theme = isDark ? "light" : "dark";
}

function build(): void {
  document.title = `${data.name} · Kiln report`;
  const isAll = element("input", { type: "checkbox", onchange: () => listPasses(isAll.checked) });
  const theme = element(
    "button",
    { type: "button", onclick: toggleTheme, title: "Light or dark", "aria-label": "Light or dark" },
    "◐",
  );
  const facts = data.facts.map(([what, value]) =>
    element("div", {}, element("dt", {}, what), element("dd", {}, value)),
  );
  const tabList = element("nav", { role: "tablist", "aria-label": "Views" }, ...tabButtons);
  const aside = element(
    "details",
    { class: "side" },
    element("summary", {}, "Passes"),
    element("label", {}, isAll, " Unchanged ones, too"),
    passes,
    element(
      "p",
      { class: "note keys" },
      "/ search · 1–5 views · [ ] passes · arrows nodes · e expand · n next difference · Esc close",
    ),
  );
  aside.open = window.matchMedia("(min-width: 760px)").matches;
  const head = element("header", { class: "top" }, element("h1", {}, data.name), element("dl", {}, ...facts));
  head.append(element("div", { class: "find" }, search, results), theme);
  const main = element("main", {}, tabList, ...Object.values(tabs));
  document.body.append(head, element("div", { class: "body" }, aside, main), detailsPanel());
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") results.querySelector("button")?.click();
    if (event.key === "ArrowDown") results.querySelector("button")?.focus();
  });
  document.addEventListener("keydown", onKey);
  // The last graph is what was lowered: the one that people come for.
  stage = data.stages.findLastIndex(({ graph }) => graph !== null);
  listPasses(false);
  showTab("Graph");
}

build();
