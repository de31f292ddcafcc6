/** Operations on scalar registers. */

import type { Instruction } from "./builder.js";
import type { Node, Nodes } from "./nodes.js";
import { direct, one, type Rule, type Rules } from "./ops-rule.js";

/** select(condition, a, b), where the instruction takes its condition last. */
const select: Rule = (nodes, [condition, a, b]) => nodes.pure("select", [a!, b!, condition!]);

function ints(type: "i32" | "i64"): Rules {
  const binary = (nodes: Nodes, name: "sub" | Comparison, a: Node, b: Node): Node =>
    nodes.pure(`${type}.${name}`, [a, b]);
  const zero = (nodes: Nodes): Node => nodes.constant(type, type === "i64" ? 0n : 0);
  const negated = (nodes: Nodes, a: Node): Node => binary(nodes, "sub", zero(nodes), a);
  const chosen =
    (comparison: Comparison): Rule =>
    (nodes, [a, b]) =>
      nodes.pure("select", [a!, b!, binary(nodes, comparison, a!, b!)]);
  return {
    ...direct(type, ["add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor"]),
    ...direct(type, ["shl", "shr_s", "shr_u", "eq", "ne"]),
    ...direct(type, ["lt_s", "le_s", "gt_s", "ge_s", "lt_u", "le_u", "gt_u", "ge_u"]),
    neg: (nodes, [a]) => negated(nodes, a!),
    abs: (nodes, [a]) =>
      nodes.pure("select", [negated(nodes, a!), a!, binary(nodes, "lt_s", a!, zero(nodes))]),
    min_s: chosen("lt_s"),
    max_s: chosen("gt_s"),
    min_u: chosen("lt_u"),
    max_u: chosen("gt_u"),
    select,
  };
}

type Comparison = "lt_s" | "gt_s" | "lt_u" | "gt_u";

function floats(type: "f32" | "f64"): Rules {
  const less = (nodes: Nodes, a: Node, b: Node): Node => nodes.pure(`${type}.lt`, [a, b]);
  return {
    ...direct(type, ["add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt", "copysign"]),
    ...direct(type, ["floor", "ceil", "trunc", "nearest", "eq", "ne", "lt", "le", "gt", "ge"]),
    pmin: (nodes, [a, b]) => nodes.pure("select", [b!, a!, less(nodes, b!, a!)]),
    pmax: (nodes, [a, b]) => nodes.pure("select", [b!, a!, less(nodes, a!, b!)]),
    // Scalars are never fused: no instruction does it.
    fma: (nodes, [a, b, c]) => nodes.pure(`${type}.add`, [nodes.pure(`${type}.mul`, [a!, b!]), c!]),
    select,
  };
}

/** Conversions that are one instruction, as `operation: instruction`. */
const conversions = (table: Partial<Record<keyof Rules, Instruction>>): Rules =>
  Object.fromEntries(Object.entries(table).map(([name, instruction]) => [name, one(instruction)]));

const sixteen = (nodes: Nodes): Node => nodes.i32(16);
const highHalf = (nodes: Nodes, a: Node): Node => nodes.pure("i32.shr_s", [a, sixteen(nodes)]);
const lowHalf = (nodes: Nodes, a: Node): Node => nodes.pure("i32.extend16_s", [a]);

export const scalarRules = {
  i32: {
    ...ints("i32"),
    dot_i16: (nodes, [a, b]) =>
      nodes.pure("i32.add", [
        nodes.pure("i32.mul", [lowHalf(nodes, a!), lowHalf(nodes, b!)]),
        nodes.pure("i32.mul", [highHalf(nodes, a!), highHalf(nodes, b!)]),
      ]),
    ...conversions({
      i32_to_f32_s: "f32.convert_i32_s",
      i32_to_f32_u: "f32.convert_i32_u",
      i32_to_f64_s: "f64.convert_i32_s",
      i32_to_f64_u: "f64.convert_i32_u",
      i32_to_i64_s: "i64.extend_i32_s",
      i32_to_i64_u: "i64.extend_i32_u",
      bits_f32: "f32.reinterpret_i32",
    }),
  },
  i64: {
    ...ints("i64"),
    ...conversions({
      i64_to_f32_s: "f32.convert_i64_s",
      i64_to_f32_u: "f32.convert_i64_u",
      i64_to_f64_s: "f64.convert_i64_s",
      i64_to_f64_u: "f64.convert_i64_u",
      i64_to_i32: "i32.wrap_i64",
      bits_f64: "f64.reinterpret_i64",
    }),
  },
  f32: {
    ...floats("f32"),
    ...conversions({
      f32_to_i32_s: "i32.trunc_sat_f32_s",
      f32_to_i32_u: "i32.trunc_sat_f32_u",
      f32_to_i64_s: "i64.trunc_sat_f32_s",
      f32_to_i64_u: "i64.trunc_sat_f32_u",
      f32_to_f64: "f64.promote_f32",
      f32_bits: "i32.reinterpret_f32",
    }),
  },
  f64: {
    ...floats("f64"),
    ...conversions({
      f64_to_i32_s: "i32.trunc_sat_f64_s",
      f64_to_i32_u: "i32.trunc_sat_f64_u",
      f64_to_i64_s: "i64.trunc_sat_f64_s",
      f64_to_i64_u: "i64.trunc_sat_f64_u",
      f64_to_f32: "f32.demote_f64",
      f64_bits: "i64.reinterpret_f64",
    }),
  },
  bool: { ...direct("i32", ["and", "or", "xor"]), not: one("i32.eqz"), select },
} satisfies { readonly [scalar: string]: Rules };
