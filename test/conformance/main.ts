/** `npm run conformance -- DIR [--json FILE]`: ONNX's backend tests through the compiler and the runtime. */

import { existsSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { casesOf } from "./cases.js";
import { judge, type Verdict } from "./judge.js";
import { runCase } from "./run.js";

interface Options {
  json?: string;
  dynamic?: boolean;
  scalar?: boolean;
  filter?: string;
  verbose?: boolean;
}

async function run(directory: string, options: Options): Promise<void> {
  if (!existsSync(directory)) {
    console.error(`error: no such folder: ${directory}`);
    process.exitCode = 2;
    return;
  }
  const pattern = new RegExp(options.filter ?? "");
  const verdicts: Verdict[] = [];
  const isTerminal = process.stderr.isTTY;
  for (const one of casesOf(directory)) {
    if (!pattern.test(one.name)) continue;
    if (isTerminal) process.stderr.write(`\r\x1b[K${verdicts.length} ${one.name}`);
    const verdict = judge(await runCase(one, options));
    verdicts.push(verdict);
    if (isTerminal) process.stderr.write("\r\x1b[K");
    if (verdict.verdict === "failed") console.log(`FAILED ${verdict.name}: ${verdict.reason}`);
    else if (options.verbose) console.log(`${verdict.verdict} ${verdict.name}`);
  }
  if (verdicts.length === 0) {
    console.error(
      `no case in ${directory}: it has no NAME/model.onnx${options.filter ? " that matches" : ""}`,
    );
    process.exitCode = 1;
    return;
  }
  const count = (which: Verdict["verdict"]) => verdicts.filter(({ verdict }) => verdict === which).length;
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(verdicts, null, 2)}\n`);
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
  process.exitCode = count("failed") > 0 ? 1 : 0;
}

await new Command("conformance")
  .description("Runs ONNX's backend tests: every model is compiled with default options, run, and compared.")
  .argument("<directory>", "folder of NAME/model.onnx and NAME/test_data_set_N/*.pb")
  .option("--json <file>", "write every outcome to a file")
  .option("--dynamic", "leave the dims of all inputs open")
  .option("--scalar", "compile to code without SIMD")
  .option("--filter <pattern>", "run the cases whose names match")
  .option("--verbose", "print the cases that pass, too")
  .action(run)
  .parseAsync();
