/** The type rules of single expressions: what `ops` in ir.ts demands, and which types and constants exist. */

import { type Expr, type ExprType, opInfo, printExprType, type ScalarType, sameType } from "./ir.js";

type Op = Expr & { kind: "op" };
type Constant = Expr & { kind: "constant" };

/** Lanes of a 128-bit vector. Masks have as many lanes as the vectors whose comparison made them. */
const vectorLanes: { readonly [S in ScalarType]: readonly number[] } = {
  i32: [4],
  f32: [4],
  i64: [2],
  f64: [2],
  bool: [2, 4],
};

export const isRegisterType = ({ scalar, lanes }: ExprType): boolean =>
  lanes === 1 || vectorLanes[scalar].includes(lanes);

export const isScalar = (type: ExprType, scalar: ScalarType): boolean =>
  type.scalar === scalar && type.lanes === 1;

/** True where the value is one that the constant's type has. */
export function isValueOf({ type, value }: Constant): boolean {
  if (type.scalar === "i64") return typeof value === "bigint" && BigInt.asIntN(64, value) === value;
  if (typeof value !== "number") return false;
  switch (type.scalar) {
    case "i32":
      return Object.is(value, value | 0);
    case "bool":
      return Object.is(value, 0) || value === 1;
    case "f32":
      return Object.is(value, Math.fround(value));
    case "f64":
      return true;
  }
}

/** The type that an operation gives on these operands; only splat chooses its lanes freely. */
export function resultType({ op, args, type }: Op): ExprType {
  const { result } = opInfo(op);
  const operand = args[0]!.type;
  switch (result) {
    case "same":
      return operand;
    case "select":
      return args[1]!.type;
    case "extract":
      return { scalar: operand.scalar, lanes: 1 };
    case "splat":
      return { scalar: operand.scalar, lanes: type.lanes };
    default:
      return { scalar: result, lanes: operand.lanes };
  }
}

/** What is wrong with the operands, result type or immediates of an operation, or undefined. */
export function opProblem(expr: Op): string | undefined {
  const { op, args } = expr;
  const info = opInfo(op);
  if (args.length !== info.arity) return `${op} takes ${info.arity} operands, has ${args.length}`;
  return operandProblem(expr) ?? resultProblem(expr) ?? immediatesProblem(expr);
}

function operandProblem({ op, args }: Op): string | undefined {
  const types = args.map((arg) => arg.type);
  const valueType = op === "select" ? types[1]! : types[0]!;
  if (!opInfo(op).on.includes(valueType.scalar)) return `${op} does not take ${printExprType(valueType)}`;
  const wanted = wantedTypes(op, valueType);
  const wrong = types.findIndex((type, i) => !sameType(type, wanted?.[i] ?? valueType));
  if (wrong >= 0) {
    return `operand ${wrong} of ${op} is ${printExprType(types[wrong]!)} beside ${printExprType(valueType)}`;
  }
  const isVector = valueType.lanes > 1;
  if (op === "splat") return isVector ? "splat takes a scalar" : undefined;
  const onVectors = op === "extract" || op === "replace" || op === "shuffle";
  return onVectors && !isVector ? `${op} takes a vector` : undefined;
}

/** Types of the operands where they are not all alike. */
function wantedTypes(op: Op["op"], { scalar, lanes }: ExprType): ExprType[] | undefined {
  const value: ExprType = { scalar, lanes };
  if (op === "select") return [{ scalar: "bool", lanes }, value, value];
  if (op === "replace") return [value, { scalar, lanes: 1 }];
  return undefined;
}

function resultProblem(expr: Op): string | undefined {
  const expected = resultType(expr);
  if (!sameType(expected, expr.type)) {
    return `${expr.op} gives ${printExprType(expected)}, typed ${printExprType(expr.type)}`;
  }
  return expr.op === "splat" && expr.type.lanes === 1 ? "splat gives a vector" : undefined;
}

function immediatesProblem({ op, args, immediates = [] }: Op): string | undefined {
  const { scalar, lanes } = args[0]!.type;
  if (op === "shuffle") {
    if (immediates.length !== 16 || !immediates.every((byte) => isIndex(byte, 32))) {
      return "shuffle needs 16 byte selectors in 0..31";
    }
    const whole = scalar !== "bool" || movesWholeLanes(immediates, 16 / lanes);
    return whole ? undefined : "a shuffle of masks must move whole lanes";
  }
  if (op === "extract" || op === "replace") {
    const named = immediates.length === 1 && isIndex(immediates[0]!, lanes);
    return named ? undefined : `${op} needs one lane number below ${lanes}`;
  }
  return immediates.length === 0 ? undefined : `${op} takes no immediates`;
}

const isIndex = (value: number, end: number): boolean => Number.isInteger(value) && value >= 0 && value < end;

const movesWholeLanes = (bytes: readonly number[], laneBytes: number): boolean =>
  bytes.every((byte, i) => byte % laneBytes === i % laneBytes) &&
  bytes.every((byte, i) => byte - (i % laneBytes) === bytes[i - (i % laneBytes)]);
