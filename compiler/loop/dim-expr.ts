/**
 * Dims as code. They are computed in float64, which holds every product of a tensor's dims that memory could hold and
 * never wraps; what is stored is limited to an i32, so that too large a size is seen to be too large.
 */

import { type Dim, type DimAtom, isStatic } from "../ir/dim.js";
import { constant, type KernelBuilder, op, select } from "./builder.js";
import type { Expr, ExprType } from "./ir.js";

const f64: ExprType = { scalar: "f64", lanes: 1 };
const number = (value: number): Expr => constant(f64, value);

export class DimCode {
  private readonly atoms = new Map<string, Expr>();

  /** @param symbol gives the value of a symbol, as i32 */
  constructor(
    private readonly kernel: KernelBuilder,
    private readonly symbol: (name: string) => Expr,
  ) {}

  /** The dim as i32. */
  value(dim: Dim): Expr {
    return op("f64_to_i32_s", this.expression(dim));
  }

  private expression(dim: Dim): Expr {
    if (isStatic(dim)) return number(dim);
    const terms = dim.terms.map(({ coefficient, atoms }) => {
      const product = atoms.map((atom) => this.atom(atom)).reduce((a, b) => op("mul", a, b));
      return coefficient === 1 ? product : op("mul", product, number(coefficient));
    });
    const sum = terms.reduce((a, b) => op("add", a, b));
    return dim.constant === 0 ? sum : op("add", sum, number(dim.constant));
  }

  private atom(atom: DimAtom): Expr {
    const known = this.atoms.get(atom.text);
    if (known !== undefined) return known;
    const value = atom.kind === "symbol" ? op("i32_to_f64_s", this.symbol(atom.name)) : this.operation(atom);
    const kept = this.kernel.let("dim", value);
    this.atoms.set(atom.text, kept);
    return kept;
  }

  private operation({ kind, a, b }: Exclude<DimAtom, { kind: "symbol" }>): Expr {
    const [x, y] = [this.expression(a), this.expression(b)];
    if (kind === "min" || kind === "max") return op(kind, x, y);
    if (kind === "equal") return select(op("eq", x, y), number(1), number(0));
    const quotient = op("floor", op("div", x, y));
    const result = kind === "floordiv" ? quotient : op("sub", x, op("mul", quotient, y));
    return isStatic(b) ? result : select(op("eq", y, 0), number(0), result);
  }
}
