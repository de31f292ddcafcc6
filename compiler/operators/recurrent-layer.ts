/** What nodes of recurrent layers say: directions, sizes and activations. */

import { type Dim, equalDims, isStatic, printDim } from "../ir/dim.js";
import type { Attributes, Value } from "../ir/graph.js";
import { recurrentActivations } from "../kernels/recurrent-activations.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, type ImportedNode } from "./operator.js";
import { reshapeTo, shapePart } from "./shape-arithmetic.js";

export const recurrentAttributes = {
  activation_alpha: attribute.floats([]),
  activation_beta: attribute.floats([]),
  activations: attribute.optional("strings"),
  clip: attribute.optional("float"),
  direction: attribute.string("forward"),
  hidden_size: attribute.optional("int"),
  layout: attribute.int(0),
} as const;
export type RecurrentView = ImportedNode<typeof recurrentAttributes>;

export type RecurrentInputs = readonly (Value | null | undefined)[];

/** X, W, R, B, sequence_lens, and what follows: states first, then peepholes. */
export interface Layer {
  readonly b: GraphBuilder;
  readonly inputs: RecurrentInputs;
  readonly view: RecurrentView;
  readonly gates: number;
  readonly hidden: number;
  readonly directions: number;
}

export const directionNames: Readonly<Record<string, readonly boolean[]>> = {
  forward: [false],
  reverse: [true],
  bidirectional: [false, true],
};

export function layerOf(b: GraphBuilder, inputs: RecurrentInputs, view: RecurrentView, gates: number): Layer {
  const { direction, layout } = view.attributes;
  const x = inputs[0]!;
  if (x.rank !== 3) view.fail(`takes 3 dims, not ${x.rank}`, "E_SHAPE");
  const names = Object.hasOwn(directionNames, direction) ? directionNames[direction] : undefined;
  if (names === undefined) return view.fail(`direction "${direction}" is not defined`);
  if (layout !== 0 && layout !== 1) view.fail(`layout ${layout} is not 0 or 1`);
  const sized = [withInputSize(b, x, inputs[1]!), ...inputs.slice(1)];
  const hidden = hiddenSize(inputs[2]!, view);
  const layer = { b, inputs: sized, view, gates, hidden, directions: names.length };
  const shapes = expectedShapes(layer);
  const fitting = sized.map((value, i) => {
    if (value == null) return null;
    if (i !== 4 && value.dtype !== x.dtype) view.fail(`combines ${x.dtype} and ${value.dtype}`);
    return inShape(layer, value, i, shapes[i]!);
  });
  return { ...layer, inputs: fitting };
}

/**
 * X with the input size that the weights are made for, where only they know it: weights that are constant stay so, and
 * the run checks that X has that size.
 */
function withInputSize(b: GraphBuilder, x: Value, weights: Value): Value {
  const size = weights.shape[2];
  if (size === undefined || !isStatic(size) || isStatic(x.shape[2]!)) return x;
  return reshapeTo(b, x, [shapePart(b, x, 0, 2), b.ints([size])]);
}

function hiddenSize(weights: Value, view: RecurrentView): number {
  const { hidden_size } = view.attributes;
  const hidden = weights.shape[2] ?? view.fail(`recurrent weights of ${weights.rank} dims, not 3`, "E_SHAPE");
  if (!isStatic(hidden)) {
    return (
      hidden_size ??
      view.fail("neither hidden_size nor the weights say how many units there are", "E_UNSUPPORTED")
    );
  }
  if (hidden_size !== undefined && hidden_size !== hidden)
    view.fail(`hidden_size is ${hidden_size}, but the weights are made for ${hidden}`);
  return hidden;
}

/** A dim of an input: a number, or the axis of X that has the same. */
type Expected = number | { readonly axis: number };

function expectedShapes({ view, gates, hidden, directions }: Layer): (readonly Expected[])[] {
  const byTime = view.attributes.layout === 0;
  const [batch, size] = [{ axis: byTime ? 1 : 0 }, { axis: 2 }];
  const state = byTime ? [directions, batch, hidden] : [batch, directions, hidden];
  return [
    [{ axis: 0 }, { axis: 1 }, size],
    [directions, gates * hidden, size],
    [directions, gates * hidden, hidden],
    [directions, 2 * gates * hidden],
    [batch],
    state,
    state,
    [directions, 3 * hidden],
  ];
}

/** The input in the shape that it must have, as far as that is not known already. */
function inShape(
  { b, inputs, view }: Layer,
  value: Value,
  input: number,
  expected: readonly Expected[],
): Value {
  const x = inputs[0]!;
  const shape = expected.map((dim) => (typeof dim === "number" ? dim : x.shape[dim.axis]!));
  const fits =
    value.rank === shape.length &&
    value.shape.every((dim, axis) => !isStatic(dim) || !isStatic(shape[axis]!) || dim === shape[axis]);
  const text = (dims: readonly Dim[]) => `[${dims.map(printDim).join(", ")}]`;
  if (!fits) view.fail(`input ${input} is ${text(value.shape)}, not ${text(shape)}`, "E_SHAPE");
  if (value.shape.every((dim, axis) => equalDims(dim, shape[axis]!))) return value;
  const parts = expected.map((dim) =>
    typeof dim === "number" ? b.ints([dim]) : shapePart(b, x, dim.axis, dim.axis + 1),
  );
  return reshapeTo(b, value, parts);
}

/** Names as ONNX spells them, and what each takes of the lists of alphas and betas, in order. */
export function activationsOf({ view, directions }: Layer, defaults: readonly string[]): Attributes[] {
  const { activations, activation_alpha, activation_beta } = view.attributes;
  const names = activations ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== directions * defaults.length) {
    view.fail(`has ${names.length} activations, not ${directions * defaults.length}`);
  }
  const [alphas, betas] = [[...activation_alpha], [...activation_beta]];
  const known = Object.keys(recurrentActivations);
  const resolved = names.map((given) => {
    const name = known.find((one) => one.toLowerCase() === given.toLowerCase());
    if (name === undefined) return view.fail(`activation "${given}" is not defined`);
    const { alpha, beta } = recurrentActivations[name]!;
    const parameters = [
      alpha === undefined ? 0 : (alphas.shift() ?? alpha),
      beta === undefined ? 0 : (betas.shift() ?? beta),
    ];
    return { name, parameters };
  });
  return Array.from({ length: directions }, (_, i) => {
    const own = resolved.slice(i * defaults.length, (i + 1) * defaults.length);
    return {
      activations: own.map(({ name }) => name),
      parameters: own.flatMap(({ parameters }) => parameters),
    };
  });
}
