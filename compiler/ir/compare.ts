/**
 * Structural comparison of graphs: the same inputs, nodes in the same order, and outputs, connected the same way.
 * Names of values and graphs do not matter; all that a pass or the backend can see does.
 */

import { equalDims, printDim } from "./dim.js";
import {
  type AttributeValue,
  equalTypes,
  type Graph,
  isTensorAttribute,
  type Node,
  printType,
  type Value,
} from "./graph.js";
import { printNumber } from "./print-elements.js";
import { type TensorData, tensorBytes } from "./tensor.js";

/** Null where the graphs are equal, otherwise the first difference in words. */
export function equalGraphs(a: Graph, b: Graph): string | null {
  return compareGraphs(a, b, "graph");
}

type Difference = string | null;
/** Which value of the second graph stands for a value of the first. */
type Pairs = Map<Value, Value>;

function compareGraphs(a: Graph, b: Graph, where: string): Difference {
  const pairs: Pairs = new Map();
  return (
    compareLists(a.inputs, b.inputs, `${where}: inputs`, (x, y, i) =>
      define(pairs, x, y, `${where}: input ${i}`),
    ) ??
    compareLists(a.nodes, b.nodes, `${where}: nodes`, (x, y, i) =>
      compareNodes(x, y, pairs, `${where}: ${describeNode(x, i)}`),
    ) ??
    compareLists(a.outputs, b.outputs, `${where}: outputs`, (x, y, i) =>
      compareUses(x, y, pairs, `${where}: output ${i}`),
    )
  );
}

function compareNodes(a: Node, b: Node, pairs: Pairs, where: string): Difference {
  if (a.operator !== b.operator) return `${where}: operators ${a.operator} and ${b.operator}`;
  return (
    compareLists(a.inputs, b.inputs, `${where}: inputs`, (x, y, i) =>
      compareUses(x, y, pairs, `${where}: input ${i}`),
    ) ??
    compareAttributes(a, b, where) ??
    compareTexts(JSON.stringify(a.source), JSON.stringify(b.source), `${where}: sources`) ??
    compareLists(a.regions, b.regions, `${where}: regions`, (x, y, i) =>
      compareGraphs(x, y, `${where}: region ${i}`),
    ) ??
    compareLists(a.outputs, b.outputs, `${where}: outputs`, (x, y, i) =>
      define(pairs, x, y, `${where}: output ${i}`),
    )
  );
}

/** Two definitions that correspond; uses of the one must then be uses of the other. */
function define(pairs: Pairs, a: Value, b: Value, where: string): Difference {
  pairs.set(a, b);
  return compareValues(a, b, where);
}

function compareUses(a: Value | null, b: Value | null, pairs: Pairs, where: string): Difference {
  if (a === null || b === null) {
    return a === b
      ? null
      : `${where}: ${a === null ? "absent" : "present"} and ${b === null ? "absent" : "present"}`;
  }
  // Constants are defined by what they hold, wherever they are used.
  if (!pairs.has(a) && a.constant !== null && b.constant !== null) return compareValues(a, b, where);
  return pairs.get(a) === b ? null : `${where}: %${a.name} and %${b.name} are different values`;
}

function compareValues(a: Value, b: Value, where: string): Difference {
  if (!equalTypes(a.type, b.type)) return `${where}: types ${printType(a.type)} and ${printType(b.type)}`;
  if (
    a.elements?.length !== b.elements?.length ||
    a.elements?.some((dim, i) => !equalDims(dim, b.elements![i]!))
  ) {
    const print = ({ elements }: Value) =>
      elements === null ? "none" : `[${elements.map(printDim).join(", ")}]`;
    return `${where}: known elements ${print(a)} and ${print(b)}`;
  }
  if (a.constant === null || b.constant === null) {
    return a.constant === b.constant ? null : `${where}: only one is a constant`;
  }
  return compareTensors(a.constant, b.constant, `${where}: constants`);
}

function compareTensors(a: TensorData, b: TensorData, where: string): Difference {
  if (a === b) return null;
  const types = compareTexts(
    printType({ dtype: a.dtype, shape: a.dims }),
    printType({ dtype: b.dtype, shape: b.dims }),
    where,
  );
  if (types !== null) return types;
  const x = tensorBytes(a);
  const y = tensorBytes(b);
  if (x.length !== y.length) return `${where}: ${x.length} and ${y.length} bytes`;
  const at = x.findIndex((byte, i) => byte !== y[i]);
  return at < 0 ? null : `${where}: element ${Math.floor(at / a.data.BYTES_PER_ELEMENT)} differs`;
}

function compareAttributes(a: Node, b: Node, where: string): Difference {
  const names = [Object.keys(a.attributes), Object.keys(b.attributes)].map((keys) => keys.sort());
  const differentNames = compareTexts(
    JSON.stringify(names[0]),
    JSON.stringify(names[1]),
    `${where}: attributes`,
  );
  if (differentNames !== null) return differentNames;
  for (const name of names[0]!) {
    const difference = compareAttribute(
      a.attributes[name]!,
      b.attributes[name]!,
      `${where}: attribute ${name}`,
    );
    if (difference !== null) return difference;
  }
  return null;
}

function compareAttribute(a: AttributeValue, b: AttributeValue, where: string): Difference {
  if (isTensorAttribute(a) && isTensorAttribute(b)) return compareTensors(a, b, where);
  return compareTexts(printAttribute(a), printAttribute(b), where);
}

/** Text that differs where attributes do: JSON alone knows neither -0 nor infinities. */
function printAttribute(value: AttributeValue): string {
  if (typeof value === "number") return printNumber(value);
  if (typeof value !== "object") return JSON.stringify(value);
  return isTensorAttribute(value) ? "a tensor" : `[${value.map(printAttribute).join(", ")}]`;
}

function compareTexts(a: string, b: string, where: string): Difference {
  return a === b ? null : `${where}: ${a} and ${b}`;
}

function compareLists<T>(
  a: readonly T[],
  b: readonly T[],
  where: string,
  compare: (x: T, y: T, index: number) => Difference,
): Difference {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = compare(a[i]!, b[i]!, i);
    if (difference !== null) return difference;
  }
  return a.length === b.length ? null : `${where}: ${a.length} and ${b.length}`;
}

const describeNode = (node: Node, index: number): string =>
  node.source.length === 0
    ? `node ${index} (${node.operator})`
    : `node ${index} (${node.operator}, from "${node.source.join('", "')}")`;
