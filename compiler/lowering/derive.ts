/** Constants that the first run computes from smaller ones. */

import type { Buffer } from "../loop/ir.js";
import type { Call } from "../loop/program.js";
import type { Derivation, DerivationScope } from "./context.js";
import type { Lowering } from "./lower.js";
import { narrowed } from "./narrow.js";
import { KernelScope, type Placement } from "./scope.js";
import { dense } from "./strided.js";

/** A buffer for the result, and the call that computes it. */
export function derive(
  lowering: Lowering,
  key: string,
  { from, dims, name, build }: Derivation,
): { readonly placement: Placement; readonly call: Call } {
  const source = lowering.placeAsIs(`${key}.from`, narrowed(from) ?? from);
  const type = { dtype: "float32", shape: dims } as const;
  const placement = { buffer: lowering.newBuffer(key, type, "kept"), strided: dense(dims) };
  const scope = new Scope(name, lowering);
  build(scope, scope.view("w", source, "read"), scope.view("y", placement, "write"));
  const call = { ...scope.finishCall(), kind: "call", source: [], flops: 0, inPlace: [] } as const;
  return { placement, call };
}

class Scope extends KernelScope implements DerivationScope {
  constructor(
    name: string,
    private readonly lowering: Lowering,
  ) {
    super(name);
  }

  tileMemory(elements: number): Buffer {
    return this.view("tile", this.lowering.tileMemory("derive", elements), "scratch").buffer;
  }
}
