/** The page that compiles and compares networks. */

import { load, type TensorInfo } from "onnx-kiln/runtime";
import { breathe, byId, element, say, sayError } from "./dom.js";
import type { NetworkFigures, NetworkInfo } from "./networks.js";

/** Milliseconds for which each network runs. */
const duration = 1500;

const rows = byId("rows", HTMLTableSectionElement);
const all = byId("all", HTMLButtonElement);

interface Row {
  readonly name: string;
  readonly cells: readonly HTMLTableCellElement[];
  readonly button: HTMLButtonElement;
  ms?: number;
}

const table: Row[] = [];

/** The columns between the name and the button; on narrow screens each figure has its label beside it. */
const labels = ["Run", "GFLOP/s", "Code", "Weights", "Arena", "Kernels", "Compiled in"];

function inputFor({ type, dims }: TensorInfo) {
  const size = (dims as number[]).reduce((a, b) => a * b, 1);
  const data =
    type === "int64"
      ? BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 2))
      : Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37));
  return { type, data, dims: dims as number[] };
}

async function best(name: string): Promise<number> {
  const model = await load(fetch(`/zoo/${name}.wasm`));
  const feeds = Object.fromEntries(model.inputs.map((info) => [info.name, inputFor(info)]));
  let ms = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + duration; performance.now() < end; ) {
    const started = performance.now();
    model.runSync(feeds as Parameters<typeof model.runSync>[0]);
    ms = Math.min(ms, performance.now() - started);
    await breathe();
  }
  model.dispose();
  return ms;
}

async function figuresOf(name: string): Promise<NetworkFigures> {
  const response = await fetch(`/zoo/${name}.json`);
  if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
  return (await response.json()) as NetworkFigures;
}

async function measure(row: Row): Promise<void> {
  setBusy(true);
  try {
    say(`Compiling ${row.name}`);
    const figures = await figuresOf(row.name);
    say(`Running ${row.name}`);
    row.ms = await best(row.name);
    fill(row, figures, row.ms);
    drawBars();
    say(`${row.name}: ${row.ms.toFixed(1)} ms`);
  } catch (error) {
    sayError(error);
  } finally {
    setBusy(false);
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function fill({ cells }: Row, figures: NetworkFigures, ms: number): void {
  const texts = [
    `${ms.toFixed(1)} ms`,
    (figures.flops / ms / 1e6).toFixed(1),
    `${Math.round(figures.codeBytes / 1000)} kB`,
    megabytes(figures.weightBytes),
    megabytes(figures.arenaBytes),
    String(figures.kernels),
    `${(figures.compileMs / 1000).toFixed(1)} s`,
  ];
  for (const [i, text] of texts.entries()) {
    cells[i]!.textContent = text;
    cells[i]!.classList.remove("unknown");
  }
}

/** Bars under the times, the slowest as wide as its cell. */
function drawBars(): void {
  const slowest = Math.max(...table.map(({ ms = 0 }) => ms));
  for (const { ms, cells } of table) {
    if (ms === undefined) continue;
    const bar = element("span");
    bar.className = "bar";
    bar.style.width = `${(100 * ms) / slowest}%`;
    cells[0]!.querySelector(".bar")?.remove();
    cells[0]!.append(bar);
  }
}

function setBusy(isBusy: boolean): void {
  for (const { button } of table) button.disabled = isBusy;
  all.disabled = isBusy;
}

function addRow({ name }: NetworkInfo): void {
  const head = element("th", name);
  head.scope = "row";
  const cells = labels.map((label) => {
    const cell = element("td", "-");
    cell.dataset.label = label;
    cell.className = "unknown";
    return cell;
  });
  const button = element("button", "Run");
  button.type = "button";
  button.className = "plain";
  button.setAttribute("aria-label", `Compile and run ${name}`);
  const row: Row = { name, cells, button };
  button.addEventListener("click", () => void measure(row));
  rows.append(element("tr", head, ...cells, element("td", button)));
  table.push(row);
}

all.addEventListener("click", async () => {
  for (const row of table) await measure(row);
});

try {
  const response = await fetch("/zoo/networks.json");
  for (const network of (await response.json()) as NetworkInfo[]) addRow(network);
  all.disabled = false;
  say("Ready");
} catch (error) {
  sayError(error);
}
