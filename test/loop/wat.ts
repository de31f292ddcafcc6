/** Every operation of Loop IR as WebAssembly text, written apart from the backend: what the op table is checked with. */

import type { ExprType, OpName, ScalarType } from "../../compiler/loop/ir.js";

/** WAT of the scalar operation on operands $a, $b, $c. */
export function scalarWat(op: OpName, scalar: ScalarType): string {
  const type = scalar === "bool" ? "i32" : scalar;
  const [a, b, c] = ["(local.get $a)", "(local.get $b)", "(local.get $c)"];
  const own = (name: string): string => `(${type}.${name} ${a} ${b})`;
  const choose = (condition: string): string => `(select ${a} ${b} ${own(condition)})`;
  const zero = `(${type}.const 0)`;
  const negated = `(${type}.sub ${zero} ${a})`;
  const isFloat = type === "f32" || type === "f64";
  const special: { readonly [O in OpName]?: string } = {
    select: `(select ${b} ${c} ${a})`,
    dot_i16: `(i32x4.extract_lane 0 (i32x4.dot_i16x8_s (i32x4.splat ${a}) (i32x4.splat ${b})))`,
    not: `(i32.eqz ${a})`,
    min_s: choose("lt_s"),
    max_s: choose("gt_s"),
    min_u: choose("lt_u"),
    max_u: choose("gt_u"),
    pmin: `(select ${b} ${a} (${type}.lt ${b} ${a}))`,
    pmax: `(select ${b} ${a} (${type}.lt ${a} ${b}))`,
    fma: `(${type}.add (${type}.mul ${a} ${b}) ${c})`,
    ...(isFloat ? {} : { neg: negated, abs: `(select ${negated} ${a} (${type}.lt_s ${a} ${zero}))` }),
  };
  const conversion = conversions[op];
  if (conversion !== undefined) return `(${conversion} ${a})`;
  const unary = ["neg", "abs", "sqrt", "floor", "ceil", "trunc", "nearest"];
  return special[op] ?? (unary.includes(op) ? `(${type}.${op} ${a})` : own(op));
}

const truncations = (["f32", "f64"] as const).flatMap((from) =>
  (["i32", "i64"] as const).flatMap((to) =>
    ["s", "u"].map((sign) => [`${from}_to_${to}_${sign}`, `${to}.trunc_sat_${from}_${sign}`]),
  ),
);
const conversionsFromInt = (["i32", "i64"] as const).flatMap((from) =>
  (["f32", "f64"] as const).flatMap((to) =>
    ["s", "u"].map((sign) => [`${from}_to_${to}_${sign}`, `${to}.convert_${from}_${sign}`]),
  ),
);

const conversions: { readonly [op: string]: string } = {
  ...Object.fromEntries([...truncations, ...conversionsFromInt]),
  f32_to_f64: "f64.promote_f32",
  f64_to_f32: "f32.demote_f64",
  i32_to_i64_s: "i64.extend_i32_s",
  i32_to_i64_u: "i64.extend_i32_u",
  i64_to_i32: "i32.wrap_i64",
  f32_bits: "i32.reinterpret_f32",
  bits_f32: "f32.reinterpret_i32",
  f64_bits: "i64.reinterpret_f64",
  bits_f64: "f64.reinterpret_i64",
};

/** Vector operations that are one instruction, by shape; comparisons and bitwise operations come on top. */
const vectorNames: { readonly [shape: string]: readonly string[] } = {
  f32x4: "add sub mul div min max pmin pmax neg abs sqrt floor ceil trunc nearest eq ne lt le gt ge".split(
    " ",
  ),
  f64x2: "add sub mul div min max pmin pmax neg abs sqrt floor ceil trunc nearest eq ne lt le gt ge".split(
    " ",
  ),
  i32x4: "add sub mul min_s max_s min_u max_u neg abs eq ne lt_s le_s gt_s ge_s lt_u le_u gt_u ge_u".split(
    " ",
  ),
  i64x2: "add sub mul neg abs eq ne lt_s le_s gt_s ge_s".split(" "),
};

const vectorConversions: { readonly [op: string]: string } = {
  f32_to_i32_s: "i32x4.trunc_sat_f32x4_s",
  f32_to_i32_u: "i32x4.trunc_sat_f32x4_u",
  i32_to_f32_s: "f32x4.convert_i32x4_s",
  i32_to_f32_u: "f32x4.convert_i32x4_u",
};

/** WAT of the vector operation on v128 operands, or undefined where SIMD has no instruction for it. */
export function vectorWat(op: OpName, { scalar, lanes }: ExprType): string | undefined {
  const [a, b, c] = ["(local.get $a)", "(local.get $b)", "(local.get $c)"];
  const shape = `${scalar === "bool" ? { 2: "i64", 4: "i32" }[lanes as 2 | 4] : scalar}x${lanes}`;
  const unary = ["neg", "abs", "sqrt", "floor", "ceil", "trunc", "nearest"];
  if (op === "select") return `(v128.bitselect ${b} ${c} ${a})`;
  if (op === "not") return `(v128.not ${a})`;
  if (op === "and" || op === "or" || op === "xor") return `(v128.${op} ${a} ${b})`;
  if (op === "fma") return `(${shape}.add (${shape}.mul ${a} ${b}) ${c})`;
  const bits = op === "f32_bits" || op === "bits_f32" || op === "f64_bits" || op === "bits_f64";
  if (bits) return a;
  if (vectorConversions[op] !== undefined) return `(${vectorConversions[op]} ${a})`;
  if (scalar === "bool" || !vectorNames[shape]!.includes(op)) return undefined;
  return unary.includes(op) ? `(${shape}.${op} ${a})` : `(${shape}.${op} ${a} ${b})`;
}
