import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import {
  collect,
  parseAssignment,
  parseBytes,
  parseDim,
  parseDivisors,
  parseFeatures,
  parseInputShape,
  parseLevel,
  parseNumber,
  parseNumbers,
  parseState,
  parseWeights,
  parseWhole,
} from "../../compiler/cli/flags.js";

/** Expects the parser to refuse each text, saying something like this. */
function refuses(parse: (text: string) => unknown, texts: readonly string[], message: RegExp): void {
  for (const text of texts) {
    expect(() => parse(text), text).toThrow(InvalidArgumentError);
    expect(() => parse(text), text).toThrow(message);
  }
}

describe("--dim", () => {
  test("takes values and bounds, and adds to what was given", () => {
    expect(parseDim("batch=1")).toEqual({ batch: 1 });
    expect(parseDim("length=1..512", { batch: 1 })).toEqual({ batch: 1, length: { min: 1, max: 512 } });
    expect(parseDim("n=0..0")).toEqual({ n: { min: 0, max: 0 } });
  });

  test("splits at the last =, so that names may hold one", () => {
    expect(parseDim("a=b=3")).toEqual({ "a=b": 3 });
    expect(Object.keys(parseDim("__proto__=3"))).toEqual(["__proto__"]);
  });

  test("refuses anything else", () => {
    const texts = [
      "batch",
      "batch=",
      "=1",
      "batch=-1",
      "batch=1.5",
      "batch=x",
      "n=1..",
      "n=..2",
      "n=1..2..3",
      "n=1e3",
    ];
    refuses(parseDim, texts, /expected NAME=N or NAME=MIN\.\.MAX/);
    refuses(parseDim, ["n=5..4"], /the range 5\.\.4 is empty/);
    expect(() => parseDim("n=1", { n: 2 })).toThrow(/"n" is given twice/);
  });
});

test("--state takes pairs of names", () => {
  expect(parseState("h=hn")).toEqual({ h: "hn" });
  expect(parseState("a=b=c", { h: "hn" })).toEqual({ h: "hn", "a=b": "c" });
  refuses(parseState, ["h", "h=", "=hn"], /expected INPUT=OUTPUT/);
  expect(() => parseState("h=x", { h: "hn" })).toThrow(/"h" is given twice/);
});

describe("--input-shape", () => {
  test("takes x, commas and brackets", () => {
    const shape = { image: [1, 3, 224, 224] };
    for (const text of ["1x3x224x224", "1,3,224,224", "[1,3,224,224]", "[1, 3, 224, 224]", "[1x3x224x224]"]) {
      expect(parseInputShape(`image:${text}`), text).toEqual(shape);
    }
    expect(parseInputShape("s:", { x: [1] })).toEqual({ x: [1], s: [] });
    expect(parseInputShape("s:[]")).toEqual({ s: [] });
    expect(parseInputShape("n:7")).toEqual({ n: [7] });
  });

  test("splits at the last colon, so that names may hold one", () => {
    expect(parseInputShape("data:0:1x2")).toEqual({ "data:0": [1, 2] });
  });

  test("refuses anything else", () => {
    const texts = ["1x3", ":1x3", "x:1xNx3", "x:1x-3", "x:1x", "x:1.5", "x:[1,2", "x:1 3"];
    refuses(parseInputShape, texts, /expected NAME:SHAPE/);
    expect(() => parseInputShape("x:1", { x: [2] })).toThrow(/"x" is given twice/);
  });
});

describe("--features", () => {
  test("takes a list, with signs", () => {
    expect(parseFeatures("relaxed-simd,threads")).toEqual({ relaxedSimd: true, threads: true });
    expect(parseFeatures("+relaxed-simd, -threads")).toEqual({ relaxedSimd: true, threads: false });
    expect(parseFeatures("scalar")).toEqual({ simd: false });
    expect(parseFeatures("scalar,-scalar")).toEqual({ simd: true });
    expect(parseFeatures("-simd128", { threads: true })).toEqual({ threads: true, simd: false });
  });

  test("names the known ones where one is not", () => {
    const known = /unknown feature ".*"; known: simd, relaxed-simd, threads, scalar/;
    refuses(parseFeatures, ["avx", "", "relaxed-simd,,", "constructor", "++simd"], known);
  });
});

describe("numbers", () => {
  test("levels", () => {
    expect(["0", "1", "2", "3", "s"].map(parseLevel)).toEqual([0, 1, 2, 3, "s"]);
    refuses(parseLevel, ["4", "z", "", "03"], /expected 0, 1, 2, 3 or s/);
  });

  test.each([
    ["65536", 65536],
    ["1B", 1],
    ["64MB", 64e6],
    ["64mb", 64e6],
    ["64M", 64 * 2 ** 20],
    ["64MiB", 64 * 2 ** 20],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["2 kB", 2000],
    ["0.5K", 512],
    ["1TB", 1e12],
  ])("bytes: %s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test("bytes that are none", () => {
    refuses(parseBytes, ["", "MB", "-1", "1XB", "1e6", "1.MB", "4 GB GB"], /expected a number of bytes/);
    refuses(parseBytes, ["99999TB"], /more bytes than there can be/);
  });

  test("whole numbers from a minimum on", () => {
    expect(parseWhole(1)("5")).toBe(5);
    refuses(
      parseWhole(1),
      ["0", "-1", "1.5", "x", "", "99999999999999999"],
      /expected a whole number from 1 on/,
    );
  });

  test("numbers and fractions", () => {
    expect(parseNumber("1/255")).toBe(1 / 255);
    expect(parseNumber("-0.5e1")).toBe(-5);
    expect(parseNumbers("0.485, 0.456,0.406")).toEqual([0.485, 0.456, 0.406]);
    expect(parseNumbers("128")).toEqual([128]);
    refuses(parseNumber, ["", "x", "1/0", "1/2/3", "1/", "Infinity"], /expected a number/);
    refuses(parseNumbers, ["1,,2", "1,x"], /expected a number/);
    expect(parseDivisors("0.5,2")).toEqual([0.5, 2]);
    refuses(parseDivisors, ["1,0", "0/3"], /cannot divide by 0/);
  });
});

test("--weights", () => {
  expect(["embed", "split"].map(parseWeights)).toEqual(["embed", "split"]);
  refuses(parseWeights, ["Embed", ""], /expected embed or split/);
});

test("assignments, and lists of texts", () => {
  expect(parseAssignment("x=dir/a=b.npy")).toEqual([{ name: "x", file: "dir/a=b.npy" }]);
  expect(parseAssignment("a.npy", [{ name: "y", file: "b" }])).toEqual([
    { name: "y", file: "b" },
    { name: undefined, file: "a.npy" },
  ]);
  refuses(parseAssignment, ["=a.npy", "x=", ""], /expected NAME=FILE/);
  expect(collect("b", ["a"])).toEqual(["a", "b"]);
});
