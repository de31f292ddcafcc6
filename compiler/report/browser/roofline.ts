/** The roofline: what the machine can do at most with a kernel's work and bytes, and what each kernel does. */

import { element, svg } from "./dom.js";
import { percent, time } from "./format.js";
import { actions, callsOf, data } from "./state.js";

const [left, right, top, bottom] = [44, 12, 12, 34];

/** The chart, as wide as there is room; drawn again when that changes. */
export function rooflineChart(): HTMLElement {
  const drawing = svg("svg", { role: "group", "aria-label": "Roofline: GFLOP/s over FLOP for each byte" });
  const { kernels } = data.profile!;
  const shown = kernels.filter(({ gflops, intensity }) => gflops > 0 && intensity > 0);
  const rest = kernels.length - shown.length;
  const others = rest === 0 ? "" : ` ${rest} that do no arithmetic are not shown.`;
  const note = element(
    "p",
    { class: "note", role: "status" },
    `A kernel at the line does all that the machine can; circles are as large as their share of the time, blue where memory bounds them.${others} Point at one to see what it is.`,
  );
  const figure = element("figure", { class: "roofline" }, drawing, note);
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.round(figure.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    draw(drawing, width, (text) => {
      note.textContent = text;
    });
  }).observe(figure);
  return figure;
}

type Scale = (value: number) => number;

/** From the powers of ten around the values to this stretch of the picture. */
function logScale(values: readonly number[], from: number, to: number): { scale: Scale; ticks: number[] } {
  const least = Math.floor(Math.log10(Math.min(...values)));
  const most = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i));
  return { scale: (value) => from + ((Math.log10(value) - least) / (most - least)) * (to - from), ticks };
}

function draw(drawing: SVGSVGElement, width: number, say: (text: string) => void): void {
  const { kernels, roof } = data.profile!;
  const height = Math.min(380, Math.max(240, Math.round(width * 0.45)));
  const shown = kernels.filter(({ gflops, intensity }) => gflops > 0 && intensity > 0);
  const ridge = roof.gflops / roof.gigabytesPerSecond;
  const x = logScale([...shown.map(({ intensity }) => intensity), ridge], left, width - right);
  const y = logScale([...shown.map(({ gflops }) => gflops), roof.gflops], height - bottom, top);
  const [least, most] = [x.ticks[0]!, x.ticks.at(-1)!];
  drawing.setAttribute("width", String(width));
  drawing.setAttribute("height", String(height));
  const grid = [
    ...x.ticks.flatMap((value) => [
      svg("path", { d: `M${x.scale(value)} ${top}V${height - bottom}`, class: "grid" }),
      svg("text", { x: x.scale(value), y: height - bottom + 14, class: "tick middle" }, plain(value)),
    ]),
    ...y.ticks.flatMap((value) => [
      svg("path", { d: `M${left} ${y.scale(value)}H${width - right}`, class: "grid" }),
      svg("text", { x: left - 5, y: y.scale(value) + 4, class: "tick end" }, plain(value)),
    ]),
    svg("text", { x: (left + width - right) / 2, y: height - 4, class: "tick middle" }, "FLOP for each byte"),
    svg("text", { x: left + 5, y: top + 10, class: "tick" }, "GFLOP/s"),
  ];
  const slope = (value: number): number => Math.min(roof.gflops, value * roof.gigabytesPerSecond);
  const start = Math.max(least, y.ticks[0]! / roof.gigabytesPerSecond);
  const line = [start, ridge, most].filter((value) => value >= start && value <= most);
  const path = line.map((value, i) => `${i === 0 ? "M" : "L"}${x.scale(value)} ${y.scale(slope(value))}`);
  const roofs = [
    svg("path", { d: path.join(""), class: "roof" }),
    svg(
      "text",
      { x: width - right - 2, y: y.scale(roof.gflops) - 5, class: "tick end" },
      `${roof.gflops.toFixed(1)} GFLOP/s`,
    ),
  ];
  // The smaller are above the larger, so that both can be pointed at.
  const circles = [...shown]
    .sort((a, b) => b.share - a.share)
    .map((one) => {
      const text = `${one.kernel}: ${time(one.ms)}, ${percent(one.share)} of the time, ${one.gflops.toFixed(1)} GFLOP/s at ${one.intensity.toFixed(1)} FLOP for each byte, ${percent(one.ofRoof)} of the roof`;
      const act = (): void => actions.showCalls(one.kernel, callsOf(one.kernel), null);
      const circle = svg("circle", {
        cx: x.scale(one.intensity),
        cy: y.scale(one.gflops),
        r: 3 + 20 * Math.sqrt(one.share),
        class: one.bound === "memory" ? "kernel memory-bound" : "kernel",
        role: "button",
        tabindex: 0,
        "aria-label": text,
        onclick: act,
        onpointerenter: () => say(text),
        onfocus: () => say(text),
        onkeydown: (event: Event) => {
          if ((event as KeyboardEvent).key === "Enter") act();
        },
      });
      circle.append(svg("title", {}, text));
      return circle;
    });
  drawing.replaceChildren(...grid, ...roofs, ...circles);
}

const plain = (value: number): string => (value >= 1 ? String(value) : value.toPrecision(1));
