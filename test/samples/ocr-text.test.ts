import { describe, expect, test } from "vitest";
import { compareText, editDistance } from "../../samples/ocr/accuracy.js";
import { bestSteps, greedyDecode, joinWindows, type Step } from "../../samples/ocr/ctc.js";
import { readAlphabet } from "../../samples/ocr/model-files.js";
import { windowStarts } from "../../samples/ocr/recognition.js";

const alphabet = ["", "a", "b", "c", " "];

/** Steps from a drawing of them: a letter, "." for the blank and "_" for a space. */
function steps(drawing: string, blankProbability = 0.25): Step[] {
  return [...drawing].map((letter) => ({
    label: letter === "." ? 0 : alphabet.indexOf(letter === "_" ? " " : letter),
    probability: 0.75,
    blankProbability: letter === "." ? 0.75 : blankProbability,
    spaceProbability: letter === "_" ? 0.75 : 0,
  }));
}

const decode = (drawing: string) => greedyDecode(steps(drawing), alphabet).text;

describe("CTC decoding", () => {
  test("the best class of each step", () => {
    const probabilities = Float32Array.from([0.5, 0.25, 0.125, 0.125, 0, 0.125, 0.125, 0.5, 0, 0.25]);
    expect(bestSteps(probabilities, 5)).toEqual([
      { label: 0, probability: 0.5, blankProbability: 0.5, spaceProbability: 0 },
      { label: 2, probability: 0.5, blankProbability: 0.125, spaceProbability: 0.25 },
    ]);
  });

  test("runs count once, a blank separates a doubled letter", () => {
    expect(decode("aab..b.cc")).toBe("abbc");
    expect(decode(".....")).toBe("");
  });

  test("spaces stand between characters only", () => {
    expect(decode("_a__b.c_")).toBe("a bc");
  });

  test("a space may be written where the blank is likelier", () => {
    const line = steps("a.b.c");
    line[1]!.spaceProbability = 0.03;
    line[3]!.spaceProbability = 0.01;
    expect(greedyDecode(line, alphabet).text).toBe("a bc");
  });

  test("the confidence is the mean over the characters", () => {
    const line = steps("a.b");
    line[2]!.probability = 0.25;
    expect(greedyDecode(line, alphabet)).toEqual({ text: "ab", confidence: 0.5 });
    expect(greedyDecode(steps(".."), alphabet).confidence).toBe(0);
  });

  test("windows are joined at a blank in the middle of their overlap", () => {
    // The letter cut at the start of the second window and the one cut at the end of the first are both dropped.
    const first = steps("a..a..b..c..a..b");
    const second = steps("b.b..c..a..c..a");
    expect(greedyDecode(joinWindows(first, second, 4), alphabet).text).toBe("aabcaca");
  });

  test("the class list is blank, 6623 keys, space", async () => {
    const characters = await readAlphabet();
    expect(characters).toHaveLength(6625);
    expect([characters[0], characters[1], characters.at(-1)]).toEqual(["", "'", " "]);
  });
});

describe("windows on a line", () => {
  test("a short line needs one", () => {
    expect(windowStarts(480, 480)).toEqual([0]);
  });

  test("a long one is covered evenly, with overlaps of 160 pixels or more", () => {
    expect(windowStarts(481, 480)).toEqual([0, 8]);
    expect(windowStarts(800, 480)).toEqual([0, 320]);
    expect(windowStarts(1000, 480)).toEqual([0, 264, 528]);
  });
});

describe("accuracy", () => {
  test("edit distance", () => {
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("abc", "")).toBe(3);
    expect(editDistance("流水", "流氷")).toBe(1);
  });

  test("a lost line costs its characters and its line break", () => {
    expect(compareText(["ab", "cd"], ["ab"])).toEqual({ characters: 5, errors: 3 });
  });
});
