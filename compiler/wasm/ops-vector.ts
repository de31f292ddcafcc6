/** Operations on vector registers. Where WebAssembly has no instruction, lane by lane. */

import type { ExprType, OpName } from "../loop/ir.js";
import type { Node, Nodes } from "./nodes.js";
import { direct, one, type Rule, type Rules } from "./ops-rule.js";
import { scalarRules } from "./ops-scalar.js";

type NumericShape = "i32x4" | "i64x2" | "f32x4" | "f64x2";

const i32x4: ExprType = { scalar: "i32", lanes: 4 };
const i64x2: ExprType = { scalar: "i64", lanes: 2 };
const SIGN_32 = -(2 ** 31);
const SIGN_64 = -(2n ** 63n);

/** Operations that move bits, on every shape. */
const bits: Rules = {
  select: (nodes, [condition, a, b]) => nodes.pure("v128.bitselect", [a!, b!, condition!]),
  shuffle: one("i8x16.shuffle"),
};

const moves = (shape: NumericShape): Rules => ({
  ...bits,
  splat: one(`${shape}.splat`),
  extract: one(`${shape}.extract_lane`),
  replace: one(`${shape}.replace_lane`),
});

const bitwise = direct("v128", ["and", "or", "xor"]);

/** Bits of a vector read as another type: the register stays as it is. */
const reinterpret: Rule = (_, [a]) => a!;

/** Applies a scalar rule to each lane. */
function lanewise(from: NumericShape, to: NumericShape, rule: Rule): Rule {
  return (nodes, args) => {
    const lane = (i: number): Node => {
      const lanes = args.map((arg) => nodes.pure(`${from}.extract_lane`, [arg], [i]));
      return rule(nodes, lanes, []);
    };
    let result = nodes.pure(`${to}.splat`, [lane(0)]);
    for (let i = 1; i < Number(from.slice(-1)); i++) {
      result = nodes.pure(`${to}.replace_lane`, [result, lane(i)], [i]);
    }
    return result;
  };
}

/** Shifts by the same number everywhere are one instruction; amounts count modulo the width of a lane. */
function shift(shape: "i32x4" | "i64x2", name: "shl" | "shr_s" | "shr_u"): Rule {
  const byLane = lanewise(shape, shape, scalarRules[shape === "i32x4" ? "i32" : "i64"][name]!);
  return (nodes, [a, amount], immediates) => {
    const common = commonAmount(nodes, amount!, shape);
    return common === undefined
      ? byLane(nodes, [a!, amount!], immediates)
      : nodes.pure(`${shape}.${name}`, [a!, common]);
  };
}

/** The i32 that all lanes are shifted by, where they are known to be alike. */
function commonAmount(nodes: Nodes, amount: Node, shape: "i32x4" | "i64x2"): Node | undefined {
  if (amount.kind === "vector") {
    const width = shape === "i32x4" ? 4 : 8;
    const alike = amount.bytes.every((byte, i) => byte === amount.bytes[i % width]);
    return alike ? nodes.i32(amount.bytes[0]!) : undefined;
  }
  if (amount.kind !== "pure" || amount.name !== `${shape}.splat`) return undefined;
  const scalar = amount.args[0]!;
  return shape === "i32x4" ? scalar : nodes.pure("i32.wrap_i64", [scalar]);
}

const byLane32 = (name: OpName): Rule => lanewise("i32x4", "i32x4", (scalarRules.i32 as Rules)[name]!);
const byLane64 = (name: OpName): Rule => lanewise("i64x2", "i64x2", (scalarRules.i64 as Rules)[name]!);

const int32: Rules = {
  ...moves("i32x4"),
  ...bitwise,
  ...direct("i32x4", ["add", "sub", "mul", "neg", "abs", "min_s", "max_s", "min_u", "max_u", "eq", "ne"]),
  ...direct("i32x4", ["lt_s", "le_s", "gt_s", "ge_s", "lt_u", "le_u", "gt_u", "ge_u"]),
  dot_i16: one("i32x4.dot_i16x8_s"),
  shl: shift("i32x4", "shl"),
  shr_s: shift("i32x4", "shr_s"),
  shr_u: shift("i32x4", "shr_u"),
  div_s: byLane32("div_s"),
  div_u: byLane32("div_u"),
  rem_s: byLane32("rem_s"),
  rem_u: byLane32("rem_u"),
  i32_to_f32_s: one("f32x4.convert_i32x4_s"),
  i32_to_f32_u: one("f32x4.convert_i32x4_u"),
  bits_f32: reinterpret,
};

type Order64 = "lt_s" | "le_s" | "gt_s" | "ge_s";

const signed64 =
  (order: Order64): Rule =>
  (nodes, [a, b]) =>
    nodes.pure(`i64x2.${order}`, [a!, b!]);

/** There is no unsigned order of 64-bit lanes: with the sign bits flipped, the signed one is it. */
const unsigned64 =
  (order: Order64): Rule =>
  (nodes, args) => {
    const sign = nodes.splat(i64x2, SIGN_64);
    const flipped = args.map((arg) => nodes.pure("v128.xor", [arg, sign]));
    return nodes.pure(`i64x2.${order}`, flipped);
  };

const chosen =
  (order: Rule): Rule =>
  (nodes, [a, b]) =>
    nodes.pure("v128.bitselect", [a!, b!, order(nodes, [a!, b!], [])]);

const int64: Rules = {
  ...moves("i64x2"),
  ...bitwise,
  ...direct("i64x2", ["add", "sub", "mul", "neg", "abs", "eq", "ne", "lt_s", "le_s", "gt_s", "ge_s"]),
  lt_u: unsigned64("lt_s"),
  le_u: unsigned64("le_s"),
  gt_u: unsigned64("gt_s"),
  ge_u: unsigned64("ge_s"),
  min_s: chosen(signed64("lt_s")),
  max_s: chosen(signed64("gt_s")),
  min_u: chosen(unsigned64("lt_s")),
  max_u: chosen(unsigned64("gt_s")),
  shl: shift("i64x2", "shl"),
  shr_s: shift("i64x2", "shr_s"),
  shr_u: shift("i64x2", "shr_u"),
  div_s: byLane64("div_s"),
  div_u: byLane64("div_u"),
  rem_s: byLane64("rem_s"),
  rem_u: byLane64("rem_u"),
  i64_to_f64_s: lanewise("i64x2", "f64x2", one("f64.convert_i64_s")),
  i64_to_f64_u: lanewise("i64x2", "f64x2", one("f64.convert_i64_u")),
  bits_f64: reinterpret,
};

function floats(shape: "f32x4" | "f64x2"): Rules {
  const sign = (nodes: Nodes): Node =>
    shape === "f32x4" ? nodes.splat(i32x4, SIGN_32) : nodes.splat(i64x2, SIGN_64);
  return {
    ...moves(shape),
    ...direct(shape, ["add", "sub", "mul", "div", "min", "max", "pmin", "pmax", "neg", "abs", "sqrt"]),
    ...direct(shape, ["floor", "ceil", "trunc", "nearest", "eq", "ne", "lt", "le", "gt", "ge"]),
    copysign: (nodes, [a, b]) => nodes.pure("v128.bitselect", [b!, a!, sign(nodes)]),
    fma: (nodes, [a, b, c]) =>
      nodes.features.relaxedSimd
        ? nodes.pure(`${shape}.relaxed_madd`, [a!, b!, c!])
        : nodes.pure(`${shape}.add`, [nodes.pure(`${shape}.mul`, [a!, b!]), c!]),
  };
}

/** Masks have lanes of all zeros or all ones, scalar bools are 0 or 1. */
const masks = (moveLanes: Rules): Rules => ({
  ...bits,
  ...bitwise,
  not: one("v128.not"),
  ...moveLanes,
});

const asMask32 = (nodes: Nodes, bool: Node): Node => nodes.pure("i32.sub", [nodes.i32(0), bool]);
const asMask64 = (nodes: Nodes, bool: Node): Node => nodes.pure("i64.extend_i32_s", [asMask32(nodes, bool)]);

export const vectorRules = {
  i32x4: int32,
  i64x2: int64,
  f32x4: {
    ...floats("f32x4"),
    f32_to_i32_s: one("i32x4.trunc_sat_f32x4_s"),
    f32_to_i32_u: one("i32x4.trunc_sat_f32x4_u"),
    f32_bits: reinterpret,
  },
  f64x2: {
    ...floats("f64x2"),
    f64_to_i64_s: lanewise("f64x2", "i64x2", one("i64.trunc_sat_f64_s")),
    f64_to_i64_u: lanewise("f64x2", "i64x2", one("i64.trunc_sat_f64_u")),
    f64_bits: reinterpret,
  },
  boolx4: masks({
    splat: (nodes, [a]) => nodes.pure("i32x4.splat", [asMask32(nodes, a!)]),
    extract: (nodes, [a], lane) =>
      nodes.pure("i32.and", [nodes.pure("i32x4.extract_lane", [a!], lane), nodes.i32(1)]),
    replace: (nodes, [a, b], lane) => nodes.pure("i32x4.replace_lane", [a!, asMask32(nodes, b!)], lane),
  }),
  boolx2: masks({
    splat: (nodes, [a]) => nodes.pure("i64x2.splat", [asMask64(nodes, a!)]),
    extract: (nodes, [a], lane) => {
      const low = nodes.pure("i32.wrap_i64", [nodes.pure("i64x2.extract_lane", [a!], lane)]);
      return nodes.pure("i32.and", [low, nodes.i32(1)]);
    },
    replace: (nodes, [a, b], lane) => nodes.pure("i64x2.replace_lane", [a!, asMask64(nodes, b!)], lane),
  }),
} satisfies { readonly [shape: string]: Rules };
