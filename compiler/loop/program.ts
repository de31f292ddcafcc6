/**
 * A compiled graph before it becomes a module: buffers, the distinct kernels, and the calls in order. Addresses are
 * absent until the memory plan gives every buffer one.
 */

import type { DType } from "../ir/dtype.js";
import type { Kernel } from "./ir.js";

export interface ProgramBuffer {
  readonly name: string;
  readonly dtype: DType;
  readonly byteLength: number;
  readonly kind: "input" | "output" | "constant" | "temporary";
  /** Bytes of a constant, as its kernels read them (packed, transposed, padded). */
  readonly data?: Uint8Array;
}

export interface CallArgument {
  readonly buffer: ProgramBuffer;
  readonly byteOffset: number;
}

export interface Call {
  readonly kernel: Kernel;
  /** One argument for each buffer of the kernel. */
  readonly args: readonly CallArgument[];
  /** ONNX nodes that this call computes. */
  readonly source: readonly string[];
  /** Multiply-adds count twice. */
  readonly flops: number;
  /**
   * Pairs (written argument, read argument) that may share memory: each element is read for the last time no later
   * than the element at the same address is written.
   */
  readonly inPlace: readonly (readonly [number, number])[];
}

export interface Program {
  readonly name: string;
  readonly buffers: readonly ProgramBuffer[];
  readonly calls: readonly Call[];
  /** Buffers that hold the graph's inputs and outputs, in the graph's order. */
  readonly inputs: readonly ProgramBuffer[];
  readonly outputs: readonly ProgramBuffer[];
}

/** The distinct kernels of a program, in order of first use. */
export const kernelsOf = (program: Program): Kernel[] => [
  ...new Set(program.calls.map((call) => call.kernel)),
];
