import { bestSteps, greedyDecode, joinWindows, type Step } from "./ctc.js";
import { toUnitRange } from "./direction.js";
import { type Rectangle, slice } from "./geometry.js";
import { inputDims, modelFiles, type RunModel } from "./models.js";
import type { Picture } from "./picture.js";
import { drawBox } from "./sampling.js";

/** The network reads one step for so many pixels of width. */
const stepWidth = 8;
/** Overlap of two windows on a line that is wider than the network's input: more than three square characters. */
const windowOverlap = 160;

/** Reads the one line of text in the box. */
export async function readLine(
  picture: Picture,
  box: Rectangle,
  run: RunModel,
  alphabet: readonly string[],
): Promise<{ text: string; confidence: number }> {
  const { width, height } = modelFiles.recognition;
  const lineWidth = Math.max(stepWidth, Math.ceil((height * box.width) / box.height));
  let steps: Step[] = [];
  for (const start of windowStarts(lineWidth, width)) {
    const end = Math.min(start + width, lineWidth);
    const part = slice(box, start / lineWidth, end / lineWidth);
    const planes = { width, height, data: new Float32Array(3 * width * height) };
    drawBox(planes, picture, part, end - start, height, toUnitRange);
    const { data } = await run(planes.data, inputDims("recognition"));
    const window = bestSteps(data, alphabet.length);
    steps = start === 0 ? window : joinWindows(steps, window, start / stepWidth);
  }
  return greedyDecode(steps, alphabet);
}

/**
 * Where the windows of a line begin, in pixels: as few as cover it, evenly spaced on whole steps, each
 * overlapping the next by at least `windowOverlap`.
 */
export function windowStarts(lineWidth: number, width: number): number[] {
  if (lineWidth <= width) return [0];
  const gaps = Math.ceil((lineWidth - width) / (width - windowOverlap));
  const spacing = Math.ceil((lineWidth - width) / gaps / stepWidth) * stepWidth;
  return Array.from({ length: gaps + 1 }, (_, index) => index * spacing);
}
