/** Scan: a loop over the parts of its inputs along an axis. */

import { type TensorType, Value } from "../ir/graph.js";
import { tensorOf } from "../ir/tensor.js";
import type { ImportBuilder } from "./import-builder.js";
import { type Body, graphAttribute, makeLoop, type RegionImporter, refuse } from "./import-control.js";
import type { OnnxGraph, OnnxNode } from "./model.js";

export function importScan(
  importer: RegionImporter,
  node: OnnxNode,
  inputs: readonly (Value | null)[],
): Value[] {
  if (node.opset < 9) refuse("Scan of opset 8, with a batch and lengths of its own, is not supported");
  const { builder } = importer;
  const source = graphAttribute(node, "body");
  const integers = (name: string): number[] => {
    const found = node.attributes.get(name);
    return found?.kind === "ints" ? found.value.map(Number) : [];
  };
  const found = node.attributes.get("num_scan_inputs");
  const scanned = found?.kind === "int" ? Number(found.value) : 0;
  const given = inputs.map((value, i) => value ?? refuse(`input ${i} is missing`));
  const states = given.slice(0, given.length - scanned);
  const sequences = given.slice(given.length - scanned);
  if (sequences.length === 0 || sequences.length !== scanned) refuse("it has no inputs to scan");
  const [axes, directions] = [integers("scan_input_axes"), integers("scan_input_directions")];
  const axisOf = (i: number) => {
    const axis = axes[i] ?? 0;
    return axis < 0 ? axis + sequences[i]!.rank : axis;
  };
  const shape = builder.op("Shape", [sequences[0]!]);
  const length = builder.op("Gather", [shape, builder.constant(tensorOf("int64", [], [axisOf(0)]))]);
  const names = source.inputs.map(({ name }) => name);
  const results = makeLoop(importer, node, {
    passes: length,
    condition: null,
    initial: states,
    collected: source.outputs.slice(states.length),
    body: (types) => scanBody(importer, node, source, { names, types, sequences, axisOf, directions }),
  });
  const [outAxes, outDirections] = [integers("scan_output_axes"), integers("scan_output_directions")];
  return results.map((value, i) => {
    if (i < states.length) return value;
    const k = i - states.length;
    return arrange(builder, value, outAxes[k] ?? 0, outDirections[k] === 1);
  });
}

function scanBody(
  importer: RegionImporter,
  node: OnnxNode,
  source: OnnxGraph,
  scan: {
    names: readonly string[];
    types: readonly TensorType[];
    sequences: readonly Value[];
    axisOf: (i: number) => number;
    directions: readonly number[];
  },
): Body {
  const { names, types, sequences, axisOf, directions } = scan;
  const pass = new Value(importer.name(`${node.name}.pass`), { dtype: "int64", shape: [] });
  const condition = new Value(importer.name(`${node.name}.cond`), { dtype: "bool", shape: [] });
  const states = types.map((type, i) => [names[i]!, new Value(importer.name(names[i]!), type)] as const);
  return importer.region(`${node.name}.body`, source, {
    inputs: [pass, condition, ...states.map(([, value]) => value)],
    bind: (capture, builder) => {
      const parts = sequences.map((sequence, i) => {
        // Negative indices count from the end: -1 - pass.
        const backward = () => builder.op("Sub", [builder.scalar("int64", -1), pass]);
        const index = directions[i] === 1 ? backward() : pass;
        const part = builder.op("Gather", [capture(sequence), index], { axis: axisOf(i) });
        return [names[states.length + i]!, part] as const;
      });
      return new Map([...states, ...parts]);
    },
    finish: (get, builder) => [builder.scalar("bool", 1), ...source.outputs.map(({ name }) => get(name))],
  });
}

/** The list with its first dim moved to an axis, and turned round. */
function arrange(builder: ImportBuilder, list: Value, axis: number, isReversed: boolean): Value {
  let value = list;
  if (isReversed) {
    const one = (n: number) => builder.ints([n]);
    value = builder.op("Slice", [value, one(-1), one(-(2 ** 31)), one(0), one(-1)]);
  }
  const place = axis < 0 ? axis + value.rank : axis;
  if (place === 0) return value;
  const others = value.shape.map((_, i) => i).slice(1);
  return builder.op("Transpose", [value], { perm: [...others.slice(0, place), 0, ...others.slice(place)] });
}
