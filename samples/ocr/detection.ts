import { dot, downOf, minAreaRectangle, type Rectangle, scaleBox, turnQuarter, unclip } from "./geometry.js";
import { inputDims, modelFiles, type RunModel } from "./models.js";
import type { Picture } from "./picture.js";
import { outlineRegions } from "./regions.js";
import { drawBox, type Normalization } from "./sampling.js";

// The settings of PP-OCRv4 for Differentiable Binarization (Liao et al. 2020).
const pixelThreshold = 0.3;
const boxThreshold = 0.6;
const unclipRatio = 1.5;
/** Regions thinner than this, in pixels of the probability map, are noise. */
const minSide = 3;

/** ImageNet's mean and deviation. PP-OCR applies them in this order to blue, green, red, so the same is done here. */
const normalization: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Finds the lines of text in a picture, in no particular order. */
export async function detectText(picture: Picture, run: RunModel): Promise<Rectangle[]> {
  const { width, height } = modelFiles.detection;
  const scale = Math.min(1, width / picture.width, height / picture.height);
  const drawn = { width: Math.ceil(picture.width * scale), height: Math.ceil(picture.height * scale) };
  const planes = { width, height, data: new Float32Array(3 * width * height) };
  drawBox(planes, picture, areaFromTopLeft(drawn, 1 / scale), drawn.width, drawn.height, normalization);
  const { data } = await run(planes.data, inputDims("detection"));
  return boxesOf(data, width, height).map((box) => uprightBox(scaleBox(box, 1 / scale)));
}

/** The boxes of text in a probability map of height x width, in its pixels. */
export function boxesOf(map: Float32Array, width: number, height: number): Rectangle[] {
  return outlineRegions(map, width, height, pixelThreshold)
    .map(minAreaRectangle)
    .filter((box) => Math.min(box.width, box.height) >= minSide)
    .filter((box) => meanInside(map, width, height, box) >= boxThreshold)
    .map((box) => unclip(box, unclipRatio));
}

/** Boxes that are much taller than wide hold lines that run downwards. */
export function uprightBox(box: Rectangle): Rectangle {
  return box.height >= 1.5 * box.width ? turnQuarter(box) : box;
}

/** The mean of the map over the pixels whose centres lie in the box. */
function meanInside(map: Float32Array, width: number, height: number, box: Rectangle): number {
  const down = downOf(box.axis);
  const radius = Math.hypot(box.width, box.height) / 2;
  const [top, bottom] = range(box.center.y, radius, height);
  const [left, right] = range(box.center.x, radius, width);
  let sum = 0;
  let count = 0;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const offset = { x: x + 0.5 - box.center.x, y: y + 0.5 - box.center.y };
      if (Math.abs(dot(offset, box.axis)) > box.width / 2) continue;
      if (Math.abs(dot(offset, down)) > box.height / 2) continue;
      sum += map[y * width + x]!;
      count++;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** First and last pixel within `radius` of a coordinate, inside 0..size. */
function range(center: number, radius: number, size: number): [number, number] {
  return [Math.max(0, Math.floor(center - radius)), Math.min(size - 1, Math.ceil(center + radius))];
}

/** The area of a picture that becomes `size` when it is resized by 1 / factor: all of it, up to rounding. */
function areaFromTopLeft(size: { width: number; height: number }, factor: number): Rectangle {
  const [width, height] = [size.width * factor, size.height * factor];
  return { center: { x: width / 2, y: height / 2 }, axis: { x: 1, y: 0 }, width, height };
}
