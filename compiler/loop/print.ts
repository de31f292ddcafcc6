/** Text of kernels and programs, one statement a line. `notation.ts` describes the spelling, `parse.ts` reads it. */

import { type Dim, isStatic } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type ExprType,
  i32,
  type Kernel,
  type Load,
  printExprType,
  registerTypes,
  type Statement,
  sameType,
  type Variable,
} from "./ir.js";
import { COMPARISON_LEVEL, infix, literalType, printConstant, printName } from "./notation.js";
import {
  type Call,
  type CallArgument,
  type Define,
  kernelsOf,
  type Program,
  type ProgramBuffer,
  type Step,
} from "./program.js";
import { operandsOf } from "./rewrite.js";

type Op = Expr & { kind: "op" };

/** Names of the shared nodes of one statement. */
type Bindings = ReadonlyMap<Expr, string>;

export function printKernel(kernel: Kernel): string {
  const parameters = [
    ...kernel.buffers.map(printParameter),
    ...kernel.sizes.map(printSizeParameter),
    ...printShare(kernel),
  ];
  const lines = printBlock(kernel.body, "  ");
  return [`kernel @${printName(kernel.name)}(${parameters.join(", ")}) {`, ...lines, "}"].join("\n");
}

const printSizeParameter = ({ name, type }: Variable): string =>
  `size ${printName(name)}${sameType(type, i32) ? "" : `: ${printExprType(type)}`}`;

const printShare = ({ share }: Kernel): string[] =>
  share === undefined
    ? []
    : [`part ${printName(share.part.name)} of ${printName(share.parts.name)} for ${share.time}`];

const printParameter = ({ name, access, dtype, elements }: Buffer): string =>
  `${printName(name)}: ${access} ${dtypes[dtype].short}[${elements ?? "?"}]`;

export function printProgram(program: Program): string {
  return [
    `program @${printName(program.name)}`,
    "",
    ...program.buffers.map(printProgramBuffer),
    "",
    `inputs (${printTensors(program.inputs, program.inputShapes)})`,
    `outputs (${printTensors(program.outputs, program.outputShapes)})`,
    ...program.errors.map(({ message, source }) => `error ${JSON.stringify(message)}${printSource(source)}`),
    ...kernelsOf(program).map((kernel) => `\n${printKernel(kernel)}`),
    "",
    ...program.steps.flatMap((step) => printStep(step, "")),
  ].join("\n");
}

const printProgramBuffer = ({ name, kind, dtype, byteLength }: ProgramBuffer): string =>
  `buffer ${printName(name)}: ${kind} ${dtypes[dtype].short} bytes ${printSize(byteLength)}`;

/** A number as it is, an expression in quotes. */
const printSize = (dim: Dim): string => (isStatic(dim) ? `${dim}` : JSON.stringify(dim.text));

const printTensors = (buffers: readonly ProgramBuffer[], shapes: Program["inputShapes"]): string =>
  buffers.map(({ name }, i) => `${printName(name)}[${shapes[i]!.map(printSize).join(", ")}]`).join(", ");

const printArgument = ({ buffer, byteOffset }: CallArgument): string =>
  byteOffset === 0 ? printName(buffer.name) : `${printName(buffer.name)} + ${printSize(byteOffset)}`;

const printSource = (source: readonly string[]): string =>
  source.length > 0 ? ` from ${source.map((name) => JSON.stringify(name)).join(", ")}` : "";

/** A step as lines of the program's text. */
function printStep(step: Step, indent: string): string[] {
  const inner = (steps: readonly Step[]) => steps.flatMap((one) => printStep(one, `${indent}  `));
  const source = printSource(step.source);
  switch (step.kind) {
    case "call":
      return [indent + printCall(step)];
    case "define":
      return [`${indent}define ${step.symbols.map(printDefinition).join(", ")}${source}`];
    case "require": {
      const message = JSON.stringify(step.message);
      return [`${indent}require ${printSize(step.a)} == ${printSize(step.b)} else ${message}${source}`];
    }
    case "branch": {
      const head = `${indent}if ${printArgument(step.condition)}${source} {`;
      const otherwise = step.whenFalse.length > 0 ? [`${indent}} else {`, ...inner(step.whenFalse)] : [];
      return [head, ...inner(step.whenTrue), ...otherwise, `${indent}}`];
    }
    case "repeat": {
      const trips = step.trips === null ? "" : ` trips ${printArgument(step.trips)}`;
      const condition = step.condition === null ? "" : ` while ${printArgument(step.condition)}`;
      const head = `${indent}repeat ${printName(step.counter.name)}${trips}${condition}${source} {`;
      return [head, ...inner(step.body), `${indent}}`];
    }
    case "once":
      return [`${indent}once ${printName(step.done.name)}${source} {`, ...inner(step.body), `${indent}}`];
  }
}

function printDefinition({ name, value }: Define["symbols"][number]): string {
  const isElement = typeof value === "object" && "buffer" in value;
  const text = isElement ? `${printName(value.buffer.name)}[${value.index}]` : printSize(value);
  return `${JSON.stringify(name)} = ${text}`;
}

/** One call, as a line of the program's text. */
export function printCall({ kernel, args, sizes, source, flops, inPlace }: Call): string {
  const argumentList = args.map(printArgument);
  const pairs = inPlace.map(([written, read]) => `${written}:${read}`);
  return [
    `call @${printName(kernel.name)}(${argumentList.join(", ")})`,
    sizes.length > 0 ? ` sizes (${sizes.map(printSize).join(", ")})` : "",
    ` flops ${flops}`,
    pairs.length > 0 ? ` inplace ${pairs.join(", ")}` : "",
    printSource(source),
  ].join("");
}

function printBlock(statements: readonly Statement[], indent: string): string[] {
  return statements.flatMap((statement) => printStatementLines(statement, indent));
}

function printStatementLines(statement: Statement, indent: string): string[] {
  const lines = printHead(statement).map((line) => indent + line);
  if (statement.kind === "for") {
    lines.push(...printBlock(statement.body, `${indent}  `), `${indent}}`);
  } else if (statement.kind === "if") {
    lines.push(...printBlock(statement.whenTrue, `${indent}  `));
    if (statement.whenFalse.length > 0) {
      lines.push(`${indent}} else {`, ...printBlock(statement.whenFalse, `${indent}  `));
    }
    lines.push(`${indent}}`);
  }
  return lines;
}

/** The lines of a statement without the blocks inside it: bindings of shared expressions, then the statement. */
export function printHead(statement: Statement): string[] {
  const bindings = new Map<Expr, string>();
  const lines = sharedNodes(operandsOf(statement)).map((node) => {
    // The node itself is not bound yet, so it prints in full, with what it shares by name.
    const text = printExpr(node, bindings, undefined);
    const name = `%${bindings.size + 1}`;
    bindings.set(node, name);
    return `${name} = ${text}`;
  });
  return [...lines, printBare(statement, bindings)];
}

function printBare(statement: Statement, bindings: Bindings): string {
  switch (statement.kind) {
    case "for": {
      const { variable, start, end, step, mode } = statement;
      const range = `${printExpr(start, bindings, i32)}..${printExpr(end, bindings, i32)}`;
      const stepText = step === 1 ? "" : ` step ${step}`;
      const modeText = mode === "serial" ? "" : ` ${mode}`;
      return `for ${printName(variable.name)} in ${range}${stepText}${modeText} {`;
    }
    case "let": {
      const { variable, value } = statement;
      const keyword = variable.mutable ? "var" : "let";
      const type = printExprType(variable.type);
      return `${keyword} ${printName(variable.name)}: ${type} = ${printExpr(value, bindings, variable.type)}`;
    }
    case "assign": {
      const { variable, value } = statement;
      return `${printName(variable.name)} = ${printExpr(value, bindings, variable.type)}`;
    }
    case "store": {
      const value = printExpr(statement.value, bindings, registerType(statement.buffer));
      return `${printAccess(statement, bindings)}] = ${value}`;
    }
    case "if":
      return `if ${printExpr(statement.condition, bindings, undefined)} {`;
    case "invoke": {
      const buffers = statement.buffers.map(({ name }) => printName(name)).join(", ");
      const { kernel } = statement;
      const sizes = statement.sizes
        .map((size, i) => printExpr(size, bindings, kernel.sizes[i]?.type ?? i32))
        .join(", ");
      return `invoke @${printName(kernel.name)}(${buffers})${sizes && ` sizes (${sizes})`}`;
    }
  }
}

/** Operations and loads that are reached along more than one edge, each after those it uses. */
export function sharedNodes(roots: readonly Expr[]): Expr[] {
  const uses = new Map<Expr, number>();
  const finished: Expr[] = [];
  const visit = (expr: Expr): void => {
    if (expr.kind !== "op" && expr.kind !== "load") return;
    const count = uses.get(expr) ?? 0;
    uses.set(expr, count + 1);
    if (count > 0) return;
    if (expr.kind === "op") expr.args.forEach(visit);
    else visit(expr.index);
    finished.push(expr);
  };
  roots.forEach(visit);
  return finished.filter((expr) => uses.get(expr)! > 1);
}

/** `level` is that of the loosest infix operator that needs no parentheses here. */
function printExpr(expr: Expr, bindings: Bindings, expected: ExprType | undefined, level = 0): string {
  const bound = bindings.get(expr);
  if (bound !== undefined) return bound;
  switch (expr.kind) {
    case "constant":
      return printConstant(expr, expected);
    case "variable":
      return printName(expr.variable.name);
    case "address":
      return `&${printName(expr.buffer.name)}`;
    case "load":
      return `${printAccess(expr, bindings)}${printLoadType(expr)}]`;
    case "op":
      return printOp(expr, bindings, level);
  }
}

const registerType = (buffer: Buffer): ExprType => ({ scalar: registerTypes[buffer.dtype], lanes: 1 });

function printLoadType({ type, splat, buffer }: Load): string {
  if (splat) return ` : splat ${printExprType(type)}`;
  return sameType(type, registerType(buffer)) ? "" : ` : ${printExprType(type)}`;
}

function printAccess({ buffer, index, offset, pointer }: Access, bindings: Bindings): string {
  const base = pointer === undefined ? "" : `${printName(pointer.name)} -> `;
  const shift = offset === 0 ? "" : ` @${offset}`;
  return `${printName(buffer.name)}[${base}${printExpr(index, bindings, i32)}${shift}`;
}

function printOp(expr: Op, bindings: Bindings, level: number): string {
  const { op, args, immediates } = expr;
  const operator = infix[op];
  if (operator !== undefined && args.length === 2) {
    const { symbol, level: own } = operator;
    const left = printOperand(expr, 0, bindings, own === COMPARISON_LEVEL ? own + 1 : own);
    const text = `${left} ${symbol} ${printOperand(expr, 1, bindings, own + 1)}`;
    return own < level ? `(${text})` : text;
  }
  const numbers = op === "splat" ? [expr.type.lanes] : (immediates ?? []);
  const bracket = numbers.length > 0 ? `[${numbers.join(", ")}]` : "";
  return `${op}${bracket}(${args.map((_, i) => printOperand(expr, i, bindings, 0)).join(", ")})`;
}

function printOperand(expr: Op, position: number, bindings: Bindings, level: number): string {
  const operand = expr.args[position]!;
  const types = expr.args.map((arg) => (arg.kind === "constant" ? undefined : arg.type));
  const expected = operand.kind === "constant" ? literalType(expr.op, position, types) : undefined;
  return printExpr(operand, bindings, expected, level);
}
