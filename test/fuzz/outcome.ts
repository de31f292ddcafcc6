/** What a case ends in, and whether that is as it should be. */

/** A typed error by its code, a valid module, or a module that was also run. */
export interface Outcome {
  readonly index: number;
  readonly result: string;
  /** Set where this must not happen: what was thrown, or what is wrong with the module. */
  readonly fault?: string;
  /** Milliseconds of processor time, and bytes of memory in use when it ended. */
  readonly ms: number;
  readonly memory: number;
}

/** From the worker: first the outcome of compiling, then, where the module was run, that the run is over. */
export type Report = { readonly kind: "compiled" | "done"; readonly outcome: Outcome };
