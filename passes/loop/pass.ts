import type { Kernel } from "../../compiler/loop/ir.js";
import type { Call, Program } from "../../compiler/loop/program.js";

/** A pass on Loop IR: a pure function of a kernel, that keeps what the kernel computes. */
export interface LoopPass {
  readonly name: string;
  /** `calls` are those of the kernel, for passes that have to know what memory it is given. */
  readonly run: (kernel: Kernel, calls?: readonly Call[]) => Kernel;
}

/** A pass on all kernels of a program at once. */
export interface ProgramPass {
  readonly name: string;
  readonly summary: string;
  readonly run: (program: Program) => Program;
}
