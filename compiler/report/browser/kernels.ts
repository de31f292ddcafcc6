/** Kernels as a table, the costliest first: by time where there is a profile, else by FLOPs. */

import { element, table } from "./dom.js";
import { bytes, count, percent, time } from "./format.js";
import { rooflineChart } from "./roofline.js";
import { actions, callsOf, data } from "./state.js";

const link = (name: string): HTMLElement =>
  element(
    "button",
    { type: "button", class: "link", onclick: () => actions.showCalls(name, callsOf(name), null) },
    name,
  );

export function kernelsView(): HTMLElement {
  return element("div", { class: "page" }, ...(data.profile === null ? [plainTable()] : profileTable()));
}

function profileTable(): HTMLElement[] {
  const { kernels, runMs, kernelMs, runs, roofline } = data.profile!;
  const rows = kernels.map((one) => [
    link(one.kernel),
    String(one.calls),
    time(one.ms),
    shareBar(one.share),
    one.gflops === 0 ? "" : one.gflops.toFixed(1),
    bytes(one.bytes),
    one.gigabytesPerSecond.toFixed(1),
    one.bound,
    percent(one.ofRoof),
    bytes(codeBytes(one.kernel)),
  ]);
  const heads = [
    "kernel",
    "calls",
    "time",
    "share",
    "GFLOP/s",
    "bytes",
    "GB/s",
    "bound by",
    "of roof",
    "code",
  ];
  const roof = roofline.map(([what, value]) => `${what}: ${value}`).join("; ");
  const line = `Kernels take ${time(kernelMs)} of ${time(runMs)} a run, the mean of ${runs} runs. The roof: ${roof}.`;
  return [
    element("p", {}, line),
    rooflineChart(),
    scrolling(table(heads, rows, new Set([1, 2, 4, 5, 6, 8, 9]))),
  ];
}

function plainTable(): HTMLElement {
  const kernels = [...data.kernels].sort((a, b) => b.flops - a.flops || b.codeBytes - a.codeBytes);
  const rows = kernels.map((one) => [
    link(one.name),
    one.isPart ? "in others" : String(callsOf(one.name).length),
    count(one.flops),
    bytes(callsOf(one.name).reduce((sum, call) => sum + data.calls[call]!.bytes, 0)),
    bytes(one.codeBytes),
  ]);
  return scrolling(table(["kernel", "calls", "FLOPs", "bytes", "code"], rows, new Set([1, 2, 3, 4])));
}

const codeBytes = (name: string): number => data.kernels.find((one) => one.name === name)?.codeBytes ?? 0;

const scrolling = (child: HTMLElement): HTMLElement => element("div", { class: "wide" }, child);

function shareBar(share: number): HTMLElement {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${share * 100}%`;
  return element("span", { class: "share" }, fill, element("span", {}, percent(share)));
}
