/** What is selected: its nodes, its work, and its kernel as Loop IR and as WebAssembly text, side by side. */

import type { NodeData } from "../data.js";
import type { Difference } from "./difference.js";
import { element } from "./dom.js";
import { bytes, count, percent, time } from "./format.js";
import { LineList } from "./list.js";
import { actions, data, sumOf, textOf } from "./state.js";

const loops = new LineList("Loop IR");
const wat = new LineList("WebAssembly text");
const heading = element("h2", {});
const facts = element("dl", { class: "facts" });
const choices = element("div", { class: "choices", role: "group", "aria-label": "Kernels of the node" });
const code = element(
  "div",
  { class: "code" },
  element("section", {}, element("h3", {}, "Loop IR"), loops.root),
  element("section", {}, element("h3", {}, "WebAssembly"), wat.root),
);

/** The panel; hidden until something is selected. */
export function detailsPanel(): HTMLElement {
  const close = element(
    "button",
    { type: "button", class: "close", "aria-label": "Close", onclick: hide },
    "×",
  );
  const panel = element("aside", { id: "details", hidden: true, "aria-label": "Selected node" });
  panel.append(element("header", {}, heading, close), facts, choices, code);
  actions.showCalls = (title, calls, node, difference) => {
    panel.hidden = false;
    heading.textContent = title;
    showFacts(calls, node, difference);
    showKernels(calls);
  };
  return panel;
}

export function hide(): void {
  document.getElementById("details")!.hidden = true;
}

function showFacts(calls: readonly number[], node: NodeData | null, difference?: Difference): void {
  const rows: [string, string][] = [];
  if (difference !== undefined) rows.push([difference.kind, differenceText(difference)]);
  const sources = node?.source ?? [...new Set(calls.flatMap((call) => data.calls[call]!.nodes))];
  if (sources.length > 0) rows.push(["nodes of the model", sources.join(", ")]);
  if (node !== null && node.inner.length > 0) {
    const parts = node.inner.map(({ operator, source }) => `${operator} (${source.join(", ")})`);
    rows.push(["fused", parts.join(" → ")]);
  }
  const others = new Set(node === null ? [] : calls.flatMap((call) => data.calls[call]!.nodes));
  for (const name of sources) others.delete(name);
  // Before they are fused, nodes show the work and the time of the group that they will be in.
  if (others.size > 0) rows.push(["computed together with", [...others].join(", ")]);
  const types = node?.types ?? data.calls[calls[0] ?? -1]?.outputs ?? [];
  if (types.length > 0) rows.push(["result", types.join(", ")]);
  if (node !== null && node.constants.length > 0) rows.push(["weights", node.constants.join(", ")]);
  if (calls.length > 0) {
    rows.push(["work", `${count(sumOf(calls, "flops"))} FLOP, ${bytes(sumOf(calls, "bytes"))} of tensors`]);
    rows.push([calls.length === 1 ? "call" : "calls", calls.join(", ")]);
  }
  const { profile } = data;
  const ms = sumOf(calls, "ms");
  if (profile !== null && calls.length > 0) {
    const speed =
      ms > 0 && sumOf(calls, "flops") > 0 ? `, ${(sumOf(calls, "flops") / ms / 1e6).toFixed(1)} GFLOP/s` : "";
    rows.push(["time", `${time(ms)}, ${percent(ms / (profile.kernelMs || 1))} of a run${speed}`]);
  }
  facts.replaceChildren(
    ...rows.flatMap(([what, value]) => [element("dt", {}, what), element("dd", {}, value)]),
  );
}

const differenceText = ({ kind, was }: Difference): string =>
  kind === "changed"
    ? `was ${was.join("; ")}`
    : kind === "added"
      ? "not there before"
      : "there before, and not any more";

function showKernels(calls: readonly number[]): void {
  const names = [...new Set(calls.map((call) => data.calls[call]!.kernel))];
  // The longest first: beside a convolution there are copies and borders.
  const weight = (name: string) => {
    const own = calls.filter((call) => data.calls[call]!.kernel === name);
    return sumOf(own, "ms") * 1e12 + sumOf(own, "flops") * 1e3 + sumOf(own, "bytes") / 1e3;
  };
  names.sort((a, b) => weight(b) - weight(a));
  const buttons = names.map((name) =>
    element("button", { type: "button", onclick: () => choose(name) }, name),
  );
  choices.replaceChildren(...buttons);
  code.hidden = names.length === 0;
  if (names.length === 0)
    choices.append("Nothing runs for it: it is folded, a view, or part of another kernel.");
  const choose = (name: string): void => {
    const kernel = data.kernels.find((one) => one.name === name);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
    loops.show(textOf(kernel?.loops ?? []).map((text) => ({ text })));
    wat.show(textOf(kernel?.wat ?? []).map((text) => ({ text })));
  };
  if (names.length > 0) choose(names[0]!);
}
