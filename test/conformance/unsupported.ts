/**
 * Cases of ONNX's backend suite that Kiln refuses, and why. A case that is listed here and passes fails the run, so
 * the list stays true.
 */

export const unsupported: ReadonlyMap<string, string> = new Map([]);
