/**
 * Which of Binaryen's passes run at which level. V8's optimising compiler does everything else better, and what it
 * makes of a loop depends on the order of loads and the number of locals that the loop assigns.
 */

export type OptimizationLevel = 0 | 1 | 2 | 3 | "s";

/**
 * Locals that are read once are computed where they are read, and the rest shares as few locals as possible: V8 (Node 24)
 * made 31 GFLOP/s instead of 39 of a 5 x 8 matrix tile whose temporaries had locals of their own.
 *
 * Sinking stops at locals with one read. Where it goes on, a chain of multiply-adds on one accumulator becomes a single
 * tree whose loads all come first: depthwise convolutions took 1.1 to 2.4 times as long. Other passes gained no time and
 * less than one per cent of bytes.
 */
const forSpeed = ["simplify-locals-notee-nostructure", "coalesce-locals", "reorder-locals"];

/** A tenth smaller. */
const forSize = [
  "optimize-instructions",
  "simplify-locals",
  "vacuum",
  "coalesce-locals",
  "simplify-locals",
  "merge-blocks",
  "remove-unused-brs",
  "remove-unused-names",
  "vacuum",
  "reorder-locals",
];

export function passesFor(level: OptimizationLevel): readonly string[] {
  if (level === 0) return [];
  return level === "s" ? forSize : forSpeed;
}
