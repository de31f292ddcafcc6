/** What was measured as a page of its own: no script, no network, light and dark. */

import { formatTime } from "../cli/units.js";
import type { BenchReport, EngineReport } from "./bench.js";
import { engineName, facts, kernelColumns, kernelRows, kernelTotal, rooflineFacts } from "./report-text.js";

/** A page with a chart and a table for each report. */
export function benchPage(title: string, reports: readonly BenchReport[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
<main>
<h1>${escapeHtml(title)}</h1>
${reports.map(section).join("\n")}
</main>
</html>
`;
}

function section(report: BenchReport): string {
  const longest = Math.max(...report.engines.map(({ p90Ms }) => p90Ms));
  const rows = report.engines.map((engine) => bar(engine, longest)).join("\n");
  const details = [...facts(report), ...rooflineFacts(report.roofline)]
    .map(([what, value]) => `<dt>${escapeHtml(what)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join("\n");
  const missing = report.missing
    .map(({ label, reason }) => `<p>${escapeHtml(`${label}: not measured, ${reason}`)}</p>`)
    .join("\n");
  return `<section>
<h2>${escapeHtml(report.name)}</h2>
<table>
<thead><tr><th>engine<th>median time, to its 90th percentile<th>median<th>faster than web<th>GFLOP/s</tr></thead>
<tbody>
${rows}
</tbody>
</table>
${missing}
<dl>
${details}
</dl>
${report.profile ? kernels(report.profile) : ""}
</section>`;
}

function kernels(profile: NonNullable<BenchReport["profile"]>): string {
  const heads = kernelColumns.map(({ head }) => `<th>${head}`).join("");
  const rows = kernelRows(profile.kernels).map(([name, ...cells]) => {
    const data = cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join("");
    return `<tr><th scope="row">${escapeHtml(String(name))}</th>${data}</tr>`;
  });
  return `<h3>Kernels of ${escapeHtml(profile.label)}</h3>
<table class="kernels">
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
<p>${escapeHtml(kernelTotal(profile))}</p>`;
}

function bar(engine: EngineReport, longest: number): string {
  const width = (ms: number) => `${((100 * ms) / longest).toFixed(2)}%`;
  const ratio = engine.ratio === undefined ? "" : `${engine.ratio.toFixed(2)}x`;
  return `<tr><th scope="row">${escapeHtml(engineName(engine))}</th>
<td class="chart"><div class="late" style="width:${width(engine.p90Ms)}"></div>
<div class="bar${engine.isKiln ? " kiln" : ""}" style="width:${width(engine.medianMs)}"></div></td>
<td>${formatTime(engine.medianMs)}</td><td>${ratio}</td><td>${engine.gflops === 0 ? "" : engine.gflops.toFixed(1)}</td></tr>`;
}

/** Names of models are anyone's. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const style = `
:root { color-scheme: light dark; --ink: #1d2126; --page: #fff; --line: #d9dde2; --kiln: #c2410c; --rival: #64748b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --page: #16181c; --line: #343a42; --kiln: #fb923c; --rival: #94a3b8; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h2 { margin-top: 2.5rem; }
section { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, .chart, table:not(.kernels) thead th:nth-child(2) { text-align: left; }
th { font-weight: 500; }
.chart { position: relative; width: 45%; min-width: 9rem; }
.bar, .late { height: 1rem; border-radius: 2px; background: var(--rival); }
.late { position: absolute; opacity: .3; max-width: calc(100% - 1.2rem); }
.bar { position: relative; max-width: 100%; }
.kiln { background: var(--kiln); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }
dt { opacity: .7; }
dd { margin: 0; }
`;
