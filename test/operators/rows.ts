/** Tables of single operators, inputs and results worked out by hand. */

import { describe, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { expectResults, type Given, type NodeCase, of } from "./harness.js";

type Row = readonly [title: string, node: NodeCase, expected: readonly Exclude<Given, null>[]];

/** A test for each row: evaluation and interpretation both give what is expected. */
export function rows(title: string, table: readonly Row[]): void {
  describe(title, () => {
    test.each(table.map((row) => [...row] as const))("%s", (_, node, expected) =>
      expectResults(node, expected),
    );
  });
}

export const vector = (dtype: DType, ...values: number[]): TensorData => of(dtype, [values.length], values);
export const scalar = (dtype: DType, value: number): TensorData => of(dtype, [], [value]);
export const bools = (...values: number[]): TensorData => vector("bool", ...values);

/** [[1, 2, 3], [4, 5, 6]]. */
export const matrix = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
