/** Random valid graphs: small SSA DAGs with names, attributes, layouts, constants and regions of all kinds. */

import fc from "fast-check";
import { addDims, type Dim, floorDivDims, minDims, multiplyDims, symbolDim } from "../../compiler/ir/dim.js";
import { type DType, dtypes, storedBytes } from "../../compiler/ir/dtype.js";
import {
  type AttributeValue,
  constantValue,
  Graph,
  type TensorType,
  Value,
} from "../../compiler/ir/graph.js";
import { elementCount, elementsOfBytes, type TensorData, tensor } from "../../compiler/ir/tensor.js";

/** Names that clash often, and any others that a model may hold. */
const name = fc.oneof(
  fc.constantFrom("x", "y", "x_1", "x_1_1", "a/b:0", "7", "return", "_", "%", '"', "// no comment", "\u2028"),
  fc.string({ minLength: 1, unit: "binary" }),
);
const dtype = fc.constantFrom(...(Object.keys(dtypes) as DType[]));

const symbol = fc.constantFrom("N", "H", "batch size", "min").map(symbolDim);
const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 0, max: 5 }),
  symbol,
  fc
    .tuple(symbol, symbol, fc.integer({ min: 2, max: 9 }))
    .map(([a, b, k]) => addDims(multiplyDims(a, k), minDims(floorDivDims(b, k), multiplyDims(a, b)))),
);

const order = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray(
    Array.from({ length: rank }, (_, i) => i),
    { minLength: rank, maxLength: rank },
  );

const type: fc.Arbitrary<TensorType> = fc
  .tuple(dtype, fc.array(dim, { maxLength: 4 }), fc.boolean())
  .chain(([dtype, shape, ordered]) =>
    ordered ? order(shape.length).map((layout) => ({ dtype, shape, layout })) : fc.constant({ dtype, shape }),
  );

/** Random bytes as elements, so that every NaN, denormal and -0 turns up. */
const data: fc.Arbitrary<TensorData> = fc
  .tuple(dtype, fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }))
  .chain(([dtype, dims]) => {
    const count = elementCount(dims);
    const length = storedBytes(dtype, count);
    const byte = fc.constantFrom(0, 1, 0x3c, 0x7f, 0x80, 0xc0, 0xf0, 0xff);
    return fc
      .array(byte, { minLength: length, maxLength: length })
      .map((bytes) => tensor(dtype, dims, elementsOfBytes(dtype, count, Uint8Array.from(bytes))));
  });

const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(2 ** 53, -(2 ** 63), 1e21, -0));
const text = fc.string({ unit: "binary" });
const attribute: fc.Arbitrary<AttributeValue> = fc.oneof(
  number,
  fc.boolean(),
  text,
  fc.array(number, { maxLength: 4 }),
  fc.array(text, { maxLength: 3 }),
  data,
);

/** The known elements of a value whose type allows them. */
const known = fc.record({
  elements: fc.array(dim, { maxLength: 3 }),
  dtype: fc.constantFrom("int32", "int64"),
});
const shapeValue = fc.tuple(name, known).map(([name, { elements, dtype }]) => {
  const value = new Value(name, { dtype: dtype as DType, shape: [elements.length] });
  value.elements = elements;
  return value;
});

const plan = fc.record({
  operator: name,
  /** Picks among the values in scope; null is an absent input. */
  inputs: fc.array(fc.option(fc.nat()), { maxLength: 4 }),
  outputs: fc.array(fc.oneof(fc.tuple(name, type), shapeValue), { maxLength: 3 }),
  constants: fc.array(fc.tuple(name, data, fc.boolean()), { maxLength: 2 }),
  attributes: fc.dictionary(name, attribute, { maxKeys: 4 }),
  source: fc.array(text, { maxLength: 2 }),
});

/** A graph whose regions are nested no deeper than this. */
export function randomGraph(depth = 2): fc.Arbitrary<Graph> {
  const regions = depth === 0 ? fc.constant<Graph[]>([]) : fc.array(randomGraph(depth - 1), { maxLength: 2 });
  return fc
    .record({
      name,
      inputs: fc.uniqueArray(fc.tuple(name, type), { maxLength: 3, selector: ([name]) => name }),
      nodes: fc.array(fc.tuple(plan, regions), { maxLength: 5 }),
      outputs: fc.array(fc.nat(), { maxLength: 3 }),
    })
    .map(build);
}

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;
interface GraphPlan {
  readonly name: string;
  readonly inputs: readonly (readonly [string, TensorType])[];
  readonly nodes: readonly (readonly [Plan, Graph[]])[];
  readonly outputs: readonly number[];
}

/** Values are made anew for every graph, since a plan may be used for several. */
function build({ name, inputs, nodes, outputs }: GraphPlan): Graph {
  const graph = new Graph(name);
  graph.inputs = inputs.map(([name, type]) => new Value(name, type));
  const scope = [...graph.inputs];
  for (const [plan, regions] of nodes) {
    for (const [name, data, transposed] of plan.constants) {
      const value = constantValue(name, data);
      if (transposed) value.type = { ...value.type, layout: data.dims.map((_, i) => i).reverse() };
      scope.push(value);
    }
    const node = graph.append({
      operator: plan.operator,
      inputs: plan.inputs.map((index) => (index === null ? null : pick(scope, index))),
      types: plan.outputs.map((output) => (output instanceof Value ? output.type : output[1])),
      names: plan.outputs.map((output) => (output instanceof Value ? output.name : output[0])),
      attributes: plan.attributes,
      regions,
      source: plan.source,
    });
    plan.outputs.forEach((output, i) => {
      if (output instanceof Value) node.outputs[i]!.elements = output.elements;
    });
    scope.push(...node.outputs);
  }
  graph.outputs = outputs.map((index) => pick(scope, index)).filter((value) => value !== null);
  return graph;
}

const pick = (scope: readonly Value[], index: number): Value | null =>
  scope.length === 0 ? null : scope[index % scope.length]!;
