/** A worker process and what watches it: memory, processor time, death. It is kept from case to case. */

import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FuzzCase } from "./case.js";
import type { Outcome, Report } from "./outcome.js";

export interface CaseLimits {
  /** Of processor time: what else the machine does must not matter. */
  readonly seconds: number;
  readonly bytes: number;
}

/** A fresh process after so many cases, so that what one leaves behind is not another's. */
const casesPerProcess = 400;
/** An idle process that holds more is replaced: its garbage would count as a case's. */
const idleBytes = 500 * 1024 * 1024;
/** Twenty times the processor time by the clock, where the system tells nothing else. */
const clockFactor = 20;

export class Supervisor {
  private child: ChildProcess | undefined;
  private cases = 0;

  constructor(private readonly limits: CaseLimits) {}

  /**
   * The outcome of the case. What a used process fails at counts only if a fresh one fails at it too.
   */
  async run(one: FuzzCase): Promise<Outcome> {
    const fresh = this.child === undefined;
    const outcome = await this.attempt(one);
    if (fresh || outcome.fault === undefined) return outcome;
    this.stop();
    return this.attempt(one);
  }

  stop(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }

  private attempt(one: FuzzCase): Promise<Outcome> {
    const child = this.child ?? this.start();
    this.cases++;
    return new Promise((resolve) => {
      let compiled: Outcome | undefined;
      const before = usageOf(child.pid!);
      const started = Date.now();
      const finish = (outcome: Outcome, keep: boolean): void => {
        clearInterval(watch);
        child.removeAllListeners("message");
        child.removeAllListeners("exit");
        if (!keep || this.cases >= casesPerProcess || outcome.memory > idleBytes) this.stop();
        resolve(outcome);
      };
      /** Trouble while compiling is a fault; a program may run for long, so then it is none. */
      const abort = (result: string, fault: string): void => {
        const { milliseconds, bytes } = usageOf(child.pid!) ?? { milliseconds: 0, bytes: 0 };
        const ms = milliseconds - (before?.milliseconds ?? 0);
        if (compiled !== undefined) finish({ ...compiled, result: "run aborted" }, false);
        else finish({ index: one.index, result, fault, ms, memory: bytes }, false);
      };
      const watch = setInterval(() => {
        const usage = usageOf(child.pid!);
        const clock = (Date.now() - started) / 1000;
        const used = usage === undefined ? 0 : (usage.milliseconds - (before?.milliseconds ?? 0)) / 1000;
        if (used > this.limits.seconds || clock > this.limits.seconds * clockFactor) {
          abort("timeout", `not done after ${used.toFixed(1)} s (${clock.toFixed(1)} s by the clock)`);
        } else if (usage !== undefined && usage.bytes > this.limits.bytes) {
          abort("memory", `${Math.round(usage.bytes / 2 ** 20)} MiB in use`);
        }
      }, 20);
      child.once("exit", (code, signal) =>
        abort("death", `the process ended: code ${code}, signal ${signal}`),
      );
      child.on("message", ({ kind, outcome }: Report) => {
        if (kind === "done") finish(outcome, true);
        else compiled = outcome;
      });
      child.send(one);
    });
  }

  private start(): ChildProcess {
    const megabytes = Math.floor(this.limits.bytes / 2 ** 20);
    this.child = fork(join(import.meta.dirname, "worker.js"), {
      execArgv: [`--max-old-space-size=${megabytes}`, "--stack-trace-limit=30"],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.cases = 0;
    return this.child;
  }
}

/** Processor time and resident memory of a process, as Linux tells them; undefined on other systems. */
function usageOf(pid: number): { milliseconds: number; bytes: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    // utime and stime in hundredths of a second, rss in pages of 4 kB.
    return {
      milliseconds: (Number(fields[11]) + Number(fields[12])) * 10,
      bytes: Number(fields[21]) * 4096,
    };
  } catch {
    return undefined;
  }
}
