/**
 * Shares the work of a kernel out over threads.
 *
 * The kernel gets two more parameters, the number of a part and how many parts there are, and does one part of its work
 * in each call:
 *
 *   for i in 0..N { ... }   ->   for i in part * N / parts..(part + 1) * N / parts { ... }
 *
 * Every part walks through the whole kernel. Of the loops that store results it does its own passes; a piece that is too
 * small to be shared out is done by part 0; the rest (index arithmetic) by all. Parts may be done at the same time and in
 * any order, so this is only right where no element that one of them stores is touched by another, which is proved for
 * each pair of accesses (`independence.ts`): a kernel for which there is no proof stays as it is.
 *
 * What a loop does in a pass stays the same, so results do not depend on the number of parts.
 */

import { equalDims, isStatic } from "../../compiler/ir/dim.js";
import { dtypes } from "../../compiler/ir/dtype.js";
import { add, constantIndex, div, minIndex, mul, op, read, rem } from "../../compiler/loop/builder.js";
import {
  type Buffer,
  type Expr,
  type For,
  i32,
  type Kernel,
  MAX_PARTS,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import type { Call } from "../../compiler/loop/program.js";
import {
  assignedIn,
  declaredIn,
  hasStore,
  mapBlocks,
  mapExprs,
  Names,
  operandsOf,
  topDown,
} from "../../compiler/loop/rewrite.js";
import type { LoopPass } from "../loop/pass.js";
import { costOf, timeOf } from "./cost.js";
import { Independence } from "./independence.js";
import { type Counter, type Touch, Touches } from "./touches.js";

type Block = readonly Statement[];

/** Nanoseconds that are worth handing parts to another thread, which takes one or two microseconds. */
const LEAST_TIME = 5_000;

/** A loop of so many passes is shared out rather than one inside it. */
const ENOUGH_PASSES = 8;

export const share: LoopPass = {
  name: "share",
  run: (kernel, calls = []) => {
    const time = timeOf(kernel);
    if (time < LEAST_TIME) return kernel;
    const run = (whole: boolean): Kernel | null => new Sharing(kernel, time, calls, whole).run();
    return run(true) ?? run(false) ?? kernel;
  },
};

/** A statement that stores results: a loop whose passes are shared out, or what part 0 does alone. */
interface Unit {
  readonly statement: Statement;
  readonly loop: Counter | null;
  readonly touches: readonly Touch[];
}

interface Plan {
  readonly units: readonly Unit[];
  /** Loads of what all parts do. */
  readonly common: readonly Touch[];
}

/** Two buffers of a kernel that may be one in memory, the second so many elements behind the first. */
interface Alias {
  readonly a: Buffer;
  readonly b: Buffer;
  readonly shift: number;
}

class Sharing {
  private readonly touches: Touches;
  private readonly independence: Independence;
  private readonly names: Names;
  private readonly part: Variable;
  private readonly parts: Variable;

  constructor(
    private readonly kernel: Kernel,
    private readonly time: number,
    private readonly calls: readonly Call[],
    whole: boolean,
  ) {
    this.touches = new Touches(kernel, whole);
    this.independence = new Independence(this.touches);
    this.names = new Names(kernel);
    this.part = this.names.variable("part", i32);
    this.parts = this.names.variable("parts", i32);
  }

  /** The kernel shared out, or null where it cannot be. */
  run(): Kernel | null {
    const { kernel } = this;
    const aliases = aliasesOf(kernel, this.calls);
    const plan = this.plan(kernel.body);
    if (aliases === null || plan === null || !plan.units.some(({ loop }) => loop !== null)) return null;
    const alone = plan.units.filter(({ loop }) => loop === null).map(({ statement }) => statement);
    if (costOf(alone) * 4 > costOf(kernel.body) || !this.isSound(plan, aliases)) return null;
    const units = new Map(plan.units.map((unit) => [unit.statement, unit]));
    const body = this.shareOut(kernel.body, units);
    const { part, parts, time } = this;
    return withScratch({ ...kernel, share: { part, parts, time }, body }, part);
  }

  /** What is done by whom, or null where a statement can be neither shared out nor done by one part. */
  private plan(block: Block): Plan | null {
    const units: Unit[] = [];
    const common: Touch[] = [];
    for (const statement of block) {
      if (!hasStore([statement])) {
        common.push(...this.touches.of([statement]));
        continue;
      }
      const inner = statement.kind === "for" ? this.planLoop(statement) : this.planAlone(statement);
      if (inner === null) return null;
      units.push(...inner.units);
      common.push(...inner.common);
    }
    return { units, common };
  }

  private planLoop(loop: For): Plan | null {
    const counter = this.touches.counters.get(loop)!;
    const passes = constantIndex(counter.passes) ?? (this.touches.isFixed(counter.passes) ? 2 ** 20 : 0);
    const own = passes > 1 ? this.planShared(loop, counter) : null;
    if (own !== null && passes >= ENOUGH_PASSES) return own;
    const inside = this.plan(loop.body);
    const bounds = operandsOf(loop).flatMap((operand) => this.touches.loads(operand));
    const isBetter = inside?.units.some(
      ({ loop: one }) => one !== null && (constantIndex(one.passes) ?? 2 ** 20) > passes,
    );
    // Loops inside may need what others of them have stored; the loop around them has no such passes.
    if (inside !== null && isBetter && (own === null || this.areAllSound(inside.units, [])))
      return { units: inside.units, common: [...inside.common, ...bounds] };
    return own ?? this.planAlone(loop);
  }

  private planShared(loop: For, counter: Counter): Plan | null {
    if (assignsOuter(loop)) return null;
    const unit: Unit = { statement: loop, loop: counter, touches: this.touches.of(loop.body) };
    return this.areSound(unit, unit, []) ? { units: [unit], common: [] } : null;
  }

  private planAlone(statement: Statement): Plan | null {
    if (assignsOuter(statement)) return null;
    return { units: [{ statement, loop: null, touches: this.touches.of([statement]) }], common: [] };
  }

  private isSound({ units, common }: Plan, aliases: readonly Alias[]): boolean {
    const all: Unit = { statement: this.kernel.body[0]!, loop: null, touches: common };
    return units.every((unit) => this.areSound(unit, all, aliases)) && this.areAllSound(units, aliases);
  }

  private areAllSound(units: readonly Unit[], aliases: readonly Alias[]): boolean {
    return units.every((unit, i) =>
      units.slice(i).every((other) => {
        const areAlone = unit.loop === null && other.loop === null;
        return areAlone || this.areSound(unit, other, aliases);
      }),
    );
  }

  /** True where no element that one unit stores is touched by another part at the other, or at the same. */
  private areSound(one: Unit, other: Unit, aliases: readonly Alias[]): boolean {
    return one.touches.every((a) =>
      other.touches.every((b) => {
        if (!a.stores && !b.stores) return true;
        // Each part has its own: what one of them leaves there for another unit, the other parts do not find.
        if (a.buffer.access === "scratch") return one === other || a.buffer !== b.buffer;
        const apart = (shift: number): boolean =>
          this.independence.areApart(a, b, one.loop, other.loop, shift);
        if (a.buffer === b.buffer && !apart(0)) return false;
        return aliases.every((alias) => {
          if (alias.a === a.buffer && alias.b === b.buffer) return apart(alias.shift);
          return alias.a !== b.buffer || alias.b !== a.buffer || apart(-alias.shift);
        });
      }),
    );
  }

  private shareOut(block: Block, units: ReadonlyMap<Statement, Unit>): Statement[] {
    return block.flatMap((statement) => {
      const unit = units.get(statement);
      if (unit === undefined) return [mapBlocks(statement, (inner) => this.shareOut(inner, units))];
      if (unit.loop !== null) return this.ownPasses(statement as For, unit.loop);
      const condition = op("eq", read(this.part), 0);
      return [{ kind: "if", condition, whenTrue: [statement], whenFalse: [] }];
    });
  }

  /** The passes of the part: neighbours, as many as in any other part or one more, which are spread evenly. */
  private ownPasses(loop: For, { passes }: Counter): Statement[] {
    const lets: Statement[] = [];
    const bind = (name: string, value: Expr): Expr => {
      if (value.kind === "constant") return value;
      const variable = this.names.variable(`${loop.variable.name}_${name}`, i32);
      lets.push({ kind: "let", variable, value });
      return read(variable);
    };
    const count = bind("passes", passes);
    const [each, more] = [
      bind("each", div(count, read(this.parts))),
      bind("more", rem(count, read(this.parts))),
    ];
    const first = (part: Expr): Expr => add(mul(part, each), div(mul(part, more), read(this.parts)));
    const place = (number: Expr): Expr => add(loop.start, mul(number, loop.step));
    const start = bind("first", place(first(read(this.part))));
    const last = place(first(add(read(this.part), 1)));
    const end = bind("last", loop.step === 1 ? last : minIndex(loop.end, last));
    return [...lets, { ...loop, start, end }];
  }
}

function assignsOuter(statement: Statement): boolean {
  const declared = declaredIn([statement]);
  return [...assignedIn([statement])].some((variable) => !declared.has(variable));
}

/** Each part has scratch memory of its own, behind that of the part before. */
function withScratch(kernel: Kernel, part: Variable): Kernel {
  const larger = new Map<Buffer, Buffer>();
  for (const buffer of kernel.buffers) {
    if (buffer.access !== "scratch") continue;
    larger.set(buffer, { ...buffer, elements: buffer.elements! * MAX_PARTS });
  }
  if (larger.size === 0) return kernel;
  const placed = (index: Expr, buffer: Buffer): Expr => add(mul(read(part), buffer.elements!), index);
  const map = topDown((expr, inner) => {
    const buffer = expr.kind === "load" ? larger.get(expr.buffer) : undefined;
    if (expr.kind !== "load" || buffer === undefined) return undefined;
    return { ...expr, buffer, index: placed(inner(expr.index), expr.buffer) };
  });
  const stores = (block: Block): Statement[] =>
    block.map((statement) => {
      const inside = mapBlocks(statement, stores);
      const buffer = inside.kind === "store" ? larger.get(inside.buffer) : undefined;
      if (inside.kind !== "store" || buffer === undefined) return inside;
      return { ...inside, buffer, index: placed(inside.index, inside.buffer) };
    });
  const buffers = kernel.buffers.map((buffer) => larger.get(buffer) ?? buffer);
  return { ...kernel, buffers, body: stores(mapExprs(kernel.body, map)) };
}

/** Buffers that a call gives the same memory to; null where nobody can say how they lie in it. */
function aliasesOf(kernel: Kernel, calls: readonly Call[]): Alias[] | null {
  const found: Alias[] = [];
  const { buffers } = kernel;
  for (const { args, inPlace } of calls) {
    for (const [written, overwritten] of inPlace) {
      const [a, b] = [buffers[written]!, buffers[overwritten]!];
      if (dtypes[a.dtype].bytes !== dtypes[b.dtype].bytes) return null;
      found.push({ a, b, shift: 0 });
    }
    for (let i = 0; i < args.length; i++) {
      for (let j = 0; j < i; j++) {
        const [x, y, a, b] = [args[i]!, args[j]!, buffers[i]!, buffers[j]!];
        if (x.buffer !== y.buffer || (a.access === "read" && b.access === "read")) continue;
        const width = dtypes[a.dtype].bytes;
        if (width !== dtypes[b.dtype].bytes) return null;
        if (equalDims(x.byteOffset, y.byteOffset)) found.push({ a, b, shift: 0 });
        else if (isStatic(x.byteOffset) && isStatic(y.byteOffset)) {
          found.push({ a, b, shift: (y.byteOffset - x.byteOffset) / width });
        } else return null;
      }
    }
  }
  return found;
}
