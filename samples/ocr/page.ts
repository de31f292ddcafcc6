/** The page that reads the text of a picture. */

import { load } from "onnx-kiln/runtime";
import { breathe, byId, element, say, sayError, takeFiles } from "../web/dom.js";
import { downOf, type Point, type Rectangle } from "./geometry.js";
import { alphabetOf, inputName, type ModelName, type OcrModels, type RunModel } from "./models.js";
import type { Picture } from "./picture.js";
import { type Reading, readPicture, textOf } from "./pipeline.js";

const samplePictures = ["latin", "chinese", "mixed", "receipt", "slanted", "street-sign", "upside-down"];

/** Larger pictures are scaled down: text that is legible at a tenth of this is still found. */
const largestSide = 2400;

const image = byId("picture", HTMLImageElement);
const stage = byId("stage", HTMLElement);
const boxes = byId("boxes", SVGSVGElement);
const lines = byId("lines", HTMLOListElement);
const copy = byId("copy", HTMLButtonElement);

async function openModel(name: ModelName): Promise<RunModel> {
  const model = await load(fetch(`/models/${name}.wasm`));
  const output = model.outputs[0]!.name;
  return async (data, dims) => {
    await breathe();
    const result = model.runSync({ [inputName]: { type: "float32", data, dims } })[output]!;
    return { data: result.data as Float32Array, dims: result.dims };
  };
}

async function openAll(): Promise<{ models: OcrModels; alphabet: string[] }> {
  const [detection, direction, recognition, keys] = await Promise.all([
    openModel("detection"),
    openModel("direction"),
    openModel("recognition"),
    fetch("/ocr/alphabet.txt").then((response) => response.text()),
  ]);
  return { models: { detection, direction, recognition }, alphabet: alphabetOf(keys) };
}

const opened = openAll();

/** The pixels of what the page shows, on white. */
function pixelsOf(bitmap: ImageBitmap): Picture {
  const scale = Math.min(1, largestSide / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) data[pixel * 3 + channel] = rgba[pixel * 4 + channel]!;
  }
  return { width, height, data };
}

/** Counts the pictures, so that what is late for an earlier one is dropped. */
let current = 0;

async function read(file: Blob, name: string): Promise<void> {
  const mine = ++current;
  try {
    say(`Reading ${name}`);
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(`${name} is not a picture that this browser knows`);
    });
    if (mine !== current) return;
    show(file, name);
    const { models, alphabet } = await opened;
    const picture = pixelsOf(bitmap);
    const started = performance.now();
    const rows = await readPicture(picture, models, alphabet);
    if (mine !== current) return;
    list(rows, picture);
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    const count = rows.length === 1 ? "1 line" : `${rows.length} lines`;
    say(
      rows.length === 0
        ? `No text found in ${name}, in ${seconds} s`
        : `${count} in ${name}, in ${seconds} s`,
    );
  } catch (error) {
    if (mine === current) sayError(error);
  }
}

function show(file: Blob, name: string): void {
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.alt = name;
  stage.hidden = false;
  boxes.replaceChildren();
  lines.replaceChildren();
  copy.disabled = true;
}

function list(rows: readonly Reading[][], { width, height }: Picture): void {
  boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const texts = textOf(rows);
  rows.forEach((row, i) => {
    const polygons = row.map(({ box }) => polygonOf(box));
    boxes.append(...polygons);
    const sure = row.reduce((sum, { confidence }) => sum + confidence, 0) / row.length;
    const item = element("li", element("span", texts[i]!), element("small", `${Math.round(100 * sure)}%`));
    const mark = (on: boolean) => {
      for (const each of [item, ...polygons]) each.classList.toggle("on", on);
    };
    for (const each of [item, ...polygons]) {
      each.addEventListener("pointerenter", () => mark(true));
      each.addEventListener("pointerleave", () => mark(false));
    }
    lines.append(item);
  });
  copy.disabled = rows.length === 0;
}

function polygonOf(box: Rectangle): SVGPolygonElement {
  const polygon = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  const corners = [
    [-0.5, -0.5],
    [0.5, -0.5],
    [0.5, 0.5],
    [-0.5, 0.5],
  ].map(([x, y]) => cornerOf(box, x!, y!));
  polygon.setAttribute("points", corners.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  return polygon;
}

function cornerOf({ center, axis, width, height }: Rectangle, along: number, across: number): Point {
  const down = downOf(axis);
  return {
    x: center.x + axis.x * width * along + down.x * height * across,
    y: center.y + axis.y * width * along + down.y * height * across,
  };
}

function offerSamples(): void {
  const items = samplePictures.map((name) => {
    const picture = element("img");
    picture.src = `/ocr/pictures/${name}.png`;
    picture.alt = `Sample: ${name}`;
    const button = element("button", picture);
    button.type = "button";
    button.addEventListener("click", async () => {
      const response = await fetch(picture.src);
      await read(await response.blob(), `${name}.png`);
    });
    return element("li", button);
  });
  byId("samples", HTMLUListElement).append(...items);
}

copy.addEventListener("click", async () => {
  const text = Array.from(lines.querySelectorAll("span"), ({ textContent }) => textContent).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch (error) {
    sayError(error);
  }
});

addEventListener("paste", ({ clipboardData }) => {
  const file = Array.from(clipboardData?.files ?? []).find(({ type }) => type.startsWith("image/"));
  if (file !== undefined) void read(file, "the pasted picture");
});

offerSamples();
takeFiles("image/", (file) => void read(file, file.name));
opened.then(() => current === 0 && say("Ready"), sayError);
