/** How the tables of operations are written. */

import type { OpName } from "../loop/ir.js";
import type { Instruction } from "./builder.js";
import type { Node, Nodes } from "./nodes.js";

/** Makes the nodes of an operation from those of its operands. */
export type Rule = (nodes: Nodes, args: readonly Node[], immediates: readonly number[]) => Node;

export type Rules = { readonly [O in OpName]?: Rule };

type MemberOf<S extends string> = Instruction extends infer I
  ? I extends `${S}.${infer M}`
    ? M
    : never
  : never;

/** Operations that are one instruction of their own name. */
export function direct<S extends string>(
  shape: S,
  names: readonly (OpName & MemberOf<S>)[],
): { readonly [O in OpName]?: Rule } {
  return Object.fromEntries(names.map((name) => [name, one(`${shape}.${name}` as Instruction)]));
}

/** An operation that is this one instruction. */
export const one =
  (name: Instruction): Rule =>
  (nodes, args, immediates) =>
    nodes.pure(name, args, immediates);
