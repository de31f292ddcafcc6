/** Ranges of i32 expressions while a pass walks a kernel from its first statement to its last. */

import { op, read } from "../../compiler/loop/builder.js";
import { type Expr, type Kernel, parametersOf, type Statement } from "../../compiler/loop/ir.js";
import { IndexRanges, type Reached } from "../../compiler/loop/verify-bounds.js";

export class KernelRanges extends IndexRanges {
  constructor(kernel: Kernel) {
    super();
    // A size is never negative: masking its sign bit off leaves it as it is.
    for (const size of parametersOf(kernel)) this.define(size, op("and", read(size), 0x7fff_ffff));
  }

  /** Takes in what a statement says of its variable, before its blocks are entered; says how its body is reached. */
  enter(statement: Statement): Reached {
    this.nextStatement();
    if (statement.kind === "let") this.define(statement.variable, statement.value);
    if (statement.kind !== "for") return "always";
    return this.defineLoop(statement.variable, statement.start, statement.end, statement.step);
  }

  /**
   * True for an extent that cannot be negative. Sums and products of such extents count too, although their range may
   * seem to wrap: they are numbers of elements, and memory has no place for so many.
   */
  isExtent(expr: Expr): boolean {
    if (this.range(expr).low >= 0) return true;
    const grows = expr.kind === "op" && (expr.op === "mul" || expr.op === "add");
    return grows && expr.args.every((arg) => this.isExtent(arg));
  }
}
