/** What a module is made of, as a treemap: areas are bytes. */

import { element } from "./dom.js";
import { bytes } from "./format.js";
import { actions, callsOf, data } from "./state.js";

interface Tile {
  readonly name: string;
  readonly bytes: number;
  readonly act?: () => void;
}

interface Placed extends Tile {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const mostTiles = 300;

export function sizesView(): HTMLElement {
  const kernels = data.kernels.map(({ name, codeBytes }): Tile => {
    return { name, bytes: codeBytes, act: () => actions.showCalls(name, callsOf(name), null) };
  });
  return element(
    "div",
    { class: "page" },
    ...treemap("Code by kernel", kernels),
    ...treemap("Weights by constant, as the kernels read them", data.weights),
  );
}

function treemap(title: string, all: readonly Tile[]): HTMLElement[] {
  const sorted = all.filter((tile) => tile.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const total = sorted.reduce((sum, tile) => sum + tile.bytes, 0);
  const tiles = sorted.slice(0, mostTiles);
  const rest = sorted.slice(mostTiles).reduce((sum, tile) => sum + tile.bytes, 0);
  if (rest > 0) tiles.push({ name: `${sorted.length - mostTiles} smaller ones`, bytes: rest });
  const note = element("p", { class: "note", role: "status" }, "Point at a tile to see what it is.");
  const map = element("div", { class: "treemap", role: "list", "aria-label": title });
  for (const tile of squarified(tiles, 100, 45)) {
    const label = `${tile.name}: ${bytes(tile.bytes)}`;
    const inside = [element("b", {}, tile.name), element("span", {}, bytes(tile.bytes))];
    const cell = element(
      tile.act ? "button" : "div",
      { class: "tile", title: label, role: "listitem" },
      ...inside,
    );
    for (const event of ["pointerenter", "click", "focus"])
      cell.addEventListener(event, () => {
        note.textContent = label;
      });
    if (tile.act !== undefined) cell.addEventListener("click", tile.act);
    cell.style.left = `${tile.x}%`;
    cell.style.top = `${(tile.y / 45) * 100}%`;
    cell.style.width = `${tile.width}%`;
    cell.style.height = `${(tile.height / 45) * 100}%`;
    map.append(cell);
  }
  return [element("h2", {}, `${title}: ${bytes(total)}`), map, note];
}

/** Rows of tiles along the shorter side, each as long as its tiles get squarer by it (Bruls, Huizing, van Wijk). */
function squarified(tiles: readonly Tile[], fullWidth: number, fullHeight: number): Placed[] {
  const total = tiles.reduce((sum, tile) => sum + tile.bytes, 0);
  const placed: Placed[] = [];
  let [x, y, width, height] = [0, 0, fullWidth, fullHeight];
  for (let at = 0; at < tiles.length; ) {
    const side = Math.min(width, height);
    const area = (tile: Tile) => (tile.bytes / total) * fullWidth * fullHeight;
    const worst = (row: readonly Tile[]): number => {
      const sum = row.reduce((all, tile) => all + area(tile), 0);
      return Math.max(
        (side * side * area(row[0]!)) / (sum * sum),
        (sum * sum) / (side * side * area(row.at(-1)!)),
      );
    };
    let end = at + 1;
    while (end < tiles.length && worst(tiles.slice(at, end + 1)) <= worst(tiles.slice(at, end))) end++;
    const row = tiles.slice(at, end);
    const thickness = row.reduce((all, tile) => all + area(tile), 0) / side;
    let along = 0;
    for (const tile of row) {
      const length = area(tile) / thickness;
      const isColumn = width >= height;
      placed.push({
        ...tile,
        x: isColumn ? x : x + along,
        y: isColumn ? y + along : y,
        width: isColumn ? thickness : length,
        height: isColumn ? length : thickness,
      });
      along += length;
    }
    if (width >= height) [x, width] = [x + thickness, width - thickness];
    else [y, height] = [y + thickness, height - thickness];
    at = end;
  }
  return placed;
}
