/** What must hold for a value to be used. */

import { attribute, defineOperator, type Operator } from "./operator.js";

/** The importer makes one where only one arm of an `If` fits what follows. */
const Assert = defineOperator({
  name: "Assert",
  domain: "kiln",
  summary: "The first input, where the condition is as expected; else the run ends with an error.",
  inputs: ["input", "cond"],
  attributes: { expected: attribute.required("int"), message: attribute.required("string") },
  versions: [{ since: 1 }],
  infer: (context) => [context.input(0).type],
  elements: (context) => context.elements(0),
  checks: ({ attributes: { expected, message } }) => [
    { input: 1, what: "condition", message, ranges: [{ least: expected, end: expected + 1 }] },
  ],
  view: (_, input) => input,
  injective: (context, indices) => context.load(0, indices),
  evaluate: ({ input, attributes }) => (Number(input(1).data[0]) === attributes.expected ? [input(0)] : null),
});

/** The importer makes one where a state's next value may have other dims. */
const Expect = defineOperator({
  name: "Expect",
  domain: "kiln",
  summary: "The input, which must have the shape given.",
  inputs: ["input"],
  attributes: { shape: attribute.required("ints"), name: attribute.required("string") },
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const { shape: expected, name } = context.attributes;
    const reason = `the next value of state "${name}" must have its shape [${expected.join(", ")}]`;
    expected.forEach((dim, axis) => {
      context.requireEqual(shape[axis]!, dim, reason);
    });
    return [{ dtype, shape: expected }];
  },
  elements: (context) => context.elements(0),
  view: (_, input) => input,
  injective: (context, indices) => context.load(0, indices),
  evaluate: ({ input }) => [input(0)],
});

export const assertOperators: readonly Operator[] = [Assert, Expect];
