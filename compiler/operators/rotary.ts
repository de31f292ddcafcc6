/** Rotary position embeddings: pairs of elements of a head turned by angles that depend on the place. */

import { isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { splitHeads } from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { reshapeTo, shapePart } from "./shape-arithmetic.js";

export interface Rotation {
  /** [batch or 1, length, pairs] */
  readonly cos: Value;
  readonly sin: Value;
  /** Elements of a head that are turned; all where it is 0. */
  readonly size: number;
  /** Pairs are neighbours; else the two halves are paired. */
  readonly interleaved: boolean;
}

/** Elements from `start` up to `end` of the last dim, every `step`-th one. */
function lastDim(b: GraphBuilder, x: Value, start: Value, end: Value, step = 1): Value {
  return b.op("Slice", [x, start, end, b.ints([x.rank - 1]), b.ints([step])]);
}

/** Turns the heads of [batch, heads, length, size]. */
export function rotate(b: GraphBuilder, x: Value, rotation: Rotation): Value {
  const { size, interleaved } = rotation;
  const [zero, one] = [b.ints([0]), b.ints([1])];
  const all = shapePart(b, x, 3, 4);
  const turned = size === 0 ? all : b.ints([size]);
  const isWhole = size === 0 || x.shape[3] === size;
  const half = size === 0 ? b.op("Div", [all, b.ints([2])]) : b.ints([size / 2]);
  const first = interleaved ? lastDim(b, x, zero, turned, 2) : lastDim(b, x, zero, half);
  const second = interleaved ? lastDim(b, x, one, turned, 2) : lastDim(b, x, half, turned);
  const [cos, sin] = [rotation.cos, rotation.sin].map((table) => anglesFor(b, table, half)) as [Value, Value];
  const times = (a: Value, c: Value): Value => b.op("Mul", [a, c]);
  const real = b.op("Sub", [times(first, cos), times(second, sin)]);
  const imaginary = b.op("Add", [times(first, sin), times(second, cos)]);
  const rest = isWhole ? [] : [lastDim(b, x, turned, all)];
  if (!interleaved) return b.op("Concat", [real, imaginary, ...rest], { axis: 3 });
  const pairs = [real, imaginary].map((part) => b.op("Unsqueeze", [part, b.ints([4])]));
  const joined = reshapeTo(b, b.op("Concat", pairs, { axis: 4 }), [shapePart(b, x, 0, 3), turned]);
  return isWhole ? joined : b.op("Concat", [joined, ...rest], { axis: 3 });
}

/** A table [batch, length, pairs or more] beside heads. */
function anglesFor(b: GraphBuilder, table: Value, pairs: Value): Value {
  const known = pairs.constant?.data[0];
  const fits = known !== undefined && table.shape[2] === Number(known);
  const own = fits || known === undefined ? table : lastDim(b, table, b.ints([0]), pairs);
  return b.op("Unsqueeze", [own, b.ints([1])]);
}

/** What `turn` makes of the input as [batch, heads, length, size], back in the input's shape. */
function overHeads(b: GraphBuilder, x: Value, heads: number, turn: (x: Value) => Value): Value {
  if (x.rank === 4) return turn(x);
  const turned = b.op("Transpose", [turn(splitHeads(b, x, heads))], { perm: [0, 2, 1, 3] });
  return reshapeTo(b, turned, [shapePart(b, x, 0, 3)]);
}

const attributes = {
  interleaved: attribute.int(0),
  num_heads: attribute.int(0),
  rotary_embedding_dim: attribute.int(0),
} as const;

function checkInput(x: Value, size: number, { fail }: Pick<ImportedNode, "fail">): void {
  if (x.rank !== 3 && x.rank !== 4) fail(`takes 3 or 4 dims, not ${x.rank}`, "E_SHAPE");
  if (size < 0 || size % 2 !== 0) fail(`rotary_embedding_dim ${size} does not make pairs`);
}

const RotaryEmbedding = defineExpansion({
  name: "RotaryEmbedding",
  summary: "Turns pairs of elements of each head by angles of the places, from tables of cosines and sines.",
  inputs: ["X", "cos_cache", "sin_cache", "position_ids?"],
  types: floats,
  attributes,
  versions: [{ since: 23 }],
  expand: (b, [x, cos, sin, places], { attributes, fail }) => {
    const { num_heads: heads, rotary_embedding_dim: size } = attributes;
    checkInput(x!, size, { fail });
    if (x!.rank === 3 && heads < 1) fail("an input of 3 dims needs num_heads");
    const rank = places == null ? 3 : 2;
    for (const table of [cos!, sin!]) {
      if (table.rank !== rank) fail(`takes caches of ${rank} dims here, not of ${table.rank}`, "E_SHAPE");
    }
    const at = (table: Value) => (places == null ? table : b.op("Gather", [table, places], { axis: 0 }));
    const rotation = { cos: at(cos!), sin: at(sin!), size, interleaved: attributes.interleaved !== 0 };
    return [overHeads(b, x!, heads, (wide) => rotate(b, wide, rotation))];
  },
});

/**
 * Rows of a table for places: of every row and step where there are two dims; of a run of steps that begins at the place
 * given where there is one place.
 */
function tableRows(b: GraphBuilder, table: Value, places: Value, length: Value): Value {
  if (places.rank === 2) return b.op("Gather", [table, places], { axis: 0 });
  const start = b.op("Reshape", [b.cast(places, "int64"), b.ints([1])]);
  const rows = b.op("Slice", [table, start, b.op("Add", [start, length]), b.ints([0])]);
  return b.op("Unsqueeze", [rows, b.ints([0])]);
}

const MicrosoftRotaryEmbedding = defineExpansion({
  name: "RotaryEmbedding",
  domain: "com.microsoft",
  summary: "RotaryEmbedding with places before the tables, given for every step or as that of the first.",
  inputs: ["input", "position_ids", "cos_cache", "sin_cache"],
  types: floats,
  attributes: { ...attributes, is_packed_batching: attribute.int(0), scale: attribute.float(1) },
  versions: [{ since: 1 }],
  expand: (b, [x, places, cos, sin], { attributes, fail }) => {
    const { num_heads: heads, rotary_embedding_dim: size, is_packed_batching, scale } = attributes;
    checkInput(x!, size, { fail });
    if (is_packed_batching !== 0) fail("batches packed to one are not supported", "E_UNSUPPORTED");
    if (scale !== 1) fail(`scale ${scale} is not supported`, "E_UNSUPPORTED");
    const { rank } = x!;
    const [whole, pairs] = [x!.shape[rank - 1]!, cos!.shape[1]!];
    const counted = heads > 0 || rank === 4 ? heads : countHeads(whole, pairs, fail);
    const length = shapePart(b, x!, rank - 2, rank - 1);
    const at = (table: Value) => tableRows(b, table, places!, length);
    const rotation = { cos: at(cos!), sin: at(sin!), size, interleaved: attributes.interleaved !== 0 };
    return [overHeads(b, x!, counted, (wide) => rotate(b, wide, rotation))];
  },
});

function countHeads(whole: Value["shape"][0], pairs: Value["shape"][0], fail: ImportedNode["fail"]): number {
  if (isStatic(whole!) && isStatic(pairs!) && pairs > 0 && whole % (2 * pairs) === 0)
    return whole / (2 * pairs);
  return fail("the number of heads is not known", "E_UNSUPPORTED", "give num_heads");
}

export const rotaryOperators: readonly Operator[] = [RotaryEmbedding, MicrosoftRotaryEmbedding];
