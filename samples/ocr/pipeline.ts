import { detectText } from "./detection.js";
import { turnUpright } from "./direction.js";
import type { Rectangle } from "./geometry.js";
import type { OcrModels } from "./models.js";
import type { Picture } from "./picture.js";
import { readingOrder } from "./reading-order.js";
import { readLine } from "./recognition.js";

/** Boxes whose text is less sure than this hold no text: patterns, logos, noise. */
const minConfidence = 0.5;

/** One detected piece of a line. */
export interface Reading {
  box: Rectangle;
  text: string;
  /** Mean probability of the characters, 0..1. */
  confidence: number;
}

/** Reads a picture: its rows of text from top to bottom, each a list of pieces from left to right. */
export async function readPicture(
  picture: Picture,
  models: OcrModels,
  alphabet: readonly string[],
): Promise<Reading[][]> {
  const readings: Reading[] = [];
  for (const found of await detectText(picture, models.detection)) {
    const box = await turnUpright(picture, found, models.direction);
    const { text, confidence } = await readLine(picture, box, models.recognition, alphabet);
    if (confidence >= minConfidence) readings.push({ box, text: text.trim(), confidence });
  }
  return readingOrder(readings);
}

/** The text of each row; pieces of a row are set apart by a space. */
export function textOf(rows: readonly Reading[][]): string[] {
  return rows.map((row) => row.map(({ text }) => text).join(" "));
}
