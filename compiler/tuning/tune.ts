/**
 * Tuning: every decision of a model's lowering is measured where it counts, in the model, on the engine that runs it.
 *
 * Decisions of one kind are tried at the same time: the model is compiled once with the first candidate everywhere, once
 * with the second, and so on, and the times of the kernels of each node tell which candidate is best there. So a model
 * with fifty layers takes as many compilations as the longest list of candidates has entries.
 */

import { load, type Model } from "../../runtime/index.js";
import { type Feeds, kilnEngine } from "../bench/engines.js";
import { checkResults, measureInTurn, usualTolerance } from "../bench/measure.js";
import type { Artifact, CompileOptions } from "../options.js";
import { type Choice, type ChoiceKind, choiceKinds } from "./choice.js";

export interface TuningRequest {
  /** Compiles the model with these options beside those that it has anyway. */
  readonly compile: (options: Pick<CompileOptions, "onChoice" | "profile">) => Promise<Artifact>;
  /** Inputs of the module. */
  readonly feeds: (artifact: Artifact) => Promise<Feeds>;
  readonly threads: number;
  /** Time to measure each kind of decision in, and the result. */
  readonly seconds: number;
  readonly onStage?: (name: string) => void;
}

/** A decision that measurement makes otherwise than the cost. */
export interface TunedChoice {
  readonly kind: ChoiceKind;
  readonly key: string;
  readonly nodes: readonly string[];
  readonly byCost: string;
  readonly chosen: string;
  /** Milliseconds of a run that the nodes take by cost, and as chosen. */
  readonly byCostMs: number;
  readonly chosenMs: number;
}

export interface TuningResult {
  /** What was decided, by the choice's key; empty where the whole model does not gain by it. */
  readonly choices: ReadonlyMap<string, string>;
  /** Where a candidate was faster than what the cost takes. */
  readonly changed: readonly TunedChoice[];
  /** Decisions that there are, and candidates that were measured for them. */
  readonly decisions: number;
  readonly candidates: number;
  /** Median milliseconds of a run of the whole model, taken in turn. */
  readonly byCostMs: number;
  readonly tunedMs: number;
}

/** A candidate must be faster than what the cost takes by this share, or it is noise. */
const leastGain = 0.03;

/** Runs of each module that are not counted, until the engine has compiled it. */
const warmupRuns = 8;

const fewestRuns = 5;

export async function tuneModel(request: TuningRequest): Promise<TuningResult> {
  const chosen = new Map<string, string>();
  const changed: TunedChoice[] = [];
  let [decisions, candidates] = [0, 0];
  for (const kind of choiceKinds) {
    const choices = await choicesOf(request, kind, chosen);
    const most = Math.max(1, ...choices.map((choice) => choice.candidates.length));
    decisions += choices.length;
    candidates += choices.reduce((sum, choice) => sum + choice.candidates.length, 0);
    if (most === 1) continue;
    const times = await timeCandidates(request, kind, chosen, most);
    for (const better of choices.flatMap((choice) => betterOf(choice, times))) {
      chosen.set(better.key, better.chosen);
      changed.push(better);
    }
  }
  const { byCostMs, tunedMs } = await compareWhole(request, chosen);
  const choices = tunedMs < byCostMs ? chosen : new Map<string, string>();
  return { choices, changed, decisions, candidates, byCostMs, tunedMs };
}

/** Decisions of the kind, those with the same key as one. */
async function choicesOf(
  { compile, onStage }: TuningRequest,
  kind: ChoiceKind,
  chosen: ReadonlyMap<string, string>,
): Promise<Choice[]> {
  onStage?.(`finding choices: ${kind}`);
  const found = new Map<string, Choice>();
  await compile({
    onChoice(choice) {
      const same = found.get(choice.key);
      const nodes = [...new Set([...(same?.nodes ?? []), ...choice.nodes])];
      if (choice.kind === kind) found.set(choice.key, { ...choice, nodes });
      return chosen.get(choice.key);
    },
  });
  return [...found.values()];
}

/** For each candidate's place in the lists, the milliseconds of a run that the calls of a node take. */
type NodeTimes = readonly ReadonlyMap<string, number>[];

async function timeCandidates(
  request: TuningRequest,
  kind: ChoiceKind,
  chosen: ReadonlyMap<string, string>,
  most: number,
): Promise<NodeTimes> {
  const timers: CallTimer[] = [];
  try {
    for (let i = 0; i < most; i++) {
      request.onStage?.(`compiling: ${kind}, candidate ${i + 1} of ${most}`);
      const artifact = await request.compile({
        profile: true,
        onChoice: (choice) =>
          choice.kind === kind
            ? choice.candidates[Math.min(i, choice.candidates.length - 1)]
            : chosen.get(choice.key),
      });
      timers.push(await CallTimer.open(artifact, await request.feeds(artifact), request.threads));
    }
    request.onStage?.(`measuring: ${kind}`);
    const end = performance.now() + request.seconds * 1000;
    for (let i = 0; i < warmupRuns + fewestRuns || performance.now() < end; i++) {
      for (const timer of timers) timer.run(i >= warmupRuns);
    }
    return timers.map((timer) => timer.nodeTimes());
  } finally {
    for (const timer of timers) timer.close();
  }
}

/** Times the calls of one module's runs. */
class CallTimer {
  private readonly times: number[][];
  private counts = false;
  private last = 0;
  private model!: Model;

  private constructor(
    private readonly artifact: Artifact,
    private readonly feeds: Feeds,
  ) {
    this.times = artifact.report.calls.map(() => []);
  }

  static async open(artifact: Artifact, feeds: Feeds, threads: number): Promise<CallTimer> {
    const timer = new CallTimer(artifact, feeds);
    const { wasm, weights } = artifact;
    timer.model = await load(wasm, { weights, threads, onKernel: (call) => timer.onKernel(call) });
    return timer;
  }

  run(counts: boolean): void {
    this.counts = counts;
    this.model.runSync(this.feeds);
  }

  close(): void {
    this.model.dispose();
  }

  /** The fastest quarter of each call's times: what disturbs a run makes it longer, never shorter. */
  nodeTimes(): Map<string, number> {
    const byNode = new Map<string, number>();
    this.artifact.report.calls.forEach(({ nodes }, call) => {
      const sorted = [...this.times[call]!].sort((a, b) => a - b);
      const time = sorted[Math.floor(sorted.length / 4)] ?? 0;
      for (const node of nodes) byNode.set(node, (byNode.get(node) ?? 0) + time);
    });
    return byNode;
  }

  private onKernel(call: number): void {
    const now = performance.now();
    if (call > 0 && this.counts) this.times[call - 1]!.push(now - this.last);
    this.last = now;
  }
}

/** The best candidate, where it is not the one that the cost takes. */
function betterOf({ kind, key, nodes, candidates }: Choice, times: NodeTimes): TunedChoice[] {
  const timeOf = (i: number): number => nodes.reduce((sum, node) => sum + (times[i]!.get(node) ?? 0), 0);
  const all = candidates.map((_, i) => timeOf(i));
  const best = all.indexOf(Math.min(...all));
  const [byCostMs, chosenMs] = [all[0]!, all[best]!];
  if (best === 0 || chosenMs > byCostMs * (1 - leastGain)) return [];
  return [{ kind, key, nodes, byCost: candidates[0]!, chosen: candidates[best]!, byCostMs, chosenMs }];
}

/** The whole model by cost and as tuned, without the profile, in turn. */
async function compareWhole(
  { compile, feeds, threads, seconds, onStage }: TuningRequest,
  chosen: ReadonlyMap<string, string>,
): Promise<{ byCostMs: number; tunedMs: number }> {
  onStage?.("measuring: the whole model");
  const open = async (label: string, choices: ReadonlyMap<string, string>) => {
    const artifact = await compile({ onChoice: ({ key, candidates }) => choices.get(key) ?? candidates[0] });
    const model = await load(artifact.wasm, { weights: artifact.weights, threads });
    return { model, engine: kilnEngine(label, threads, model, await feeds(artifact)) };
  };
  const both = [await open("by cost", new Map()), await open("tuned", chosen)];
  const [expected, actual] = [await both[0]!.engine.run(), await both[1]!.engine.run()];
  checkResults("the tuned model", actual, expected, usualTolerance);
  const [byCost, tuned] = await measureInTurn(
    both.map(({ engine }) => engine),
    { warmup: warmupRuns, seconds },
  );
  for (const { model } of both) model.dispose();
  return { byCostMs: byCost!.medianMs, tunedMs: tuned!.medianMs };
}
