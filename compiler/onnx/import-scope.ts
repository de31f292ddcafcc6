/** What names stand for while a model is imported. */

import type { DType } from "../ir/dtype.js";
import { Value } from "../ir/graph.js";
import type { NameTable } from "./import-builder.js";

/**
 * Stands for a value that cannot be had. Where a reason is given, the first node that uses the value is reported with
 * it; else the cause is reported already.
 */
export class Unknown {
  constructor(readonly reason?: string) {}
}

export const reported = new Unknown();

/** A sequence of tensors: a list that exists only while the model is imported. */
export class Sequence {
  constructor(
    readonly dtype: DType,
    readonly items: readonly Value[],
  ) {}
}

/** An optional without a value. One that has a value is that value. */
export class Absent {}

/** A tensor of the rank of `value`, or of a lower one: then it has ones in front here that it has not in the model. */
export class EitherRank {
  constructor(readonly value: Value) {}
}

/** What a name stands for where nothing is wrong. */
export type Known = Value | Sequence | Absent | EitherRank;

/** Values by name, those of outer graphs included. */
export class Scope {
  private readonly values = new Map<string, Known | Unknown>();

  constructor(private readonly outer?: Scope) {}

  get(name: string): Known | Unknown | undefined {
    return this.values.get(name) ?? this.outer?.get(name);
  }

  set(name: string, value: Known | Unknown): void {
    this.values.set(name, value);
  }
}

/** The names around a region: what the region uses of them becomes one of its inputs. */
export class RegionScope extends Scope {
  readonly captured = new Map<Value, Value>();

  constructor(
    private readonly around: Scope,
    private readonly names: NameTable,
  ) {
    super();
  }

  override get(name: string): Known | Unknown | undefined {
    const own = super.get(name);
    if (own !== undefined) return own;
    const value = this.around.get(name);
    if (value instanceof Sequence)
      return new Sequence(
        value.dtype,
        value.items.map((item) => this.capture(item)),
      );
    if (value instanceof EitherRank) return new EitherRank(this.capture(value.value));
    return value instanceof Value ? this.capture(value) : value;
  }

  capture(value: Value): Value {
    if (value.constant !== null) return value;
    let inner = this.captured.get(value);
    if (inner === undefined) {
      inner = new Value(this.names.derive(value.name), value.type);
      inner.elements = value.elements;
      this.captured.set(value, inner);
    }
    return inner;
  }
}
