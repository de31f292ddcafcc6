/** Comparing results and taking times. */

import { setTimeout } from "node:timers/promises";
import { compareElements } from "../compare/elements.js";
import type { Engine, Results } from "./engines.js";

export interface Difference {
  /** Largest absolute difference of any two elements; NaN differs from all but NaN. */
  readonly absolute: number;
  /** The same relative to the largest magnitude of its output: the largest over all outputs. */
  readonly relative: number;
}

export interface Statistics {
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly runs: number;
}

/** How far results are from the reference's. Infinite where an output is missing or of another shape. */
export function compareResults(results: Results, reference: Results): Difference {
  let absolute = 0;
  let relative = 0;
  for (const [name, expected] of Object.entries(reference)) {
    const actual = results[name];
    if (actual === undefined || `${actual.dims}` !== `${expected.dims}`) {
      return { absolute: Number.POSITIVE_INFINITY, relative: Number.POSITIVE_INFINITY };
    }
    const found = compareElements(actual.data, expected.data);
    absolute = Math.max(absolute, found.difference);
    relative = Math.max(relative, found.relative);
  }
  return { absolute, relative };
}

/**
 * The relative tolerance of ONNX's own test runner. Networks stay below 1e-5, but for those whose answer to made-up
 * inputs is next to nothing: of PP-OCR's detector the largest value is 5e-4, and rounding 4e-4 of that.
 */
export const usualTolerance = 1e-3;

/** Results that differ: nothing is timed then. */
export class ResultsDiffer extends Error {}

/** How far an engine's results are from the reference's. @throws ResultsDiffer where that is more than the tolerance */
export function checkResults(
  label: string,
  results: Results,
  reference: Results,
  tolerance: number,
): Difference {
  const difference = compareResults(results, reference);
  if (difference.relative <= tolerance) return difference;
  throw new ResultsDiffer(
    `the results of ${label} differ by ${difference.absolute} (${difference.relative} of the output's ` +
      `largest value, more than ${tolerance}): nothing was timed`,
  );
}

export interface Duration {
  /** Runs of each engine that are not counted. */
  readonly warmup: number;
  readonly seconds: number;
  /**
   * Milliseconds that an engine runs before the next one's turn: 0, the default, for one run, which finds the caches as
   * others have left them; some for runs back to back.
   */
  readonly turnMs?: number;
}

/** At least as many runs of each are counted, whatever they take. */
const fewestRuns = 5;

/**
 * An engine's threads look for more work for a while when a run is over, and onnxruntime-web's do for tens of
 * milliseconds: what runs next has to wait for them, or shares its cores with them.
 */
const restMs = 100;

/** With rests, measuring takes at most so many times as long as asked. */
const longest = 3;

/** After a rest, threads have to be woken and caches to be filled: a turn has runs behind that. */
const restedTurnMs = 25;

/**
 * Turns of each engine after the other, so that a change of the machine's speed meets them all. Of a turn with several
 * runs the first is not counted.
 */
export async function measureInTurn(engines: readonly Engine[], duration: Duration): Promise<Statistics[]> {
  const { warmup, seconds, turnMs = 0 } = duration;
  const times = engines.map((): number[] => []);
  for (const engine of engines) {
    for (let i = 0; i < warmup; i++) await engine.run();
    await rest(engine);
  }
  const end = performance.now() + longest * seconds * 1000;
  let spent = 0;
  while ((spent < seconds * 1000 && performance.now() < end) || times[0]!.length < fewestRuns) {
    for (const [i, engine] of engines.entries()) {
      const turn = await takeTurn(engine, turnMs);
      spent += turn.reduce((sum, time) => sum + time, 0);
      times[i]!.push(...(turn.length > 1 ? turn.slice(1) : turn));
      await rest(engine);
    }
  }
  return times.map(statisticsOf);
}

async function takeTurn(engine: Engine, turnMs: number): Promise<number[]> {
  const turn: number[] = [];
  let now = performance.now();
  const end = now + Math.max(turnMs, engine.threads > 1 ? restedTurnMs : 0);
  do {
    const started = now;
    await engine.run();
    now = performance.now();
    turn.push(now - started);
  } while (now < end);
  return turn;
}

async function rest({ threads }: Engine): Promise<void> {
  if (threads > 1) await setTimeout(restMs);
}

export function statisticsOf(times: readonly number[]): Statistics {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { medianMs: at(0.5), p90Ms: at(0.9), runs: sorted.length };
}
