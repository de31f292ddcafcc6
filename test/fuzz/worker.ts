/** The process that compiles: takes cases, answers with outcomes. It dies of what kills it; `supervisor.ts` notices. */

import { type Artifact, compile, KilnError } from "../../compiler/index.js";
import { KilnRuntimeError, load } from "../../runtime/index.js";
import { randomNumbers } from "../harness-random.js";
import type { FuzzCase } from "./case.js";
import { makeFeeds } from "./feeds.js";
import type { Outcome, Report } from "./outcome.js";

const send = (report: Report): void => {
  process.send!(report);
};

type Result = Pick<Outcome, "result" | "fault">;

async function compileCase({ model, options }: FuzzCase): Promise<{ result: Result; artifact?: Artifact }> {
  try {
    const artifact = await compile(model, options);
    if (WebAssembly.validate(artifact.wasm as BufferSource))
      return { result: { result: "module" }, artifact };
    return { result: { result: "invalid", fault: "the module is not valid" } };
  } catch (error) {
    if (error instanceof KilnError && error.code !== "E_INTERNAL") return { result: { result: error.code } };
    return { result: { result: "fault", fault: stackOf(error) } };
  }
}

/** Runs the module where it is small: it may raise an error of its own, but no trap and nothing untyped. */
async function runModule(artifact: Artifact, seed: number): Promise<Result> {
  try {
    const model = await load(artifact.wasm as BufferSource);
    const feeds = makeFeeds(model, randomNumbers(seed));
    if (feeds === null) return { result: "module" };
    model.runSync(feeds);
    return { result: "run" };
  } catch (error) {
    if (error instanceof KilnRuntimeError && (error.code === "E_RUN" || error.code === "E_FEED")) {
      return { result: `run ${error.code}` };
    }
    return { result: "run fault", fault: stackOf(error) };
  }
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : `thrown: ${String(error)}`;

/** A module of more memory is not run. */
const mostMemory = 256 * 1024 * 1024;

async function handle(one: FuzzCase): Promise<void> {
  const started = process.cpuUsage();
  const outcomeOf = (result: Result): Outcome => {
    const { user, system } = process.cpuUsage(started);
    const ms = (user + system) / 1000;
    return { index: one.index, ...result, ms, memory: process.memoryUsage.rss() };
  };
  const { result, artifact } = await compileCase(one);
  const runs = artifact !== undefined && one.run && artifact.report.memoryBytes <= mostMemory;
  send({ kind: runs ? "compiled" : "done", outcome: outcomeOf(result) });
  if (runs) send({ kind: "done", outcome: outcomeOf(await runModule(artifact, one.index)) });
}

process.on("message", (one: FuzzCase) => {
  handle(one).catch((error) => {
    throw error;
  });
});
