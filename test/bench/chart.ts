/** Lines over two logarithmic axes, and bars, as SVGs that are light or dark as the page is. */

import { escapeHtml } from "../../compiler/bench/report-html.js";

export interface Line {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [width, height, left, right, top, bottom] = [720, 380, 60, 170, 20, 50];
const colors = ["#c2410c", "#64748b", "#0f766e", "#7c3aed"];

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #334155; }
.small { font-size: 10px; }
.grid { stroke: #94a3b8; stroke-opacity: .4; }
@media (prefers-color-scheme: dark) { text { fill: #cbd5e1; } }
</style>`;

/** For each label a bar of every series, from zero. */
export interface Bars {
  readonly label: string;
  readonly values: readonly (number | undefined)[];
}

export function barChart(title: string, series: readonly string[], groups: readonly Bars[]): string {
  const [barHeight, gap, labels, end] = [11, 9, 260, 670];
  const most = Math.max(...groups.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const wide = (value: number): number => Math.round(((end - labels) * value) / most);
  const step = barHeight * series.length + gap;
  const drawn = groups.flatMap(({ label, values }, group) => {
    const y = 40 + group * step;
    const middle = y + (barHeight * series.length) / 2 + 4;
    return [
      `<text x="${labels - 8}" y="${middle}" text-anchor="end">${escapeHtml(label)}</text>`,
      ...values.map((value = 0, i) => {
        const at = y + i * barHeight;
        return (
          `<rect x="${labels}" y="${at}" width="${wide(value)}" height="${barHeight - 1}" fill="${colors[i]}"/>` +
          `<text x="${labels + wide(value) + 5}" y="${at + 9}" class="small">${value.toFixed(2)}</text>`
        );
      }),
    ];
  });
  const legend = series.map(
    (name, i) => `<text x="${labels + i * 200}" y="24" style="fill:${colors[i]}">${escapeHtml(name)}</text>`,
  );
  const tall = 44 + groups.length * step;
  const one = labels + wide(1);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall}" width="${width}" height="${tall}">
<title>${escapeHtml(title)}</title>
${style}
${[...legend, ...drawn].join("\n")}
<path class="grid" d="M${one} 34V${tall - gap}"/>
</svg>
`;
}

export function lineChart(xLabel: string, yLabel: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const x = scale(Math.min(...xs), Math.max(...xs), left, width - right);
  const y = scale(Math.min(...ys), Math.max(...ys), height - bottom, top);
  const xTicks = [...new Set(xs)].map(
    (value) => `<text x="${x(value)}" y="${height - bottom + 18}" text-anchor="middle">${value}</text>`,
  );
  const yTicks = decades(Math.min(...ys), Math.max(...ys)).map(
    (value) =>
      `<path class="grid" d="M${left} ${y(value)}H${width - right}"/>` +
      `<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
  );
  const drawn = lines.map(({ label, points: own }, i) => {
    const color = colors[i % colors.length];
    const [endX, endY] = own.at(-1)!;
    return (
      `<polyline fill="none" stroke="${color}" stroke-width="2.5" points="${own
        .map(([a, b]) => `${x(a)},${y(b)}`)
        .join(" ")}"/>` +
      `<text x="${x(endX) + 8}" y="${y(endY) + 4}" style="fill:${color}">${escapeHtml(label)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>${yLabel} against ${xLabel}</title>
${style}
${[...yTicks, ...xTicks, ...drawn].join("\n")}
<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">${escapeHtml(xLabel)}</text>
<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(yLabel)}</text>
</svg>
`;
}

function scale(min: number, max: number, from: number, to: number): (value: number) => number {
  const span = Math.log(max / min) || 1;
  return (value) => Math.round(from + ((to - from) * Math.log(value / min)) / span);
}

/** 1, 2, 5, 10, ... within the range. */
function decades(min: number, max: number): number[] {
  const values: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
    for (const digit of [1, 2, 5]) values.push(Number((digit * 10 ** power).toPrecision(1)));
  }
  return values.filter((value) => value >= min && value <= max);
}
