/** A stretch of local nodes with one result that anything behind it uses. */

import type { Value } from "../../../compiler/ir/graph.js";
import type { LocalNode, Use } from "./local-node.js";

/** Parts are spans of rows, and of columns where there are any: the first two spatial dims. */
export const ROWS = 2;
export const COLUMNS = 3;

export class Segment {
  /** Number of the node that makes a value. */
  readonly numberOf: ReadonlyMap<Value, number>;
  /** For every node, those whose results it uses. */
  readonly producers: readonly (readonly number[])[];
  /** For every node, those that use its result. */
  readonly users: readonly (readonly number[])[];
  readonly rows: number;
  readonly columns: number;

  /** @param locals in order; the result of the last is that of the segment */
  private constructor(readonly locals: readonly LocalNode[]) {
    this.numberOf = new Map(locals.map(({ result }, i) => [result, i]));
    this.producers = locals.map(({ uses }) => [
      ...new Set(uses.flatMap((use) => this.numberOf.get(use.input) ?? [])),
    ]);
    this.users = locals.map((_, i) =>
      locals.flatMap((_user, j) => (this.producers[j]!.includes(i) ? [j] : [])),
    );
    const { shape } = this.exit;
    this.rows = shape[ROWS] as number;
    this.columns = (shape[COLUMNS] ?? 1) as number;
  }

  get exit(): Value {
    return this.locals.at(-1)!.result;
  }

  /** Null where the rows of a value inside are not rows of what is made of it. */
  static of(locals: readonly LocalNode[]): Segment | null {
    if (locals.some(({ result }) => result.rank <= ROWS)) return null;
    const segment = new Segment(locals);
    const fits = locals.every(({ uses, result }) =>
      uses.every((use) => !segment.numberOf.has(use.input) || keepsAxes(use, result.rank)),
    );
    return fits ? segment : null;
  }
}

function keepsAxes({ input, reach }: Use, rank: number): boolean {
  if (input.rank !== rank) return false;
  return reach.every((along, axis) =>
    axis === ROWS || axis === COLUMNS ? along?.axis === axis : along === null || along.axis === axis,
  );
}
