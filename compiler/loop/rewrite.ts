/**
 * Traversal and rebuilding of Loop IR, shared by all passes.
 *
 * Expressions form a DAG whose sharing is by identity, so every map over them remembers what it made of a node, and
 * returns the node itself where nothing changed. All functions are pure.
 */

import { type Expr, type ExprType, type Kernel, parametersOf, type Statement, type Variable } from "./ir.js";

type Block = readonly Statement[];
export type ExprMap = (expr: Expr) => Expr;

export function childrenOf(expr: Expr): readonly Expr[] {
  if (expr.kind === "op") return expr.args;
  return expr.kind === "load" ? [expr.index] : [];
}

function mapChildren(expr: Expr, map: ExprMap): Expr {
  if (expr.kind === "op") {
    const args = expr.args.map(map);
    return args.every((arg, i) => arg === expr.args[i]) ? expr : { ...expr, args };
  }
  if (expr.kind === "load") {
    const index = map(expr.index);
    return index === expr.index ? expr : { ...expr, index };
  }
  return expr;
}

/** A map that rewrites operands first, then the node by the rule; shared nodes stay shared. */
export function bottomUp(rule: ExprMap): ExprMap {
  const done = new Map<Expr, Expr>();
  const map = (expr: Expr): Expr => {
    let result = done.get(expr);
    if (result === undefined) {
      result = rule(mapChildren(expr, map));
      done.set(expr, result);
    }
    return result;
  };
  return map;
}

/** A map that asks the rule first, and goes into the operands of nodes for which it says nothing. */
export function topDown(rule: (expr: Expr, map: ExprMap) => Expr | undefined): ExprMap {
  const done = new Map<Expr, Expr>();
  const map = (expr: Expr): Expr => {
    let result = done.get(expr);
    if (result === undefined) {
      result = rule(expr, map) ?? mapChildren(expr, map);
      done.set(expr, result);
    }
    return result;
  };
  return map;
}

/** The expressions that a statement computes itself, outside the blocks that it contains. */
export function operandsOf(statement: Statement): readonly Expr[] {
  switch (statement.kind) {
    case "for":
      return [statement.start, statement.end];
    case "store":
      return [statement.index, statement.value];
    case "if":
      return [statement.condition];
    case "invoke":
      return statement.sizes;
    default:
      return [statement.value];
  }
}

export function mapOperands(statement: Statement, map: ExprMap): Statement {
  switch (statement.kind) {
    case "for":
      return { ...statement, start: map(statement.start), end: map(statement.end) };
    case "store":
      return { ...statement, index: map(statement.index), value: map(statement.value) };
    case "if":
      return { ...statement, condition: map(statement.condition) };
    case "invoke":
      return { ...statement, sizes: statement.sizes.map(map) };
    default:
      return { ...statement, value: map(statement.value) };
  }
}

export function blocksOf(statement: Statement): readonly Block[] {
  if (statement.kind === "for") return [statement.body];
  return statement.kind === "if" ? [statement.whenTrue, statement.whenFalse] : [];
}

export function mapBlocks(statement: Statement, map: (block: Block) => Block): Statement {
  if (statement.kind === "for") return { ...statement, body: map(statement.body) };
  if (statement.kind === "if") {
    return { ...statement, whenTrue: map(statement.whenTrue), whenFalse: map(statement.whenFalse) };
  }
  return statement;
}

/** Applies a map to every expression of a block, at any depth. */
export const mapExprs = (block: Block, map: ExprMap): Statement[] =>
  block.map((statement) => mapBlocks(mapOperands(statement, map), (inner) => mapExprs(inner, map)));

/** Every statement at any depth, in the order of the text. */
export function statementsIn(block: Block): Statement[] {
  const found: Statement[] = [];
  const visit = (statements: Block): void => {
    for (const statement of statements) {
      found.push(statement);
      for (const inner of blocksOf(statement)) visit(inner);
    }
  };
  visit(block);
  return found;
}

/** Every expression node of a block once, operands before those that use them. */
export function exprsIn(block: Block): Expr[] {
  const seen = new Set<Expr>();
  return statementsIn(block).flatMap((statement) =>
    operandsOf(statement).flatMap((operand) => nodesOf(operand, seen)),
  );
}

/** The nodes of an expression that are not in `seen` yet, each once, operands first. */
export function nodesOf(expr: Expr, seen: Set<Expr> = new Set()): Expr[] {
  const found: Expr[] = [];
  const visit = (node: Expr): void => {
    if (seen.has(node)) return;
    seen.add(node);
    childrenOf(node).forEach(visit);
    found.push(node);
  };
  visit(expr);
  return found;
}

const noVariables: ReadonlySet<Variable> = new Set();
/** For operations and loads; leaves are looked up by their variable, of which there are fewer. */
const freeOf = new WeakMap<Expr | Variable, ReadonlySet<Variable>>();

/** The variables that an expression reads, those that hold pointers included. */
export function variablesOf(expr: Expr): ReadonlySet<Variable> {
  if (expr.kind === "constant" || expr.kind === "address") return noVariables;
  if (expr.kind === "variable") return only(expr.variable);
  let free = freeOf.get(expr);
  if (free === undefined) {
    const pointer = expr.kind === "load" ? expr.pointer : undefined;
    free = childrenOf(expr)
      .map(variablesOf)
      .reduce(union, pointer === undefined ? noVariables : only(pointer));
    freeOf.set(expr, free);
  }
  return free;
}

function only(variable: Variable): ReadonlySet<Variable> {
  let single = freeOf.get(variable);
  if (single === undefined) {
    single = new Set([variable]);
    freeOf.set(variable, single);
  }
  return single;
}

/** One of the sets itself where it holds the other: most nodes read no more than their largest operand. */
function union(a: ReadonlySet<Variable>, b: ReadonlySet<Variable>): ReadonlySet<Variable> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const variable of small) if (!large.has(variable)) return new Set([...large, ...small]);
  return large;
}

export function dependsOn(expr: Expr, variables: ReadonlySet<Variable>): boolean {
  if (expr.kind === "constant") return false;
  if (expr.kind === "variable") return variables.has(expr.variable);
  for (const variable of variablesOf(expr)) if (variables.has(variable)) return true;
  return false;
}

const loading = new WeakMap<Expr, boolean>();

/** True where the value of the expression depends on memory. */
export function readsMemory(expr: Expr): boolean {
  if (expr.kind !== "op") return expr.kind === "load";
  let reads = loading.get(expr);
  if (reads === undefined) {
    reads = expr.args.some(readsMemory);
    loading.set(expr, reads);
  }
  return reads;
}

export const hasStore = (block: Block): boolean => statementsIn(block).some(({ kind }) => kind === "store");

/** The variables that a block declares: lets and the variables of its loops. */
export function declaredIn(block: Block): Set<Variable> {
  const declared = new Set<Variable>();
  for (const statement of statementsIn(block)) {
    if (statement.kind === "let" || statement.kind === "for") declared.add(statement.variable);
  }
  return declared;
}

export function assignedIn(block: Block): Set<Variable> {
  const assigned = new Set<Variable>();
  for (const statement of statementsIn(block))
    if (statement.kind === "assign") assigned.add(statement.variable);
  return assigned;
}

/** The variables whose values may differ from one pass through a loop to the next. */
export function changingIn(loop: Statement & { kind: "for" }): Set<Variable> {
  return new Set([loop.variable, ...declaredIn(loop.body), ...assignedIn(loop.body)]);
}

/** Makes variables whose names no other variable of the kernel has. */
export class Names {
  private readonly taken = new Set<string>();

  constructor(kernel: Kernel) {
    for (const { name } of [...kernel.buffers, ...parametersOf(kernel), ...declaredIn(kernel.body)])
      this.taken.add(name);
  }

  variable(wanted: string, type: ExprType, mutable = false): Variable {
    // Copies of copies count on from the first, so that names do not grow by one suffix for each pass.
    const base = wanted.replace(/(\.\d+)+$/, "");
    let name = wanted;
    for (let count = 1; this.taken.has(name); count++) name = `${base}.${count}`;
    this.taken.add(name);
    return { kind: "variable", name, type, mutable };
  }

  copyOf(variable: Variable): Variable {
    return this.variable(variable.name, variable.type, variable.mutable);
  }
}

/** Replaces reads of variables by expressions; a variable that serves as a pointer must become a variable. */
export function substitution(values: ReadonlyMap<Variable, Expr>): ExprMap {
  return bottomUp((expr) => {
    if (expr.kind === "variable") return values.get(expr.variable) ?? expr;
    if (expr.kind !== "load") return expr;
    const pointer = pointerUnder(values, expr.pointer);
    return pointer === expr.pointer ? expr : { ...expr, pointer: pointer! };
  });
}

function pointerUnder(
  values: ReadonlyMap<Variable, Expr>,
  pointer: Variable | undefined,
): Variable | undefined {
  const value = pointer && values.get(pointer);
  return value?.kind === "variable" ? value.variable : pointer;
}

/** Replaces reads of variables that the block does not declare. */
export function substitute(block: Block, values: ReadonlyMap<Variable, Expr>): Statement[] {
  const map = substitution(values);
  const inBlock = (statements: Block): Statement[] =>
    statements.map((statement) => {
      const mapped = mapBlocks(mapOperands(statement, map), inBlock);
      if (mapped.kind !== "store") return mapped;
      const pointer = pointerUnder(values, mapped.pointer);
      return pointer === mapped.pointer ? mapped : { ...mapped, pointer: pointer! };
    });
  return inBlock(block);
}

/** A copy of a block with locals of its own, and with reads of the given variables replaced. */
export function copyBlock(block: Block, names: Names, values: ReadonlyMap<Variable, Expr>): Statement[] {
  const locals = new Map<Variable, Variable>();
  for (const variable of declaredIn(block)) locals.set(variable, names.copyOf(variable));
  const all = new Map(values);
  for (const [from, to] of locals) all.set(from, { kind: "variable", type: to.type, variable: to });
  const rename = (statements: Block): Statement[] =>
    statements.map((statement) => {
      const inner = mapBlocks(statement, rename);
      if (inner.kind === "store" || inner.kind === "if" || inner.kind === "invoke") return inner;
      return { ...inner, variable: locals.get(inner.variable) ?? inner.variable };
    });
  return rename(substitute(block, all));
}
