/** Which operator, in which version, a node of the model means, and whether it takes what the node gives it. */

import { KilnError } from "../diagnostics.js";
import { Value } from "../ir/graph.js";
import { findOperator, qualifiedName } from "../operators/index.js";
import type { Operator, OperatorVersion } from "../operators/operator.js";
import { EitherRank, type Known } from "./import-scope.js";
import type { OnnxNode } from "./model.js";
import { refusalOf } from "./refused.js";

export interface Found {
  readonly operator: Operator;
  readonly version: OperatorVersion;
}

/** The operator of a node in the version that its opset means, or E_UNSUPPORTED. */
export function findVersion(node: OnnxNode): Found {
  const name = qualifiedName(node.domain, node.opType);
  const operator = findOperator(name);
  if (operator === undefined) {
    const refusal = refusalOf(name);
    if (refusal !== undefined) unsupported(refusal);
    const domain = node.domain === "" ? "" : ` of domain ${node.domain}`;
    return unsupported(`the operator${domain} is not supported`);
  }
  let version: OperatorVersion | undefined;
  for (const candidate of operator.versions) {
    if (candidate.since <= node.opset && candidate.since >= (version?.since ?? 0)) version = candidate;
  }
  if (version === undefined) {
    const first = Math.min(...operator.versions.map(({ since }) => since));
    return unsupported(`the operator is supported from opset ${first} on`);
  }
  return { operator, version };
}

/** All that are not optional must be there: the code of operators relies on it. */
export function checkInputs(
  node: OnnxNode,
  inputs: readonly (Value | null)[],
  { operator, version }: Found,
): void {
  const names = version.inputs ?? operator.inputs;
  const missing = names.findIndex((name, i) => !name.endsWith("?") && (inputs[i] ?? null) === null);
  if (missing >= 0)
    throw modelError(node, `input ${missing} (${names[missing]!.replace("...", "")}) is missing`);
  const isVariadic = names.at(-1)?.endsWith("...") ?? false;
  if (isVariadic && inputs.includes(null))
    throw modelError(node, `input ${inputs.indexOf(null)} is left out`);
  const most = Math.max(names.length, operator.inputs.length);
  if (!isVariadic && inputs.length > most) throw modelError(node, `has ${inputs.length} inputs, not ${most}`);
}

/** True where the result does not depend on how many ones stand in front of an operand's dims. */
export function broadcastsAway(given: readonly (Known | null)[], { operator, version }: Found): boolean {
  // The second input of CastLike only says the type.
  if (operator.name === "CastLike") return given[0] instanceof Value;
  if (operator.pointwise === undefined || version.upgrade !== undefined) return false;
  const rank = Math.max(...given.map((value) => (value instanceof Value ? value.rank : 0)));
  return given.every((value) => !(value instanceof EitherRank) || value.value.rank <= rank);
}

export const modelError = (node: OnnxNode, reason: string): KilnError =>
  new KilnError("E_MODEL", reason, { node: node.name, operator: node.opType });

export function unsupported(reason: string): never {
  throw new KilnError("E_UNSUPPORTED", reason);
}
