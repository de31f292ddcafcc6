/** Which of Binaryen's passes run at which level, and why. */

export type OptimizationLevel = 0 | 1 | 2 | 3 | "s";

export const passesFor = (level: OptimizationLevel): readonly string[] => (level === 0 ? [] : optimizing);

const optimizing = ["simplify-locals-nostructure", "vacuum", "coalesce-locals", "reorder-locals", "vacuum"];
