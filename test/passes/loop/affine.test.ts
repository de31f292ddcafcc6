import { describe, expect, it } from "vitest";
import {
  constantValue,
  equalPolynomials,
  Indices,
  ordered,
  type Polynomial,
  rebuild,
  splitBy,
} from "../../../compiler/loop/affine.js";
import { add, div, i32Constant, KernelBuilder, mul, sub } from "../../../compiler/loop/builder.js";
import { type Expr, i32, type Variable } from "../../../compiler/loop/ir.js";
import { printKernel } from "../../../compiler/loop/print.js";

const builder = new KernelBuilder("names");
const [i, j, n] = ["i", "j", "n"].map((name) => builder.size(name)) as [Expr, Expr, Expr];
const variableOf = (expr: Expr): Variable => (expr as Expr & { kind: "variable" }).variable;

/** An i32 expression as text. */
function textOf(expr: Expr): string {
  const scope = new KernelBuilder("text");
  const y = scope.buffer("y", "int32", "write", null);
  scope.store(y, 0, expr);
  return printKernel(scope.finish()).match(/y\[0\] = (.*)/)![1]!;
}

describe("polynomials of indices", () => {
  const indices = new Indices();
  const of = (expr: Expr): Polynomial => indices.of(expr);

  it("multiplies out, gathers terms and wraps like i32", () => {
    const expr = sub(mul(add(i, 3), add(mul(n, 2), 4)), mul(mul(n, i), 2));
    expect(textOf(rebuild(of(expr)))).toBe("i * 4 + n * 6 + 12");
    expect(constantValue(of(sub(add(i, 5), add(i, 2))))).toBe(3);
    expect(constantValue(of(mul(add(mul(i, 0), 65536), 65536)))).toBe(0);
  });

  it("takes what is no sum or product as a factor, equal where its structure is equal", () => {
    expect(equalPolynomials(of(add(div(i, 3), j)), of(add(j, div(i, 3))))).toBe(true);
    expect(equalPolynomials(of(div(i, 3)), of(div(i, 4)))).toBe(false);
  });

  it("splits by a variable in which the sum is affine", () => {
    const split = splitBy(of(add(mul(add(mul(i, n), j), 4), n)), variableOf(i))!;
    expect(textOf(rebuild(split.coefficient))).toBe("n * 4");
    expect(textOf(rebuild(split.rest))).toBe("j * 4 + n");
    expect(splitBy(of(mul(i, i)), variableOf(i))).toBeNull();
    expect(splitBy(of(add(div(i, 3), i)), variableOf(i))).toBeNull();
    expect(splitBy(of(j), variableOf(i))!.coefficient.size).toBe(0);
  });

  it("sees through definitions", () => {
    const seen = new Indices(new Map([[variableOf(j), add(mul(i, 8), 2)]]));
    expect(textOf(rebuild(seen.of(add(j, i))))).toBe("i * 9 + 2");
  });

  it("does not multiply out what would become too long", () => {
    const sum = (count: number): Expr => {
      const sizes = Array.from({ length: count }, (_, at) => builder.size(`s${at}`));
      return sizes.reduce((a, b) => add(a, b));
    };
    expect(of(mul(sum(6), sum(6))).size).toBe(1);
    expect(of(mul(sum(4), sum(4))).size).toBe(16);
  });

  it("rebuilds in the order of loops", () => {
    const depths = new Map([n, i, j].map((expr, depth) => [variableOf(expr), depth]));
    const depth = (factor: Expr): number => depths.get(variableOf(factor))!;
    const index = add(add(mul(j, 5), 1), mul(mul(i, n), 3));
    expect(textOf(rebuild(ordered(of(index), depth)))).toBe("n * 3 * i + j * 5 + 1");
    expect(textOf(rebuild(ordered(of(sub(i32Constant(7), j)), depth)))).toBe("neg(j) + 7");
    expect(rebuild(new Map()).type).toEqual(i32);
  });
});
