import type { Kernel } from "../../compiler/loop/ir.js";

/** A pass on Loop IR: a pure function of a kernel, that keeps what the kernel computes. */
export interface LoopPass {
  readonly name: string;
  readonly run: (kernel: Kernel) => Kernel;
}
