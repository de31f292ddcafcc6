/**
 * A compiled graph before it becomes a module: buffers, the distinct kernels, and the steps in order. Addresses are
 * absent until the memory plan gives every buffer one.
 *
 * Lengths, places and sizes are dims: numbers, or expressions over symbols that have a value while the program runs.
 * Symbols of the inputs' shapes have one from the start; the others get theirs from a `Define` step.
 */

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Invoke, Kernel } from "./ir.js";
import { statementsIn } from "./rewrite.js";

export interface ProgramBuffer {
  readonly name: string;
  readonly dtype: DType;
  readonly byteLength: Dim;
  /**
   * An `error` buffer holds the number of the first error of a run, 0 while there is none. A `state` keeps its bytes
   * from one run to the next; so does what is `kept`, zeros at first, which no host is told of.
   */
  readonly kind: "input" | "output" | "constant" | "temporary" | "error" | "state" | "kept";
  /** Bytes of a constant, as its kernels read them (packed, transposed, padded). */
  readonly data?: Uint8Array;
}

export interface CallArgument {
  readonly buffer: ProgramBuffer;
  readonly byteOffset: Dim;
}

export interface Call {
  readonly kind: "call";
  readonly kernel: Kernel;
  /** One argument for each buffer of the kernel. */
  readonly args: readonly CallArgument[];
  /** One value for each size of the kernel. */
  readonly sizes: readonly Dim[];
  /** ONNX nodes that this call computes. */
  readonly source: readonly string[];
  /** Multiply-adds count twice; 0 where the number depends on symbols. */
  readonly flops: number;
  /**
   * Pairs (written argument, read argument) that may share memory: each element is read for the last time no later
   * than the element at the same address is written.
   */
  readonly inPlace: readonly (readonly [number, number])[];
}

/** Gives symbols their values: dims of symbols that have one, or elements of an integer buffer. */
export interface Define {
  readonly kind: "define";
  readonly symbols: readonly { readonly name: string; readonly value: Dim | BufferElement }[];
  readonly source: readonly string[];
}

export interface BufferElement {
  readonly buffer: ProgramBuffer;
  /** In elements of the buffer. */
  readonly index: number;
}

/** Ends the run with an error of the source's node unless two dims are equal. */
export interface Require {
  readonly kind: "require";
  readonly a: Dim;
  readonly b: Dim;
  /** What does not hold if they differ. */
  readonly message: string;
  readonly source: readonly string[];
}

/** One of two lists of steps, by the first element of a bool buffer. */
export interface Branch {
  readonly kind: "branch";
  readonly condition: CallArgument;
  readonly whenTrue: readonly Step[];
  readonly whenFalse: readonly Step[];
  readonly source: readonly string[];
}

/**
 * Passes of the body, counted from 0 in `counter` (int64), as long as that is less than `trips` (int64) and the
 * condition (bool) holds, as far as they are given; both are looked at before each pass.
 */
export interface Repeat {
  readonly kind: "repeat";
  readonly counter: ProgramBuffer;
  readonly trips: CallArgument | null;
  readonly condition: CallArgument | null;
  readonly body: readonly Step[];
  readonly source: readonly string[];
}

/**
 * Calls that only the first run makes, while the int32 in `done` is 0: they compute kept buffers from constants. A
 * constant that nothing else reads is not there afterwards: what is computed may take its memory.
 */
export interface Once {
  readonly kind: "once";
  readonly done: ProgramBuffer;
  readonly body: readonly Call[];
  readonly source: readonly string[];
}

export type Step = Call | Define | Require | Branch | Repeat | Once;

/** What can go wrong while a program runs; error number i + 1 is the i-th of these. */
export interface RunError {
  readonly source: readonly string[];
  readonly message: string;
}

export interface Program {
  readonly name: string;
  readonly buffers: readonly ProgramBuffer[];
  readonly steps: readonly Step[];
  /** Buffers that hold the graph's inputs and outputs, in the graph's order; a state's is among both. */
  readonly inputs: readonly ProgramBuffer[];
  readonly outputs: readonly ProgramBuffer[];
  /** Their shapes; the symbols of the inputs' are given by the host. */
  readonly inputShapes: readonly (readonly Dim[])[];
  readonly outputShapes: readonly (readonly Dim[])[];
  /** Errors that kernels may write to the error buffer. */
  readonly errors: readonly RunError[];
}

/** The calls of a program in order, those of branches and loops included. */
export function callsOf({ steps }: Pick<Program, "steps">): Call[] {
  return steps.flatMap((step): Call[] => {
    if (step.kind === "call") return [step];
    return listsOf(step).flatMap((inner) => callsOf({ steps: inner }));
  });
}

/** The lists of steps inside a step. */
export function listsOf(step: Step): (readonly Step[])[] {
  if (step.kind === "branch") return [step.whenTrue, step.whenFalse];
  return step.kind === "repeat" || step.kind === "once" ? [step.body] : [];
}

/** The program with other calls in the place of its own. */
export function mapCalls(program: Program, change: (call: Call) => Call): Program {
  const inside = (steps: readonly Step[]): Step[] =>
    steps.map((step) => {
      switch (step.kind) {
        case "call":
          return change(step);
        case "branch":
          return { ...step, whenTrue: inside(step.whenTrue), whenFalse: inside(step.whenFalse) };
        case "repeat":
          return { ...step, body: inside(step.body) };
        case "once":
          return { ...step, body: step.body.map(change) };
        default:
          return step;
      }
    });
  return { ...program, steps: inside(program.steps) };
}

/** The kernels that only the first run calls. */
export const firstRunKernels = ({ steps }: Pick<Program, "steps">): Set<Kernel> =>
  new Set(kernelsOf({ steps: steps.filter(({ kind }) => kind === "once") }));

/** The distinct kernels of a program in order of first use, each behind those that it invokes. */
export const kernelsOf = (program: Pick<Program, "steps">): Kernel[] =>
  withInvoked(callsOf(program).map(({ kernel }) => kernel));

/** The kernels, each once and behind those that it invokes. */
export function withInvoked(given: readonly Kernel[]): Kernel[] {
  const kernels = new Set<Kernel>();
  const add = (kernel: Kernel): void => {
    if (kernels.has(kernel)) return;
    for (const { kernel: invoked } of invocationsIn(kernel)) add(invoked);
    kernels.add(kernel);
  };
  given.forEach(add);
  return [...kernels];
}

/** A kernel, then those that it invokes. */
export const withParts = (kernel: Kernel): Kernel[] => withInvoked([kernel]).reverse();

/** The kernels of a program, and the calls that run each of them, itself or in the course of another. */
export function usesOf(program: Pick<Program, "steps">): Map<Kernel, Call[]> {
  const uses = new Map(kernelsOf(program).map((kernel): [Kernel, Call[]] => [kernel, []]));
  for (const call of callsOf(program)) {
    for (const kernel of withInvoked([call.kernel])) uses.get(kernel)!.push(call);
  }
  return uses;
}

export const invocationsIn = ({ body }: Kernel): Invoke[] =>
  statementsIn(body).filter((statement) => statement.kind === "invoke");
