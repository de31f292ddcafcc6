/** Dims: normal form, errors, text and bounds. Random expressions have their own file. */

import { describe, expect, test } from "vitest";
import {
  addDims,
  applyDimOperation,
  ceilDivDims,
  type Dim,
  dimSymbols,
  equalDims,
  floorDivDims,
  maxDims,
  minDims,
  modDims,
  multiplyDims,
  printDim,
  staticDim,
  substituteDim,
  subtractDims,
  symbolDim,
} from "../../compiler/ir/dim.js";
import { dimBounds } from "../../compiler/ir/dim-bounds.js";
import { parseDim } from "../../compiler/ir/dim-parse.js";

const N = symbolDim("N");
const H = symbolDim("H");
const W = symbolDim("W");

describe("normal form", () => {
  const texts: readonly (readonly [Dim, string])[] = [
    [addDims(N, 0), "N"],
    [multiplyDims(N, 0), "0"],
    [subtractDims(multiplyDims(4, H), -2), "4*H + 2"],
    [subtractDims(1, N), "-1*N + 1"],
    [multiplyDims(addDims(N, 1), subtractDims(N, 1)), "N*N + -1"],
    [multiplyDims(symbolDim("a b"), N), '"a b"*N'],
    [floorDivDims(multiplyDims(6, N), 3), "2*N"],
    [floorDivDims(addDims(multiplyDims(2, N), 3), 2), "N + 1"],
    [floorDivDims(subtractDims(H, 1), 2), "floordiv(H + 1, 2) + -1"],
    [floorDivDims(multiplyDims(2, N), 4), "floordiv(N, 2)"],
    [floorDivDims(addDims(multiplyDims(2, N), 5), 6), "floordiv(N + 2, 3)"],
    [floorDivDims(multiplyDims(N, H), H), "N"],
    [floorDivDims(addDims(multiplyDims(N, H), W), H), "N + floordiv(W, H)"],
    [floorDivDims(addDims(N, H), addDims(H, N)), "1"],
    [floorDivDims(N, -2), "floordiv(-1*N, 2)"],
    [floorDivDims(floorDivDims(N, 2), 3), "floordiv(N, 6)"],
    [ceilDivDims(N, 2), "floordiv(N + 1, 2)"],
    [modDims(addDims(multiplyDims(4, N), 7), 4), "3"],
    [modDims(addDims(multiplyDims(5, N), 7), 4), "mod(N + 3, 4)"],
    [modDims(addDims(N, 1), addDims(N, 1)), "0"],
    [modDims(N, -3), "-1*mod(-1*N, 3)"],
    [minDims(N, addDims(N, 2)), "N"],
    [maxDims(N, addDims(N, H)), "H + N"],
    [maxDims(N, 0), "N"],
    [minDims(0, N), "0"],
    [minDims(N, Number(2n ** 63n - 1n)), "N"],
    [maxDims(subtractDims(N, 1), 0), "max(0, N + -1)"],
    [minDims(H, N), "min(H, N)"],
  ];
  test.each(texts)("%s", (dim, text) => expect(printDim(dim)).toBe(text));

  test("two layers of stride 2 and one of stride 4 agree on the size", () => {
    const half = (size: Dim) => addDims(floorDivDims(subtractDims(addDims(size, 2), 3), 2), 1);
    expect(printDim(half(half(H)))).toBe("floordiv(H + 3, 4)");
    expect(equalDims(half(half(half(H))), ceilDivDims(H, 8))).toBe(true);
  });

  test("zero has one sign", () => {
    const zeros = [
      multiplyDims(0, -3),
      floorDivDims(0, -2),
      ceilDivDims(-1, 2),
      modDims(-4, 2),
      multiplyDims(N, -0),
    ];
    for (const zero of zeros) expect(zero).toBe(0);
  });

  test("what depends on what", () => {
    const dim = addDims(floorDivDims(N, addDims(H, 1)), minDims(symbolDim("a b"), W));
    expect([...dimSymbols(dim)].sort()).toEqual(["H", "N", "W", "a b"]);
    expect(printDim(substituteDim(dim, new Map([["H", 1]])))).toBe('floordiv(N, 2) + min("a b", W)');
  });
});

describe("errors", () => {
  test("division by zero is a bug of the caller", () => {
    const internal = expect.objectContaining({ code: "E_INTERNAL" });
    expect(() => floorDivDims(N, 0)).toThrow(internal);
    expect(() => floorDivDims(4, 0)).toThrow(internal);
    expect(() => modDims(4, 0)).toThrow(internal);
    expect(() => applyDimOperation("mod", N, 0)).toThrow(internal);
  });

  test("a dim that must be known says how to bind it", () => {
    expect(staticDim(3, "the kernel")).toBe(3);
    expect(() => staticDim(N, "the kernel")).toThrow(
      'the kernel must be known at compile time, but is N\n  hint: bind it with --dim "N=N"',
    );
  });

  test("expressions that double with every step end in an error", () => {
    const limit = expect.objectContaining({ code: "E_LIMIT" });
    const grow = (step: (dim: Dim) => Dim) => () => {
      let dim = addDims(N, H);
      for (let i = 0; i < 64; i++) dim = step(dim);
    };
    expect(grow((dim) => multiplyDims(dim, dim))).toThrow(limit);
    expect(grow((dim) => minDims(multiplyDims(dim, W), addDims(floorDivDims(dim, 2), 1)))).toThrow(limit);
    expect(grow((dim) => multiplyDims(dim, 1 << 20))).toThrow(limit);
  });

  test("a polynomial of a thousand terms is built in little time", () => {
    let sum: Dim = 0;
    for (let i = 0; i < 1000; i++) sum = addDims(sum, floorDivDims(symbolDim(`s${i}`), 7));
    expect(printDim(sum).split(" + ").length).toBe(1000);
    expect(equalDims(subtractDims(addDims(sum, N), sum), N)).toBe(true);
  });
});

describe("parsing", () => {
  test.each([
    ["4*H - 2", "4*H + -2"],
    ["-N", "-1*N"],
    ["(N+1)*(N-1)", "N*N + -1"],
    ["N - -3", "N + 3"],
    ["2 * 3 + 1", "7"],
    ["min", "min"],
    ["min(min, 2)", "min(2, min)"],
    ['"min"*"a\\"b"', '"a\\"b"*min'],
    ["floordiv(7, 2)", "3"],
    ["mod(-7, 4)", "1"],
    ["1e3", "1000"],
  ])("%s", (text, canonical) => expect(printDim(parseDim(text))).toBe(canonical));

  test.each([
    ["", "line 1, column 1: expected a dim, found the end of the text"],
    ["N +", "line 1, column 4: expected a dim"],
    ["2.5", "line 1, column 1: a dim cannot be 2.5"],
    ["min(N)", 'line 1, column 6: expected ",", found ")"'],
    ["(N", 'expected ")"'],
    ["N N", "line 1, column 3: expected the end of the dim"],
    ['"N', "unexpected character"],
  ])("%s fails", (text, message) =>
    expect(() => parseDim(text)).toThrow(
      expect.objectContaining({ code: "E_PARSE", message: expect.stringContaining(message) }),
    ),
  );
});

describe("bounds", () => {
  const within = (min: number, max: number) => ({ min, max });
  const bounds = new Map([
    ["N", within(1, 8)],
    ["H", within(3, 10)],
    ["D", within(-4, 5)],
  ]);
  const infinity = Number.POSITIVE_INFINITY;
  test.each([
    ["7", 7, 7],
    ["N", 1, 8],
    ["W", 0, infinity],
    ["-2*W + 3", -infinity, 3],
    ["0*W", 0, 0],
    ["N*H - 1", 2, 79],
    ["N*W", 0, infinity],
    ["D*D", 0, 25],
    ["D*D*D", -64, 125],
    ["D*N", -32, 40],
    ["floordiv(H + 1, 2)", 2, 5],
    ["floordiv(N, H)", 0, 2],
    ["floordiv(D, H)", -2, 1],
    ["floordiv(H, D)", -10, 10],
    ["floordiv(W, W + N)", 0, infinity],
    ["floordiv(D, W + 1)", -4, 5],
    ["mod(H, 4)", 0, 3],
    ["mod(N, 16)", 1, 8],
    ["mod(N, W + 1)", 0, 8],
    ["mod(D, 4)", 0, 3],
    ["mod(H, D)", -3, 4],
    ["min(H, W)", 0, 10],
    ["max(H, W)", 3, infinity],
  ])("%s", (text, min, max) => expect(dimBounds(parseDim(text), bounds)).toEqual({ min, max }));
});
