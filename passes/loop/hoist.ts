/**
 * Loop-invariant code motion: what a loop computes alike on every pass is computed once before it.
 *
 * First the terms of every index are put in the order of their loops, outermost first, so that what is invariant stands
 * together: i * S + j * T + k is (i * S + j * T) + k, of which the inner sum leaves the loop over k and i * S leaves the
 * loop over j too. Then, from the innermost loops outwards, invariant lets and the largest invariant subexpressions
 * move before their loop.
 *
 * A division by what may be 0, or a load that may lie outside its buffer, moves only if it would have been executed
 * for certain. A load from a read buffer may come before any store of the loop, even if the buffer shares memory with
 * a written one: an element is never read after it was overwritten, so all reads of it see what it held before.
 */

import { Indices, ordered, type Polynomial, rebuild } from "../../compiler/loop/affine.js";
import { read } from "../../compiler/loop/builder.js";
import {
  type Expr,
  type For,
  i32,
  type Kernel,
  type Load,
  parametersOf,
  type Statement,
  sameType,
  type Variable,
} from "../../compiler/loop/ir.js";
import {
  changingIn,
  dependsOn,
  type ExprMap,
  hasStore,
  mapBlocks,
  mapOperands,
  Names,
  nodesOf,
  readsMemory,
  topDown,
  variablesOf,
} from "../../compiler/loop/rewrite.js";
import type { LoopPass } from "./pass.js";
import { KernelRanges } from "./ranges.js";
import { mayTrap } from "./trapping.js";

type Block = readonly Statement[];

/** Loaded values kept in registers over a loop; more would be spilled, and a spill costs what the load did. */
const MAX_LOADS = 12;

export const hoist: LoopPass = {
  name: "hoist",
  run(kernel) {
    const body = new Ordering(kernel).block(kernel.body, 0);
    return { ...kernel, body: new Hoisting({ ...kernel, body }).block(body) };
  },
};

/** Puts the terms of indices in the order of the loops that their variables belong to. */
class Ordering {
  private readonly depths = new Map<Variable, number>();
  private readonly indices = new Indices();

  constructor(kernel: Kernel) {
    for (const size of parametersOf(kernel)) this.depths.set(size, 0);
  }

  block(block: Block, depth: number): Statement[] {
    return block.map((statement) => {
      const mapped = mapOperands(statement, this.order);
      const inner = depth + 1;
      if (mapped.kind === "let" || mapped.kind === "for") {
        this.depths.set(mapped.variable, mapped.kind === "for" ? inner : this.depthOf(mapped.value, depth));
      }
      const ordered = mapped.kind === "store" ? { ...mapped, index: this.ordered(mapped.index) } : mapped;
      return mapBlocks(ordered, (body) => this.block(body, mapped.kind === "for" ? inner : depth));
    });
  }

  private readonly order: ExprMap = topDown((expr, map) => {
    if (expr.kind !== "load") return undefined;
    return { ...expr, index: this.ordered(map(expr.index)) };
  });

  /** Immutable lets change as often as what they are made of, all that depends on memory or on change as its block. */
  private depthOf(expr: Expr, block: number): number {
    if (readsMemory(expr)) return block;
    const depths = [...variablesOf(expr)].map((variable) =>
      variable.mutable ? block : (this.depths.get(variable) ?? block),
    );
    return Math.max(0, ...depths);
  }

  private ordered(index: Expr): Expr {
    const polynomial: Polynomial = this.indices.of(index);
    if (polynomial.size < 2) return index;
    return rebuild(ordered(polynomial, (factor) => this.depthOf(factor, Number.MAX_SAFE_INTEGER)));
  }
}

class Hoisting {
  private readonly names: Names;
  private readonly ranges: KernelRanges;
  private readonly indices = new Indices();

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
    this.ranges = new KernelRanges(kernel);
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => {
      const reached = this.ranges.enter(statement);
      const inside = mapBlocks(statement, (inner) => this.block(inner));
      return inside.kind === "for" ? this.fromLoop(inside, reached === "always") : [inside];
    });
  }

  private fromLoop(loop: For, runs: boolean): Statement[] {
    const motion = new Motion(loop, runs, this.names, this.ranges, this.indices);
    const body = motion.block(loop.body, true);
    return [...motion.before, { ...loop, body }];
  }
}

/** What moves out of one loop. Loops inside it have been done: their invariant parts stand in this loop's body. */
class Motion {
  readonly before: Statement[] = [];
  private readonly changing: Set<Variable>;
  private readonly stores: boolean;
  private readonly moved = new Map<Expr, Variable>();
  private loads = 0;

  constructor(
    loop: For,
    private readonly runs: boolean,
    private readonly names: Names,
    private readonly ranges: KernelRanges,
    private readonly indices: Indices,
  ) {
    this.changing = changingIn(loop);
    this.stores = hasStore(loop.body);
  }

  /** `certain` where the block is executed on every pass. */
  block(block: Block, certain: boolean): Statement[] {
    const map = this.invariantsOut(certain);
    return block.flatMap((statement) => {
      const isLet = statement.kind === "let" && !statement.variable.mutable;
      if (isLet && this.mayMove(statement.value, certain)) {
        this.before.push(statement);
        this.changing.delete(statement.variable);
        return [];
      }
      const mapped = mapOperands(statement, map);
      return mapped.kind === "if" ? [mapBlocks(mapped, (inner) => this.block(inner, false))] : [mapped];
    });
  }

  /** Replaces the largest invariant subexpressions that are worth a variable. */
  private invariantsOut(certain: boolean): ExprMap {
    return topDown((expr) => {
      if (!isWorthMoving(expr) || !this.mayMove(expr, certain)) return undefined;
      const same = this.indices.canonical(expr);
      let variable = this.moved.get(same);
      if (variable === undefined) {
        variable = this.names.variable("fixed", expr.type);
        this.before.push({ kind: "let", variable, value: expr });
        this.moved.set(same, variable);
      }
      return read(variable);
    });
  }

  private mayMove(expr: Expr, certain: boolean): boolean {
    if (dependsOn(expr, this.changing)) return false;
    const executed = certain && this.runs;
    if (!executed && mayTrap(expr)) return false;
    if (!readsMemory(expr)) return true;
    const loads = [...nodesOf(expr)].filter((node): node is Load => node.kind === "load");
    if (this.loads + loads.length > MAX_LOADS) return false;
    if (!loads.every((load) => this.mayLoadEarly(load, executed))) return false;
    this.loads += loads.length;
    return true;
  }

  private mayLoadEarly(load: Load, executed: boolean): boolean {
    if (load.buffer.access !== "read" && this.stores) return false;
    return executed || this.isInside(load);
  }

  private isInside({ buffer, pointer, index, offset, splat, type }: Load): boolean {
    if (buffer.elements === null || pointer !== undefined) return false;
    const { low, high } = this.ranges.range(index);
    return low + offset >= 0 && high + offset + (splat ? 1 : type.lanes) <= buffer.elements;
  }
}

/**
 * True for what costs more than reading a variable: not names, and not a sum that an address could swallow. The constant
 * of an index stays, so that accesses that differ by it only go on to share what moves.
 */
function isWorthMoving(expr: Expr): boolean {
  if (expr.kind === "load") return true;
  if (expr.kind !== "op") return false;
  if (expr.op !== "add" && expr.op !== "sub") return true;
  if (sameType(expr.type, i32) && expr.args[1]!.kind === "constant") return false;
  return expr.args.some(({ kind }) => kind === "op" || kind === "load");
}
