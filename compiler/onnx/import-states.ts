/** Pairs of an input and an output as states: tensors that the module keeps from one run to the next. */

import { KilnError } from "../diagnostics.js";
import { isStatic, printDim } from "../ir/dim.js";
import { equalTypes, type Graph, printType, type Value } from "../ir/graph.js";
import type { ImportBuilder } from "./import-builder.js";

/** The output that holds the next value of an input, by the input's name. */
export type StatePairs = Readonly<Record<string, string>>;

/**
 * Moves the inputs and outputs of the pairs behind the others (see `Graph.states`).
 * @throws KilnError E_INPUT for a name that the model does not have, E_SHAPE where a state's size is open or the
 *   output has another
 */
export function makeStates(graph: Graph, builder: ImportBuilder, pairs: StatePairs): void {
  const entries = Object.entries(pairs);
  const states = entries.map(([name]) => find(name, graph.inputs, "input"));
  const outputs = entries.map(([, name]) => find(name, graph.outputs, "output"));
  const next = states.map((state, i) => nextValue(state, outputs[i]!, builder));
  graph.inputs = [...graph.inputs.filter((input) => !states.includes(input)), ...states];
  graph.outputs = [...graph.outputs.filter((output) => !outputs.includes(output)), ...next];
  graph.states = states.length;
}

function find(name: string, values: readonly Value[], kind: string): Value {
  const found = values.find((value) => value.name === name);
  if (found !== undefined) return found;
  const hint = `the model's ${kind}s are ${values.map((value) => `"${value.name}"`).join(", ")}`;
  throw new KilnError("E_INPUT", `there is no ${kind} "${name}" to make a state of`, { hint });
}

function nextValue(state: Value, output: Value, builder: ImportBuilder): Value {
  const { name, type, shape } = state;
  const open = shape.filter((dim) => !isStatic(dim)).map(printDim);
  if (open.length > 0) {
    const hint = `bind ${open.join(", ")} with --dim, or give its shape with --input-shape`;
    throw new KilnError("E_SHAPE", `the size of state "${name}" must be known: ${printType(type)}`, { hint });
  }
  if (output.dtype !== state.dtype || output.rank !== state.rank) {
    const types = `${printType(output.type)}, not ${printType(type)}`;
    throw new KilnError(
      "E_SHAPE",
      `output "${output.name}" cannot be the next value of "${name}": it is ${types}`,
    );
  }
  if (equalTypes(type, output.type)) return output;
  builder.begin(output.name, output.name);
  return builder.op("kiln.Expect", [output], { shape: shape as number[], name });
}
