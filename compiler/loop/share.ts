/** Makes calls of equal kernels share one: equal but for the kernel's own name. */

import type { Kernel } from "./ir.js";
import { printKernel } from "./print.js";
import { callsOf, mapCalls, type Program } from "./program.js";

export function shareKernels(program: Program): Program {
  const byText = new Map<string, Kernel>();
  const shared = new Map<Kernel, Kernel>();
  const names = new Map<string, number>();
  for (const { kernel } of callsOf(program)) {
    if (shared.has(kernel)) continue;
    const text = printKernel({ ...kernel, name: "" });
    const first = byText.get(text) ?? uniquelyNamed(kernel, names);
    byText.set(text, first);
    shared.set(kernel, first);
  }
  return mapCalls(program, (call) => ({ ...call, kernel: shared.get(call.kernel)! }));
}

/** Kernels that differ have different names: a number tells apart those of one name, that of an earlier time is dropped. */
export function uniquelyNamed(kernel: Kernel, names: Map<string, number>): Kernel {
  const name = kernel.name.replace(/_v\d+$/, "");
  const count = (names.get(name) ?? 0) + 1;
  names.set(name, count);
  return { ...kernel, name: count === 1 ? name : `${name}_v${count}` };
}
