/**
 * Loops of mode `unroll` between constants become copies of their body, with the variable as a constant and locals of
 * their own. From the inside out; a loop whose copies would make too much code stays a loop.
 */

import { constantIndex, i32Constant } from "../../compiler/loop/builder.js";
import type { For, Kernel, Statement } from "../../compiler/loop/ir.js";
import { copyBlock, mapBlocks, Names, statementsIn } from "../../compiler/loop/rewrite.js";
import type { LoopPass } from "./pass.js";

type Block = readonly Statement[];

/** A function of this many statements is some 10 KiB of wasm, which compiles fast and stays in the caches. */
const MAX_STATEMENTS = 512;

export const unroll: LoopPass = {
  name: "unroll",
  run(kernel: Kernel) {
    const names = new Names(kernel);
    const unrollBlock = (block: Block): Statement[] =>
      block.flatMap((statement) => {
        const inside = mapBlocks(statement, unrollBlock);
        if (inside.kind !== "for" || inside.mode !== "unroll") return [inside];
        return copiesOf(inside, names) ?? [{ ...inside, mode: "serial" as const }];
      });
    return { ...kernel, body: unrollBlock(kernel.body) };
  },
};

/** One copy of the body for each pass, or null where the passes are unknown or too many. */
function copiesOf({ variable, start, end, step, body }: For, names: Names): Statement[] | null {
  const [first, last] = [constantIndex(start), constantIndex(end)];
  if (first === undefined || last === undefined) return null;
  const passes = Math.max(0, Math.ceil((last - first) / step));
  if (passes * [...statementsIn(body)].length > MAX_STATEMENTS) return null;
  return Array.from({ length: passes }, (_, pass) =>
    copyBlock(body, names, new Map([[variable, i32Constant(first + pass * step)]])),
  ).flat();
}
