/**
 * Two loops that walk memory as one become one.
 *
 *   for i in 0..M { for j in 0..N { y[i * N + j] = f(x[i * N + j], b[0]) } }   ->   for ij in 0..M * N { ... }
 *
 * The nest must be perfect, and its variables must occur in indices only. An index is a polynomial; where the
 * coefficient of the outer variable is N times that of the inner one (both 0 for an operand that is broadcast over
 * both), `c * N * i + c * j` is `c * ij`. Applied from the inside out, so that a contiguous nest of any depth ends
 * as one loop, which then has the fewest remainders when it is vectorised.
 *
 * The order of the iterations stays the same. A merged loop that is vectorised or parallel claims more independence
 * than its parts did, so then every buffer that is stored to may be touched at one index only.
 */

import { equalPolynomials, Indices, type Polynomial, rebuild, splitBy } from "../../compiler/loop/affine.js";
import { constantIndex, mul, read } from "../../compiler/loop/builder.js";
import {
  type Buffer,
  type Expr,
  type For,
  i32,
  type Kernel,
  type LoopMode,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import {
  bottomUp,
  dependsOn,
  exprsIn,
  mapBlocks,
  mapOperands,
  Names,
  statementsIn,
} from "../../compiler/loop/rewrite.js";
import { inlineIndexLets } from "./inline.js";
import type { LoopPass } from "./pass.js";
import { KernelRanges } from "./ranges.js";

type Block = readonly Statement[];

export const collapse: LoopPass = {
  name: "collapse",
  run(kernel) {
    const collapsing = new Collapsing(kernel);
    return { ...kernel, body: collapsing.block(kernel.body) };
  },
};

class Collapsing {
  private readonly names: Names;
  private readonly ranges: KernelRanges;

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
    this.ranges = new KernelRanges(kernel);
  }

  block(block: Block): Statement[] {
    return block.map((statement) => {
      this.ranges.enter(statement);
      const inside = mapBlocks(statement, (inner) => this.block(inner));
      return inside.kind === "for" ? (this.merge(inside) ?? inside) : inside;
    });
  }

  /** The loop merged with the one that is its whole body, or null where they do not walk memory as one. */
  private merge(outer: For): For | null {
    if (!isAlmostPerfect(outer)) return null;
    const body = inlineIndexLets(outer.body, new Set([outer.variable]));
    const inner = body[0];
    if (body.length !== 1 || inner?.kind !== "for" || !this.mergeableBounds(outer, inner)) return null;
    const mode = mergedMode(outer.mode, inner.mode);
    if (mode === null) return null;
    const name = `${outer.variable.name}_${inner.variable.name}`;
    const variable = this.names.variable(name, i32);
    const statements = inlineIndexLets(inner.body, new Set([outer.variable, inner.variable]));
    const merged = mergeIndices(statements, outer, inner, variable);
    if (merged === null) return null;
    if (claimsMore(mode, outer.mode, inner.mode) && !touchesOneIndex(merged)) return null;
    return { ...inner, variable, end: mul(outer.end, inner.end), mode, body: merged };
  }

  private mergeableBounds(outer: For, inner: For): boolean {
    // Two negative extents would have a positive product.
    const extentsCount = [outer, inner].every(({ end }) => this.ranges.isExtent(end));
    return extentsCount && !dependsOn(inner.end, new Set([outer.variable]));
  }
}

/** True for two loops that count from zero with nothing but lets between them, which may be index arithmetic. */
function isAlmostPerfect(outer: For): boolean {
  const inner = outer.body.at(-1);
  if (inner?.kind !== "for" || outer.body.slice(0, -1).some(({ kind }) => kind !== "let")) return false;
  return [outer, inner].every(({ start, step }) => constantIndex(start) === 0 && step === 1);
}

/** What a merged loop may be, or null where merging would lose what was asked for. */
function mergedMode(outer: LoopMode, inner: LoopMode): LoopMode | null {
  if (outer === "unroll" || inner === "unroll") return null;
  if (inner === "vectorize") return "vectorize";
  if (outer === "vectorize") return null;
  return outer === "parallel" ? "parallel" : "serial";
}

const claimsMore = (merged: LoopMode, outer: LoopMode, inner: LoopMode): boolean =>
  merged !== "serial" && (outer !== merged || inner !== merged);

/** The statements with every index in terms of the merged variable, or null where one cannot be put so. */
function mergeIndices(block: Block, outer: For, inner: For, merged: Variable): Statement[] | null {
  const replaced = new Set([outer.variable, inner.variable]);
  const indices = new Indices();
  const extent = indices.of(inner.end);
  let possible = true;
  const mergeIndex = (index: Expr): Expr => {
    const result = mergePolynomial(
      indices,
      indices.of(index),
      [outer.variable, inner.variable],
      extent,
      merged,
    );
    possible &&= result !== null;
    return result === null ? index : rebuild(result);
  };
  const map = bottomUp((expr) =>
    expr.kind === "load" && dependsOn(expr.index, replaced)
      ? { ...expr, index: mergeIndex(expr.index) }
      : expr,
  );
  const mapBlock = (statements: Block): Statement[] =>
    statements.map((statement) => {
      if (!possible) return statement;
      const mapped = mapBlocks(mapOperands(statement, map), mapBlock);
      if (mapped.kind !== "store" || !dependsOn(mapped.index, replaced)) return mapped;
      return { ...mapped, index: mergeIndex(mapped.index) };
    });
  const result = mapBlock(block);
  // What still reads one of the two variables used it for something else than an index.
  return possible && !exprsIn(result).some((expr) => dependsOn(expr, replaced)) ? result : null;
}

function mergePolynomial(
  indices: Indices,
  polynomial: Polynomial,
  [outer, inner]: [Variable, Variable],
  extent: Polynomial,
  merged: Variable,
): Polynomial | null {
  const byOuter = splitBy(polynomial, outer);
  const byInner = byOuter && splitBy(byOuter.rest, inner);
  if (byOuter === null || byInner === null) return null;
  const wanted = indices.product(extent, byInner.coefficient);
  if (wanted === null || !equalPolynomials(byOuter.coefficient, wanted)) return null;
  const walk = indices.product(indices.of(read(merged)), byInner.coefficient);
  return walk && indices.sum(walk, byInner.rest);
}

/** True where each buffer that is stored to is only touched at one index, the same in all its accesses. */
function touchesOneIndex(block: Block): boolean {
  const indices = new Indices();
  const stored = new Map<Buffer, Polynomial>();
  const single = (buffer: Buffer, index: Expr, offset: number): boolean => {
    const place = indices.sum(indices.of(index), indices.of({ kind: "constant", type: i32, value: offset }));
    const known = stored.get(buffer) ?? place;
    stored.set(buffer, known);
    return equalPolynomials(known, place);
  };
  for (const statement of statementsIn(block)) {
    if (statement.kind === "store" && !single(statement.buffer, statement.index, statement.offset))
      return false;
  }
  for (const expr of exprsIn(block)) {
    if (expr.kind !== "load" || !stored.has(expr.buffer)) continue;
    if (!single(expr.buffer, expr.index, expr.offset)) return false;
  }
  return true;
}
