/**
 * `npm run fuzz -- [--cases N] [--seed S]`: compiles mutated models. Each must end in a typed error or in a valid
 * module, within 5 seconds of processor time and 1 GiB of memory. What does not is saved, and named with the command
 * that makes it again.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { type FuzzCase, makeCase } from "./case.js";
import type { Outcome } from "./outcome.js";
import { loadSeeds } from "./seeds.js";
import { Supervisor } from "./supervisor.js";

interface Options {
  cases: number;
  seed: number;
  first: number;
  only?: number;
  timeLimit?: number;
  jobs: number;
  models: string;
  out: string;
}

const limits = { seconds: 5, bytes: 2 ** 30 };

async function fuzz(options: Options): Promise<void> {
  const seeds = loadSeeds(options.models);
  const first = options.only ?? options.first;
  const end = options.only === undefined ? first + options.cases : first + 1;
  const deadline = options.timeLimit === undefined ? Infinity : Date.now() + options.timeLimit * 1000;
  const summary = new Summary(options);
  console.log(`${seeds.length} models, seed ${options.seed}`);
  let next = first;
  const work = async (): Promise<void> => {
    const supervisor = new Supervisor(limits);
    while (next < end && Date.now() < deadline) {
      const one = makeCase(seeds, options.seed, next++);
      summary.add(one, await supervisor.run(one));
    }
    supervisor.stop();
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  summary.finish();
}

/** Counts outcomes, saves what failed, and tells how far it is. */
class Summary {
  private readonly results = new Map<string, number>();
  private readonly started = Date.now();
  private cases = 0;
  private faults = 0;
  private slowest = 0;
  private largest = 0;
  private told = Date.now();

  constructor(private readonly options: Options) {}

  add(one: FuzzCase, outcome: Outcome): void {
    this.cases++;
    this.results.set(outcome.result, (this.results.get(outcome.result) ?? 0) + 1);
    if (!outcome.result.startsWith("run")) {
      this.slowest = Math.max(this.slowest, outcome.ms);
      this.largest = Math.max(this.largest, outcome.memory);
    }
    if (outcome.fault !== undefined) this.report(one, outcome, outcome.fault);
    if (Date.now() - this.told > 10_000) this.tell();
  }

  finish(): void {
    this.tell();
    for (const [result, count] of [...this.results].sort(([, a], [, b]) => b - a)) {
      console.log(`  ${String(count).padStart(7)} ${result}`);
    }
    const { slowest, largest } = this;
    console.log(`slowest ${Math.round(slowest)} ms, largest ${Math.round(largest / 2 ** 20)} MiB`);
    console.log(`${this.cases} cases, ${this.faults} failed`);
    process.exitCode = this.faults > 0 ? 1 : 0;
  }

  private report(one: FuzzCase, { result }: Outcome, fault: string): void {
    this.faults++;
    const { out, seed } = this.options;
    mkdirSync(out, { recursive: true });
    const file = join(out, `seed${seed}-case${one.index}.onnx`);
    writeFileSync(file, one.model);
    writeFileSync(`${file}.txt`, `${one.origin}, ${JSON.stringify(one.options)}\n${result}: ${fault}\n`);
    const brief = fault.split("\n").slice(0, 3).join("\n    ");
    console.log(`FAILED case ${one.index} (of ${one.origin}): ${result}: ${brief}`);
    console.log(`    ${file}; again: npm run fuzz -- --seed ${seed} --only ${one.index}`);
  }

  private tell(): void {
    this.told = Date.now();
    const seconds = (Date.now() - this.started) / 1000;
    const rate = (this.cases / seconds).toFixed(1);
    console.error(`${this.cases} cases in ${seconds.toFixed(0)} s (${rate}/s), ${this.faults} failed`);
  }
}

const count = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a whole number is needed");
  return Number(text);
};

await new Command("fuzz")
  .description("Compiles mutated models: each ends in a typed error or a valid module.")
  .option("--cases <n>", "how many", count, 20_000)
  .option("--seed <s>", "of all choices; the same cases for the same seed and models", count, 1)
  .option("--first <i>", "number of the first case", count, 0)
  .option("--only <i>", "only the case of this number", count)
  .option("--time-limit <seconds>", "stop after so long", count)
  .option("--jobs <n>", "processes at a time", count, Math.min(4, availableParallelism()))
  .option("--models <directory>", "ONNX's operator tests", resolve("../shared/onnx-backend/node"))
  .option("--out <directory>", "where failing models are saved", join(tmpdir(), "kiln-fuzz"))
  .action(fuzz)
  .parseAsync();
