/** What a rejected or thrown value says, in a form that tests compare. */

import { KilnRuntimeError } from "../../runtime/index.js";

/** The error that `act` throws or rejects with; fails unless it is a KilnRuntimeError. */
export async function errorOf(act: () => unknown): Promise<KilnRuntimeError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof KilnRuntimeError) return error;
    throw error;
  }
  throw new Error("expected a KilnRuntimeError, got none");
}

/** The same as "CODE: message". */
export async function failure(act: () => unknown): Promise<string> {
  const { code, message } = await errorOf(act);
  return `${code}: ${message}`;
}
