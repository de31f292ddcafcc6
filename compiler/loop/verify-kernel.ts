/**
 * Checks that a kernel keeps the rules of Loop IR. Passes run it after each step, so that the pass which broke a rule
 * is the one that is named.
 */

import { KilnError } from "../diagnostics.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type Invoke,
  i32,
  type Kernel,
  parametersOf,
  printExprType,
  registerTypes,
  type Statement,
  type Store,
  sameType,
  type Variable,
} from "./ir.js";
import { printHead } from "./print.js";
import { operandsOf } from "./rewrite.js";
import { IndexRanges, type Reached, reachedWithin } from "./verify-bounds.js";
import { isRegisterType, isScalar, isValueOf, opProblem } from "./verify-types.js";

/** The invariants of a kernel; `verify.ts` goes on with those of a program. */
const invariants = {
  1: "names that are visible at one place are distinct",
  2: "sizes and parts are immutable",
  3: "registers hold scalars or 128-bit vectors",
  4: "constants are values of their type",
  5: "operations are typed as `ops` says",
  6: "variables are read within their scope, with their own type",
  7: "a variable is defined once",
  8: "a variable is given values of its type, after its definition only where it is mutable",
  9: "loop variables are immutable i32 with i32 bounds and a step of at least 1",
  10: "conditions are scalar bool",
  11: "accesses touch buffers of the kernel, loads only readable and stores only writable ones",
  12: "indices and pointers are i32 scalars, offsets integers",
  13: "loads and stores use the register type of the buffer, splats fill several lanes",
  14: "accesses stay inside their buffer wherever that is known at compile time",
  15: "buffers have distinct names and an extent that is null or not negative",
  29: "an invoked kernel gets values of its sizes' types and buffers of this one, of its element types, that it may access",
} as const;

type Invariant = keyof typeof invariants;

/** Throws E_INTERNAL naming the kernel, the statement and the broken invariant. */
export function verifyKernel(kernel: Kernel): void {
  new KernelVerifier(kernel).run();
}

class KernelVerifier {
  private readonly buffers: ReadonlySet<Buffer>;
  private readonly names = new Set<string>();
  private readonly inScope = new Set<Variable>();
  private readonly defined = new Set<Variable>();
  private readonly ranges = new IndexRanges();
  private statement: Statement | undefined;
  /** Expressions of the statement that are known to be right: a shared node is checked once. */
  private checked = new Set<Expr>();
  private reached: Reached = "always";

  constructor(private readonly kernel: Kernel) {
    this.buffers = new Set(kernel.buffers);
  }

  run(): void {
    for (const buffer of this.kernel.buffers) this.checkBuffer(buffer);
    for (const size of parametersOf(this.kernel)) {
      this.check(!size.mutable, 2, `size ${size.name}`);
      this.define(size);
    }
    this.checkBlock(this.kernel.body, "always");
  }

  private checkBuffer({ name, elements }: Buffer): void {
    this.check(!this.names.has(name), 15, `two buffers are called ${name}`);
    const extent = elements === null || (Number.isSafeInteger(elements) && elements >= 0);
    this.check(extent, 15, `${name} has ${elements} elements`);
    this.names.add(name);
  }

  private checkBlock(statements: readonly Statement[], reached: Reached): void {
    const outer = this.reached;
    this.reached = reachedWithin(outer, reached);
    const visible: Variable[] = [];
    for (const statement of statements) {
      this.statement = statement;
      this.checked = new Set();
      this.ranges.nextStatement();
      for (const operand of operandsOf(statement)) this.checkExpr(operand);
      const defined = this.checkStatement(statement);
      if (defined !== undefined) visible.push(defined);
    }
    for (const variable of visible) this.leave(variable);
    this.reached = outer;
  }

  /** Checks a statement whose expressions are right; gives the variable that it adds to its block. */
  private checkStatement(statement: Statement): Variable | undefined {
    switch (statement.kind) {
      case "for":
        this.checkLoop(statement);
        return undefined;
      case "let": {
        const { variable, value } = statement;
        this.checkValue(variable, value);
        this.define(variable);
        this.ranges.define(variable, value);
        return variable;
      }
      case "assign":
        this.check(this.inScope.has(statement.variable), 6, `${statement.variable.name} is not in scope`);
        this.check(statement.variable.mutable, 8, `${statement.variable.name} is not mutable`);
        this.checkValue(statement.variable, statement.value);
        return undefined;
      case "store":
        this.checkStore(statement);
        return undefined;
      case "if": {
        const { condition, whenTrue, whenFalse } = statement;
        this.check(isScalar(condition.type, "bool"), 10, `condition of ${printExprType(condition.type)}`);
        const truth = this.ranges.truth(condition);
        this.checkBlock(whenTrue, branchReached(truth));
        this.checkBlock(whenFalse, branchReached(truth === undefined ? undefined : !truth));
        return undefined;
      }
      case "invoke":
        this.checkInvoke(statement);
        return undefined;
    }
  }

  private checkInvoke({ kernel, buffers, sizes }: Invoke): void {
    const fits = buffers.length === kernel.buffers.length && sizes.length === parametersOf(kernel).length;
    this.check(fits && kernel.share === undefined, 29, `@${kernel.name} takes other arguments`);
    kernel.sizes.forEach(({ name, type }, i) => {
      this.check(sameType(type, sizes[i]!.type), 29, `${printExprType(sizes[i]!.type)} for size ${name}`);
    });
    kernel.buffers.forEach(({ name, dtype, access }, i) => {
      const given = buffers[i]!;
      const may = given.access === access || given.access === "scratch" || given.access === "readwrite";
      const isFit = this.buffers.has(given) && given.dtype === dtype && may;
      this.check(isFit, 29, `${given.name} as ${name} of @${kernel.name}`);
    });
  }

  private checkLoop({ variable, start, end, step, body }: Statement & { kind: "for" }): void {
    this.check(isScalar(variable.type, "i32") && !variable.mutable, 9, `loop variable ${variable.name}`);
    this.check(sameType(start.type, i32) && sameType(end.type, i32), 9, "bounds that are not i32");
    this.check(Number.isSafeInteger(step) && step >= 1, 9, `step ${step}`);
    this.define(variable);
    this.checkBlock(body, this.ranges.defineLoop(variable, start, end, step));
    this.leave(variable);
  }

  private checkValue({ name, type }: Variable, value: Expr): void {
    this.check(
      sameType(type, value.type),
      8,
      `${printExprType(value.type)} for ${name}: ${printExprType(type)}`,
    );
  }

  private checkStore(store: Store): void {
    const { buffer, value } = store;
    this.check(buffer.access !== "read", 11, `store to ${buffer.name}, which is ${buffer.access}`);
    this.checkRegister(buffer, value.type.scalar);
    this.checkAccess(store, value.type.lanes);
  }

  private checkExpr(expr: Expr): void {
    if (this.checked.has(expr)) return;
    this.checked.add(expr);
    if (expr.kind === "op") for (const arg of expr.args) this.checkExpr(arg);
    if (expr.kind === "load") this.checkExpr(expr.index);
    this.check(isRegisterType(expr.type), 3, printExprType(expr.type));
    switch (expr.kind) {
      case "constant":
        this.check(isValueOf(expr), 4, `${expr.value} as ${printExprType(expr.type)}`);
        break;
      case "variable":
        this.checkRead(expr.variable, expr);
        break;
      case "op": {
        const problem = opProblem(expr);
        this.check(problem === undefined, 5, problem ?? "");
        break;
      }
      case "address":
        this.check(this.buffers.has(expr.buffer), 11, `${expr.buffer.name} is no buffer of the kernel`);
        this.check(sameType(expr.type, i32), 12, `address of ${printExprType(expr.type)}`);
        break;
      case "load": {
        const { buffer, type, splat } = expr;
        this.check(buffer.access !== "write", 11, `load from ${buffer.name}, which is ${buffer.access}`);
        this.checkRegister(buffer, type.scalar);
        this.check(!splat || type.lanes > 1, 13, "splat to one lane");
        this.checkAccess(expr, splat ? 1 : type.lanes);
      }
    }
  }

  private checkRead(variable: Variable, { type }: Expr): void {
    this.check(this.inScope.has(variable), 6, `${variable.name} is not in scope`);
    this.check(
      sameType(type, variable.type),
      6,
      `${variable.name}: ${printExprType(variable.type)} read as ${printExprType(type)}`,
    );
  }

  private checkRegister(buffer: Buffer, scalar: Expr["type"]["scalar"]): void {
    const expected = registerTypes[buffer.dtype];
    this.check(scalar === expected, 13, `${scalar} for ${buffer.name}, which holds ${expected}`);
  }

  private checkAccess(access: Access, lanes: number): void {
    const { buffer, index, offset, pointer } = access;
    this.check(this.buffers.has(buffer), 11, `${buffer.name} is no buffer of the kernel`);
    this.check(sameType(index.type, i32), 12, `index of ${printExprType(index.type)}`);
    this.check(Number.isSafeInteger(offset), 12, `offset ${offset}`);
    if (pointer !== undefined) {
      this.check(this.inScope.has(pointer), 6, `${pointer.name} is not in scope`);
      this.check(sameType(pointer.type, i32), 12, `pointer of ${printExprType(pointer.type)}`);
    }
    const problem = this.ranges.accessProblem(access, lanes, this.reached);
    this.check(problem === undefined, 14, problem ?? "");
  }

  private define(variable: Variable): void {
    this.check(!this.defined.has(variable), 7, `${variable.name} is defined twice`);
    this.check(!this.names.has(variable.name), 1, `${variable.name} hides another name`);
    this.check(isRegisterType(variable.type), 3, `${variable.name}: ${printExprType(variable.type)}`);
    this.defined.add(variable);
    this.inScope.add(variable);
    this.names.add(variable.name);
  }

  private leave(variable: Variable): void {
    this.inScope.delete(variable);
    this.names.delete(variable.name);
  }

  private check(holds: boolean, invariant: Invariant, found: string): void {
    if (holds) return;
    const where = this.statement === undefined ? "" : `\n  in: ${printHead(this.statement).join("\n      ")}`;
    throw new KilnError(
      "E_INTERNAL",
      `kernel @${this.kernel.name} breaks invariant ${invariant}, ${invariants[invariant]}: ${found}${where}`,
    );
  }
}

function branchReached(truth: boolean | undefined): Reached {
  if (truth === undefined) return "sometimes";
  return truth ? "always" : "never";
}
