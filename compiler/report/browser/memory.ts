/** The memory plan as a picture: the calls across, addresses up. */

import type { BufferData } from "../data.js";
import { element, svg, table } from "./dom.js";
import { bytes } from "./format.js";
import { actions, data } from "./state.js";

const width = 1000;
const height = 420;

export function memoryView(): HTMLElement {
  const { arenaBytes, arenaLowerBound, unsharedBytes, weightBytes, memoryBytes, peak, isOpen, sizes } =
    data.memory;
  const root = element("div", { class: "page" });
  if (isOpen) {
    const given = sizes.map(([name, size]) => `${name} = ${size}`).join(", ");
    const open = sizes.length === 0 ? "Sizes are known only when the model runs" : "Sizes are open";
    const example = given === "" ? "an example" : `the plan of a run with ${given}`;
    const how =
      sizes.length === 0 ? "" : ` Bounds, such as --dim ${sizes.at(-1)![0]}=1..640, show it for the largest.`;
    root.append(element("p", { class: "hint" }, `${open}: this is ${example}.${how}`));
  }
  const bound =
    arenaBytes === arenaLowerBound
      ? "as much as is live at once"
      : `of which ${bytes(arenaLowerBound)} are live at once`;
  const line =
    `The arena takes ${bytes(arenaBytes)}, ${bound}; without sharing memory it would be ${bytes(unsharedBytes)}. ` +
    `Weights take ${bytes(weightBytes)}, the whole memory ${bytes(memoryBytes)}.`;
  root.append(element("p", {}, line));
  const buffers = data.memory.buffers.filter(({ bytes }) => bytes > 0);
  if (buffers.length > 0 && arenaBytes > 0) root.append(picture(buffers, peak));
  const live = buffers
    .filter(({ first, last }) => first <= peak && peak <= last)
    .sort((a, b) => b.bytes - a.bytes);
  const at = data.calls[peak];
  root.append(
    element("h2", {}, "What bounds the peak"),
    element(
      "p",
      {},
      `Call ${peak}${at === undefined ? "" : `, ${at.kernel} (${at.nodes.join(", ")})`}: these are live.`,
    ),
    element(
      "div",
      { class: "wide" },
      table(
        ["buffer", "kind", "bytes", "address", "from call", "to call"],
        live.map((one) => [
          one.name,
          one.kind,
          bytes(one.bytes),
          String(one.address),
          String(one.first),
          String(one.last),
        ]),
        new Set([2, 3, 4, 5]),
      ),
    ),
  );
  return root;
}

function picture(buffers: readonly BufferData[], peak: number): HTMLElement {
  const calls = Math.max(1, data.calls.length);
  const bottom = buffers.reduce((least, { address }) => Math.min(least, address), Number.POSITIVE_INFINITY);
  const top = buffers.reduce((most, one) => Math.max(most, one.address + one.bytes), 0);
  const x = (call: number) => (call / calls) * width;
  const y = (address: number) => height - ((address - bottom) / (top - bottom)) * height;
  const label = "Memory plan: calls from left to right, addresses from bottom to top";
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });
  drawing.append(svg("rect", { x: x(peak), y: 0, width: Math.max(1, x(1)), height, class: "peak" }));
  const chosen = element(
    "p",
    { class: "note", role: "status" },
    `Orange is what is live at the peak, call ${peak}. Point at a buffer to see what it is.`,
  );
  for (const one of buffers) {
    const isAtPeak = one.first <= peak && peak <= one.last;
    const text = `${one.name}: ${bytes(one.bytes)} at ${one.address}, calls ${one.first} to ${one.last}, ${one.kind}`;
    const place = { x: x(one.first), y: y(one.address + one.bytes) };
    const size = {
      width: Math.max(1, x(one.last + 1) - x(one.first)),
      height: Math.max(0.5, y(one.address) - place.y),
    };
    const say = () => {
      chosen.textContent = text;
    };
    const select = () => actions.showCalls(data.calls[one.first]?.kernel ?? one.name, [one.first], null);
    const shape = svg("rect", { ...place, ...size, class: `buffer ${one.kind} ${isAtPeak ? "live" : ""}` });
    shape.addEventListener("pointerenter", say);
    shape.addEventListener("click", select);
    shape.append(svg("title", {}, text));
    drawing.append(shape);
  }
  const axis = element(
    "div",
    { class: "axis" },
    element("span", {}, "call 0"),
    element("span", {}, `call ${calls - 1} →`),
  );
  const scale = element(
    "div",
    { class: "scale" },
    element("span", {}, bytes(top - bottom)),
    element("span", {}, "0 B"),
  );
  return element("figure", { class: "memory" }, scale, drawing, axis, chosen);
}
