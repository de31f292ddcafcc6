/**
 * What constant folding may still do in one compilation. A model of a few bytes can ask for gigabytes of constants, or
 * for years of arithmetic; what goes beyond the budget is left to the run, which has more memory and is much faster.
 */

import type { Limits } from "../limits.js";

/** A result may be as large as this, or so many times as large as what it is made of: unpacked weights are. */
const smallBytes = 16 * 1024 * 1024;
const growth = 8;
/** Operations for each byte of the model: weights are transposed, scaled and cast. */
const operationsPerByte = 4;
/** Operations in the time that a pass of an interpreted loop takes. */
const operationsPerPass = 4;

export class FoldingBudget {
  private bytes: number;
  private operations: number;

  constructor({ foldedBytes, foldedOperations }: Limits, modelBytes = 0) {
    this.bytes = foldedBytes;
    this.operations = foldedOperations + operationsPerByte * modelBytes;
  }

  /** Spends what a node takes: bytes in and out, and operations that are known beforehand. False where it is too much. */
  spend(inputBytes: number, resultBytes: number, operations: number): boolean {
    const isLarge = resultBytes > smallBytes && resultBytes > growth * inputBytes;
    if (isLarge || resultBytes > this.bytes || operations > this.operations) return false;
    this.bytes -= resultBytes;
    this.operations -= operations;
    return true;
  }

  /** Spends passes of a loop while a kernel is interpreted. */
  readonly spendPasses = (passes: number): void => {
    this.operations -= operationsPerPass * passes;
    if (this.operations < 0) throw new BudgetSpent();
  };
}

/** Ends an evaluation that takes too long. */
export class BudgetSpent extends Error {
  constructor() {
    super("constant folding takes too long");
  }
}
