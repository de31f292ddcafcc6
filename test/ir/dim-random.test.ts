/** Random expressions of dims against the same arithmetic on plain numbers, and against their own text and bounds. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addDims,
  ceilDivDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  minDims,
  modDims,
  multiplyDims,
  printDim,
  substituteDim,
  subtractDims,
  symbolDim,
} from "../../compiler/ir/dim.js";
import { dimBounds } from "../../compiler/ir/dim-bounds.js";
import { parseDim } from "../../compiler/ir/dim-parse.js";

/** An operation tree, to be evaluated as dims and as numbers. */
type Tree = number | string | { readonly op: Operation; readonly a: Tree; readonly b: Tree };
type Operation = keyof typeof onNumbers;

const onNumbers = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  floordiv: (a: number, b: number) => Math.floor(a / b),
  ceildiv: (a: number, b: number) => Math.ceil(a / b),
  mod: (a: number, b: number) => a - Math.floor(a / b) * b,
  min: Math.min,
  max: Math.max,
};
const onDims: Record<Operation, (a: Dim, b: Dim) => Dim> = {
  add: addDims,
  sub: subtractDims,
  mul: multiplyDims,
  floordiv: floorDivDims,
  ceildiv: ceilDivDims,
  mod: modDims,
  min: minDims,
  max: maxDims,
};

/** The first may stand in divisors, and are never zero. */
const divisors = ["N", "batch size"] as const;
const symbols = [...divisors, "H", "min", "_"] as const;
function asDim(tree: Tree): Dim {
  if (typeof tree === "number") return tree;
  return typeof tree === "string" ? symbolDim(tree) : onDims[tree.op](asDim(tree.a), asDim(tree.b));
}

function asNumber(tree: Tree, bindings: ReadonlyMap<string, number>): number {
  if (typeof tree === "number") return tree;
  if (typeof tree === "string") return bindings.get(tree)!;
  return onNumbers[tree.op](asNumber(tree.a, bindings), asNumber(tree.b, bindings));
}

const leaf = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(...symbols));
/** Positive for all bindings used here. */
const divisor: fc.Arbitrary<Tree> = fc.oneof(
  fc.integer({ min: 1, max: 8 }),
  fc.constantFrom(...divisors),
  fc.record({
    op: fc.constant("add" as const),
    a: fc.constantFrom(...divisors),
    b: fc.integer({ min: 0, max: 4 }),
  }),
  fc.record({
    op: fc.constant("mul" as const),
    a: fc.integer({ min: 1, max: 3 }),
    b: fc.constantFrom(...divisors),
  }),
  fc.record({
    op: fc.constant("mul" as const),
    a: fc.constantFrom(...divisors),
    b: fc.constantFrom(...divisors),
  }),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, depthIdentifier: "dim", withCrossShrink: true },
    leaf,
    fc.record({ op: fc.constantFrom("add", "sub", "mul", "min", "max"), a: tie("tree"), b: tie("tree") }),
    fc.record({ op: fc.constantFrom("floordiv", "ceildiv", "mod"), a: tie("tree"), b: divisor }),
  ),
}));

const dimOf = (symbol: string) =>
  fc.integer({ min: (divisors as readonly string[]).includes(symbol) ? 1 : 0, max: 12 });
const bindings = fc
  .tuple(...symbols.map(dimOf))
  .map((values) => new Map(symbols.map((name, i) => [name as string, values[i]!])));
const runs = { numRuns: 2000 };

describe("random expressions", () => {
  test("with all symbols bound are the numbers that plain arithmetic gives", () => {
    fc.assert(
      fc.property(tree, bindings, (tree, bound) => {
        const expected = asNumber(tree, bound);
        fc.pre(Number.isSafeInteger(expected));
        const value = substituteDim(asDim(tree), bound);
        expect(isStatic(value)).toBe(true);
        expect(value === expected).toBe(true);
        expect(Object.is(value, -0)).toBe(false);
      }),
      runs,
    );
  });

  test("may be bound one symbol at a time, and renamed", () => {
    fc.assert(
      fc.property(tree, bindings, (tree, bound) => {
        let dim = asDim(tree);
        const renamed = new Map(symbols.map((name) => [name as string, symbolDim(`${name}'`)]));
        for (const [name, value] of renamed) dim = substituteDim(dim, new Map([[name, value]]));
        for (const [name, value] of bound) dim = substituteDim(dim, new Map([[`${name}'`, value]]));
        expect(dim === asNumber(tree, bound)).toBe(true);
      }),
      runs,
    );
  });

  test("print text that parses to the same text", () => {
    fc.assert(
      fc.property(tree, (tree) => {
        const dim = asDim(tree);
        expect(printDim(parseDim(printDim(dim)))).toBe(printDim(dim));
      }),
      runs,
    );
  });

  test("that are equal polynomials have equal text", () => {
    fc.assert(
      fc.property(tree, tree, tree, (x, y, z) => {
        const [a, b, c] = [asDim(x), asDim(y), asDim(z)];
        const same = (left: Dim, right: Dim) => expect(printDim(left)).toBe(printDim(right));
        same(multiplyDims(addDims(a, b), c), addDims(multiplyDims(a, c), multiplyDims(b, c)));
        same(multiplyDims(multiplyDims(a, b), c), multiplyDims(a, multiplyDims(b, c)));
        same(addDims(addDims(a, b), c), addDims(c, addDims(b, a)));
        same(subtractDims(a, subtractDims(b, c)), addDims(subtractDims(a, b), c));
        expect(subtractDims(a, a)).toBe(0);
        same(minDims(a, b), minDims(b, a));
        same(maxDims(a, b), maxDims(b, a));
      }),
      runs,
    );
  });

  test("stay within their bounds", () => {
    const ranges = fc.tuple(...symbols.map((name) => fc.tuple(dimOf(name), dimOf(name), dimOf(name))));
    fc.assert(
      fc.property(tree, ranges, fc.boolean(), (tree, ranges, listed) => {
        const sorted = ranges.map((range) => [...range].sort((a, b) => a - b));
        const bounds = new Map(
          symbols.map((name, i) => [name as string, { min: sorted[i]![0]!, max: sorted[i]![2]! }]),
        );
        const value = asNumber(tree, new Map(symbols.map((name, i) => [name, sorted[i]![1]!])));
        const { min, max } = dimBounds(asDim(tree), listed ? bounds : new Map());
        expect(min <= value && value <= max).toBe(true);
      }),
      runs,
    );
  });
});
