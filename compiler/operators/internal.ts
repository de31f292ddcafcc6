/** Operators that only passes make. */

import { integerSymbol, symbolDim } from "../ir/dim.js";
import { FusedAttention } from "./attention-fused.js";
import { attribute, defineOperator, type Operator } from "./operator.js";

const Fusion = defineOperator({
  name: "Fusion",
  domain: "kiln",
  summary:
    "A region that becomes one kernel: at most one operator with kernels of its own, and pointwise ones.",
  inputs: ["inputs..."],
  attributes: {},
  versions: [{ since: 1 }],
  infer: (context) => context.node.regions[0]!.outputs.map((output) => output.type),
});

const Relayout = defineOperator({
  name: "Relayout",
  domain: "kiln",
  summary: "Copies a tensor to another layout; its elements and shape stay.",
  inputs: ["X"],
  attributes: { layout: attribute.ints([]) },
  versions: [{ since: 1 }],
  infer: (context) => [{ ...context.input(0).type, layout: context.attributes.layout }],
  pointwise: { emit: ([x]) => x!, evaluate: ([x]) => x! },
  evaluate: ({ input }) => [input(0)],
});

const elementsAttributes = { symbols: attribute.required("strings"), natural: attribute.int(0) } as const;

const Elements = defineOperator({
  name: "Elements",
  domain: "kiln",
  summary: "The tensor itself; from here on its elements are the values of symbols, for shapes to depend on.",
  inputs: ["X"],
  attributes: elementsAttributes,
  versions: [{ since: 1 }],
  infer: (context) => [context.input(0).type],
  elements: ({ attributes: { symbols, natural } }) => symbols.map(natural ? symbolDim : integerSymbol),
  view: (_, input) => input,
});

export const internalOperators: readonly Operator[] = [Elements, Fusion, FusedAttention, Relayout];
