/** Operators of com.microsoft that are expressions of others. */

import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import {
  type AttributeSchema,
  defineExpansion,
  type ImportedNode,
  type Operator,
  type OperatorFacets,
} from "./operator.js";

interface Contrib<S extends AttributeSchema>
  extends Pick<OperatorFacets<S>, "name" | "summary" | "inputs" | "types" | "attributes"> {
  readonly compute: (b: GraphBuilder, inputs: readonly (Value | null)[], view: ImportedNode<S>) => Value;
}

/** An operator of com.microsoft with one result. */
export const contrib = <const S extends AttributeSchema>({ compute, ...rest }: Contrib<S>): Operator =>
  defineExpansion<S>({
    ...rest,
    domain: "com.microsoft",
    versions: [{ since: 1 }],
    expand: (b, inputs, view) => [compute(b, inputs, view)],
  });
