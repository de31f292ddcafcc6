/**
 * Control flow in Graph IR. The importer makes these nodes with their regions and types; regions capture nothing, so
 * what a branch or body uses of the graph around it is an input of the node and of the region.
 */

import { attribute, defineOperator, type Operator } from "./operator.js";

const branchAttributes = {
  /** How many of the inputs behind the condition are those of the first region. */
  thenInputs: attribute.required("int"),
} as const;

const Branch = defineOperator({
  name: "Branch",
  domain: "kiln",
  summary: "The results of one of two regions, by a condition.",
  inputs: ["cond", "captured..."],
  attributes: branchAttributes,
  versions: [{ since: 1 }],
  infer: ({ node }) => node.outputs.map(({ type }) => type),
});

/**
 * Inputs are the bound of the passes, the condition before the first of them, the first values of what is carried,
 * then what is captured. The region takes the number of the pass, the condition, what is carried and what is captured,
 * and gives the condition for the next pass, what is carried on, and the elements of the lists.
 */
const loopAttributes = {
  carried: attribute.required("int"),
  /** Symbols of carried dims that change, as `carried.axis=symbol`. */
  symbols: attribute.strings([]),
  /** Symbols of dims of lists that the first pass decides, as `list.axis=symbol`. */
  listSymbols: attribute.strings([]),
  /** The sizes that they stand for where there is no pass. */
  listSizes: attribute.ints([]),
  /** The symbol of the number of passes where the condition can end the loop early; else the bound is the number. */
  passes: attribute.optional("string"),
} as const;

const Loop = defineOperator({
  name: "Loop",
  domain: "kiln",
  summary:
    "A region run again and again, with values carried from pass to pass and lists of a value of each pass.",
  inputs: ["passes?", "cond?", "values..."],
  attributes: loopAttributes,
  versions: [{ since: 1 }],
  infer: ({ node }) => node.outputs.map(({ type }) => type),
});

export const controlOperators: readonly Operator[] = [Branch, Loop];
