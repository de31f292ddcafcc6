import { type Rectangle, turnHalf } from "./geometry.js";
import { inputDims, modelFiles, type RunModel } from "./models.js";
import type { Picture } from "./picture.js";
import { drawBox, type Normalization } from "./sampling.js";

/** A line is turned only when the network is this sure: most lines are upright. */
const turnThreshold = 0.9;

/** Maps 0..255 to -1..1. */
export const toUnitRange: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Turns the box of a line by 180 degrees if its text is upside down. Longer lines are squeezed to fit. */
export async function turnUpright(picture: Picture, box: Rectangle, run: RunModel): Promise<Rectangle> {
  const { width, height } = modelFiles.direction;
  const planes = { width, height, data: new Float32Array(3 * width * height) };
  const drawn = Math.min(width, Math.ceil((height * box.width) / box.height));
  drawBox(planes, picture, box, drawn, height, toUnitRange);
  const { data } = await run(planes.data, inputDims("direction"));
  return data[1]! > turnThreshold ? turnHalf(box) : box;
}
