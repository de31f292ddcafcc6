/**
 * Elements as integers in the same order, so that sorting needs one comparison for all types: signed i32 or i64. Equal
 * elements have equal keys (zeros of both signs as well), and NaN comes behind all numbers, as NumPy has it.
 */

import { type DType, dtypes } from "../ir/dtype.js";
import { constant, op, select } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";

/** The type in which keys of these elements are stored. */
export const keyType = (dtype: DType): "int32" | "int64" => (dtypes[dtype].bytes === 8 ? "int64" : "int32");

/** The key of an element in its register; with `descending`, larger elements have smaller keys. */
export function sortKey(x: Expr, dtype: DType, descending = false): Expr {
  const key = ascendingKey(x, dtype);
  return descending ? op("xor", key, -1) : key;
}

function ascendingKey(x: Expr, dtype: DType): Expr {
  const scalar = registerTypes[dtype];
  if (scalar === "f32" || scalar === "f64") return floatKey(x, scalar);
  const wide = dtype === "uint32" || dtype === "uint64";
  return wide ? op("xor", x, lowest(scalar as "i32" | "i64")) : x;
}

/** The bits of positive floats rise with them; those of negative ones fall, all but the sign. */
function floatKey(x: Expr, scalar: "f32" | "f64"): Expr {
  const integer = scalar === "f32" ? "i32" : "i64";
  const bits = op(`${scalar}_bits`, op("add", x, 0)); // -0 + 0 is +0
  const negative = op("shr_s", bits, scalar === "f32" ? 31 : 63);
  const highest = op("xor", lowest(integer), -1);
  const key = op("xor", bits, op("and", negative, highest));
  return select(op("ne", x, x), highest, key);
}

const lowest = (scalar: "i32" | "i64"): Expr =>
  constant({ scalar, lanes: 1 }, scalar === "i32" ? -(2 ** 31) : -(2n ** 63n));
