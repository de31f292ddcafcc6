/**
 * Binary operators before opset 7 (logical and comparison ones too): operands have the same shape unless the attribute
 * `broadcast` is set; then the second one's dims are those of the first from `axis` on, or its last ones.
 */

import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, type ImportedNode, type OperatorVersion, oldVersion } from "./operator.js";

const attributes = { axis: attribute.optional("int"), broadcast: attribute.int(0) } as const;

export const binaryVersions = (name: string, since: readonly number[]): OperatorVersion[] =>
  since.map((version) =>
    oldVersion(version, attributes, (b, [x, y], view) => [b.op(name, [x!, alignOperand(b, x!, y!, view)])]),
  );

/** The second operand with dims of one element behind it, so that it lies at the given axis of the first. */
function alignOperand(b: GraphBuilder, x: Value, y: Value, view: ImportedNode<typeof attributes>): Value {
  const { axis, broadcast } = view.attributes;
  if (broadcast === 0 || axis === undefined || y.rank === 0) return y;
  const start = axis < 0 ? axis + x.rank : axis;
  const behind = x.rank - start - y.rank;
  if (start < 0 || behind < 0) view.fail(`axis ${axis} puts ${y.rank} dims outside of ${x.rank}`);
  if (behind === 0) return y;
  return b.op("Unsqueeze", [y, b.ints(Array.from({ length: behind }, (_, i) => y.rank + i))]);
}
