/**
 * Dropout: the input itself, or in training the input with random elements set to 0 and the others scaled up.
 *
 * Whether a model trains may be known only when it runs (`training_mode` is an input), so both ways become one graph,
 * which constant folding reduces where it is known.
 */

import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator, oldVersion } from "./operator.js";
import { floats } from "./pointwise.js";
import { uniformLike } from "./random.js";

/** A mask that lets everything through, of a shape known no sooner than the input's. */
function keepAll(b: GraphBuilder, x: Value, isBool: boolean): Value {
  const one = b.scalar(isBool ? "bool" : x.dtype, 1);
  return b.op("Expand", [one, b.op("Shape", [x])]);
}

function passOn(
  b: GraphBuilder,
  x: Value,
  { outputCount }: Pick<ImportedNode, "outputCount">,
  boolMask = true,
): Value[] {
  return outputCount > 1 ? [x, keepAll(b, x, boolMask)] : [x];
}

/** Elements are kept with the probability 1 - ratio, and divided by it. A null flag says that the model trains. */
function train(
  b: GraphBuilder,
  x: Value,
  ratio: Value,
  isTraining: Value | null,
  seed: number | undefined,
  name: string,
): [result: Value, mask: Value] {
  const wide = b.cast(scalarOf(b, ratio), "float64");
  const drawn = b.op("Not", [b.op("Less", [uniformLike(b, x, seed, name), wide])]);
  const one = b.scalar("float64", 1);
  const factor = b.op("Div", [one, b.op("Sub", [one, wide])]);
  const flag = isTraining === null ? null : scalarOf(b, isTraining);
  const mask = flag === null ? drawn : b.op("Or", [drawn, b.op("Not", [flag])]);
  const scale = flag === null ? factor : b.op("Where", [flag, factor, one]);
  const scaled = b.op("Mul", [x, b.cast(scale, x.dtype)]);
  return [b.op("Where", [mask, scaled, b.scalar(x.dtype, 0)]), mask];
}

/** A tensor of one element without dims, so that it gives the result none. */
const scalarOf = (b: GraphBuilder, x: Value): Value => (x.rank === 0 ? x : b.op("Reshape", [x, b.ints([])]));

const ratioAttribute = { ratio: attribute.float(0.5) } as const;
const testAttributes = { ...ratioAttribute, is_test: attribute.int(0) } as const;

/** At first models trained unless `is_test` was set, and the mask had the type of the input. */
const trainingVersion = (since: number) =>
  oldVersion(since, testAttributes, (b, [x], view) => {
    const { is_test, ratio } = view.attributes;
    if (is_test !== 0) return passOn(b, x!, view, false);
    const [result, mask] = train(b, x!, b.scalar("float32", ratio), null, undefined, view.name);
    return view.outputCount > 1 ? [result, b.cast(mask, x!.dtype)] : [result];
  });

const Dropout = defineExpansion({
  name: "Dropout",
  summary: "The input itself; in training, with random elements set to 0 and the others scaled up.",
  inputs: ["data", "ratio?", "training_mode?"],
  types: floats,
  attributes: { seed: attribute.optional("int") },
  versions: [
    trainingVersion(1),
    trainingVersion(6),
    oldVersion(7, ratioAttribute, (b, [x], view) => passOn(b, x!, view, false)),
    oldVersion(10, ratioAttribute, (b, [x], view) => passOn(b, x!, view)),
    ...[12, 13, 22].map((since) => ({ since })),
  ],
  expand: (b, [x, ratio = null, isTraining = null], view) => {
    const known = isTraining === null ? 0 : isTraining.constant?.data[0];
    if (known === 0) return passOn(b, x!, view);
    const share = ratio ?? b.scalar("float32", 0.5);
    const flag = known === undefined ? isTraining : null;
    const [result, mask] = train(b, x!, share, flag, view.attributes.seed, view.name);
    return view.outputCount > 1 ? [result, mask] : [result];
  },
});

export const dropoutOperators: readonly Operator[] = [Dropout];
