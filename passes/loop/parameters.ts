/**
 * Parameters for the numbers in which kernels differ. A column holds a number for each kernel; few columns become
 * parameters, the others are computed from these: addresses of neighbouring rows, for one, are multiples of a stride.
 */

export type Column = readonly number[];

/** How a column is had: a parameter of the kernel, or arithmetic on columns that stand before it. */
export type Formula =
  | { readonly kind: "parameter"; readonly column: Column }
  | { readonly kind: "multiple"; readonly of: number; readonly by: number }
  | { readonly kind: "beyond"; readonly of: number; readonly by: number }
  | { readonly kind: "sum"; readonly of: number; readonly and: number };

/** Formulas in order, the smallest columns first. */
export class Parameters {
  readonly formulas: Formula[] = [];
  private readonly columns: Column[] = [];
  private readonly places = new Map<string, number>();

  constructor(columns: readonly Column[]) {
    const distinct = new Map(columns.map((column) => [column.join(), column]));
    const sizeOf = (column: Column): number => column.reduce((a, b) => a + b, 0);
    for (const column of [...distinct.values()].sort((a, b) => sizeOf(a) - sizeOf(b))) this.add(column);
  }

  /** Number of the formula that gives a column. */
  placeOf(column: Column): number {
    return this.places.get(column.join())!;
  }

  /** Number of the formula that gives how much further one column goes than another, if there is one. */
  placeOfStep(from: number, to: number): number | undefined {
    return this.places.get(differences(this.columns[to]!, this.columns[from]!).join());
  }

  private add(column: Column): void {
    const formula = this.multiple(column) ?? this.beyond(column) ?? this.sum(column);
    this.formulas.push(formula ?? { kind: "parameter", column });
    this.places.set(column.join(), this.columns.push(column) - 1);
  }

  private multiple(column: Column): Formula | undefined {
    for (const [of, other] of this.columns.entries()) {
      const at = other.findIndex((value) => value !== 0);
      if (at < 0) continue;
      const by = column[at]! / other[at]!;
      if (Number.isInteger(by) && column.every((value, i) => value === by * other[i]!)) {
        return { kind: "multiple", of, by };
      }
    }
    return undefined;
  }

  private beyond(column: Column): Formula | undefined {
    for (const [of, other] of this.columns.entries()) {
      const by = column[0]! - other[0]!;
      if (column.every((value, i) => value - other[i]! === by)) return { kind: "beyond", of, by };
    }
    return undefined;
  }

  private sum(column: Column): Formula | undefined {
    for (const [of, other] of this.columns.entries()) {
      const and = this.places.get(differences(column, other).join());
      if (and !== undefined) return { kind: "sum", of, and };
    }
    return undefined;
  }
}

const differences = (a: Column, b: Column): Column => a.map((value, i) => value - b[i]!);
