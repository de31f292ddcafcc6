/** Errors that the runtime raises on purpose: each has a stable code, so that a host can act on it. */

export type RuntimeErrorCode =
  | "E_ABI" // the module was not made by Kiln, or follows an ABI that this runtime does not read
  | "E_LOAD" // the module or its weights cannot be read, compiled or instantiated
  | "E_WEIGHTS" // split weights are not given, of the wrong size or of the wrong hash
  | "E_FEED" // a feed or tensor has the wrong name, type, shape or length
  | "E_RUN" // the run failed for its inputs: an index out of range, a size that does not fit, too little memory
  | "E_TRAP" // the compiled code trapped during a run
  | "E_DISPOSED"; // the model was used after dispose()

export class KilnRuntimeError extends Error {
  readonly code: RuntimeErrorCode;

  /** `cause` is the engine's own error, where one lies behind this. */
  constructor(code: RuntimeErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "KilnRuntimeError";
    this.code = code;
  }
}
