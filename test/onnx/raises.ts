import { expect } from "vitest";
import { type ErrorCode, KilnError } from "../../compiler/diagnostics.js";

/** Runs `action` and expects a KilnError of this code, and message where given. */
export async function expectError(
  action: () => unknown,
  code: ErrorCode,
  message?: RegExp | string,
): Promise<void> {
  let error: unknown;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(KilnError);
  const { code: actual, message: text } = error as KilnError;
  expect(`${actual}: ${text}`).toContain(`${code}:`);
  if (message !== undefined) expect(text).toMatch(message);
}

/** Milliseconds of processor time since `start`, an earlier result of this function: other load does not count. */
export function cpuTime(start = 0): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 - start;
}
