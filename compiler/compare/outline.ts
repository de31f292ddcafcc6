/** What the nodes of a model compute, in the order in which they do: those of the graph, of functions and of bodies. */

import type { FunctionProto, GraphProto, NodeProto } from "../onnx/schema.js";

export interface Intermediate {
  readonly value: string;
  /** Name of the node that computes it, or its own where that has none; behind those of the calls around it. */
  readonly node: string;
  readonly operator: string;
  /** The opened bodies around it, from the outermost. Each has a dim before those of the value. */
  readonly around: readonly Around[];
}

/** The body of a loop, the dim of which is the number of passes, or a branch, the dim of which is 1 if it is taken. */
interface Around {
  readonly kind: "passes" | "branch";
  /** What tells the body from all others: the path of the loop, or that of the `If` and the attribute. */
  readonly body: string;
}

/** A Loop, Scan or If of whose bodies the values are gathered. */
export interface OpenedNode {
  /** What tells it from all others. */
  readonly path: string;
  readonly name: string;
  /** 1 where no other is around it. */
  readonly depth: number;
}

export interface OpenedBody {
  /** The attribute that it is. */
  readonly attribute: string;
  readonly graph: GraphProto;
  /** Of a loop: without those that are outputs of its body already. */
  readonly values: readonly Intermediate[];
}

/**
 * The model's nodes, and what can be seen of them: functions that are called from the graph or from each other, not
 * from a body, and bodies that are opened.
 */
export class Outline {
  readonly opened: OpenedNode[] = [];
  /** Names of the nodes in other bodies, and in functions that bodies call. */
  readonly unseen: string[] = [];
  private readonly byKey = new Map<string, FunctionProto>();
  private readonly inner = new Map<FunctionProto, readonly Intermediate[]>();
  private readonly bodies = new Map<NodeProto, readonly OpenedBody[]>();
  private readonly inBodies = new Set<FunctionProto>();
  /** Paths of the nodes that are opened. */
  private readonly paths = new Map<NodeProto, string>();

  /** @param closed paths of nodes and branches that are not opened */
  constructor(
    functions: readonly FunctionProto[],
    graph: GraphProto,
    private readonly closed: ReadonlySet<string>,
  ) {
    for (const fn of functions) this.byKey.set(keyOf(fn.domain, fn.name, fn.overload), fn);
    for (const node of [...graph.node, ...functions.flatMap((fn) => fn.node)]) this.keepCalled(node);
    this.open(graph.node, "", 1);
    for (const fn of functions) if (!this.inBodies.has(fn)) this.open(fn.node, `${fn.name}/`, 1);
  }

  /** The function that a node calls, where what it computes can be seen. */
  called(node: NodeProto): FunctionProto | undefined {
    const fn = this.functionOf(node);
    return fn === undefined || this.inBodies.has(fn) ? undefined : fn;
  }

  /** What the function computes beside its outputs. */
  added(fn: FunctionProto): string[] {
    return this.inBodies.has(fn) ? [] : this.valuesIn(fn).map(({ value }) => value);
  }

  /** The bodies of a node that are opened; none where it is not. */
  bodiesOf(node: NodeProto): readonly OpenedBody[] {
    const path = this.paths.get(node);
    if (path === undefined) return [];
    let bodies = this.bodies.get(node);
    if (bodies === undefined) {
      bodies = this.openBodies(node, path).map(({ attribute, graph }) => {
        const outputs = new Set(graph.output.map(({ name }) => name));
        const values = this.valuesOf(graph.node, outputs);
        return {
          ...{ attribute, graph },
          values: isBranch(node) ? values : values.filter(({ value }) => !outputs.has(value)),
        };
      });
      this.bodies.set(node, bodies);
    }
    return bodies;
  }

  /** What the nodes compute, as far as anything reads it, and what is inside of them, by the names that it gets. */
  valuesOf(nodes: readonly NodeProto[], outputs: ReadonlySet<string | undefined>): Intermediate[] {
    const read = new Set(outputs);
    collectRead(nodes, read);
    return nodes.flatMap((node, i) => {
      const own = (isOfTensors(node) ? node.output : [])
        .filter((value) => value !== "" && read.has(value))
        .map((value) => ({ value, node: node.name || value, operator: node.opType ?? "", around: [] }));
      return [...this.valuesInside(node, callName(node, i)), ...own];
    });
  }

  private valuesInside(node: NodeProto, call: string): Intermediate[] {
    const fn = this.called(node);
    if (fn !== undefined) return this.valuesIn(fn).map((one) => behind(call, one));
    const path = this.paths.get(node)!;
    return this.bodiesOf(node).flatMap(({ attribute, values }) => {
      const around: Around = {
        kind: isBranch(node) ? "branch" : "passes",
        body: bodyPath(node, path, attribute),
      };
      return values.map((one) => behind(bodyPath(node, call, attribute), one, [around]));
    });
  }

  private openBodies(node: NodeProto, path: string) {
    return bodyGraphs(node).filter(({ attribute }) => !this.closed.has(bodyPath(node, path, attribute)));
  }

  /** Recursion ends: a model whose functions call themselves has not been compiled before. */
  private valuesIn(fn: FunctionProto): readonly Intermediate[] {
    let values = this.inner.get(fn);
    if (values === undefined) {
      values = this.valuesOf(fn.node, new Set(fn.output)).filter(({ value }) => !fn.output.includes(value));
      this.inner.set(fn, values);
    }
    return values;
  }

  private functionOf({ domain, opType, overload }: NodeProto): FunctionProto | undefined {
    return this.byKey.get(keyOf(domain, opType, overload));
  }

  /** Functions that the bodies of a node call stay as they are. */
  private keepCalled(node: NodeProto): void {
    for (const { graph } of bodyGraphs(node)) {
      for (const inside of graph.node) {
        this.keepCalled(inside);
        this.keep(this.functionOf(inside));
      }
    }
  }

  private keep(fn: FunctionProto | undefined): void {
    if (fn === undefined || this.inBodies.has(fn)) return;
    this.inBodies.add(fn);
    this.skip(fn.node, `${fn.name}/`);
    for (const node of fn.node) this.keep(this.functionOf(node));
  }

  private open(nodes: readonly NodeProto[], within: string, depth: number): void {
    nodes.forEach((node, i) => {
      const name = callName(node, i);
      const path = `${within}${name}`;
      const bodies = bodyGraphs(node);
      const isOpened = bodies.length > 0 && isOpenable(node) && !this.closed.has(path);
      if (isOpened) {
        this.opened.push({ path, name, depth });
        this.paths.set(node, path);
      }
      for (const { attribute, graph } of bodies) {
        const body = bodyPath(node, path, attribute);
        const inside = `${body}/`;
        if (isOpened && !this.closed.has(body)) this.open(graph.node, inside, depth + 1);
        else this.skip(graph.node, inside);
      }
    });
  }

  private skip(nodes: readonly NodeProto[], within: string): void {
    nodes.forEach((node, i) => {
      const path = `${within}${callName(node, i)}`;
      this.unseen.push(path);
      for (const { attribute, graph } of bodyGraphs(node))
        this.skip(graph.node, `${bodyPath(node, path, attribute)}/`);
    });
  }
}

const behind = (
  prefix: string,
  { value, node, operator, around }: Intermediate,
  further: readonly Around[] = [],
): Intermediate => ({
  ...{ value: `${prefix}/${value}`, node: `${prefix}/${node}` },
  ...{ operator, around: [...further, ...around] },
});

/** Nodes whose results are no tensors. */
const isOfTensors = ({ opType = "" }: NodeProto): boolean =>
  !/^(Sequence|SplitToSequence|Optional)/.test(opType);

const isOnnx = ({ domain = "" }: NodeProto): boolean => domain === "" || domain === "ai.onnx";

export const isBranch = (node: NodeProto): boolean => isOnnx(node) && node.opType === "If";

/** Of a Scan only where all of its results are stacked alike. */
const isOpenable = (node: NodeProto): boolean =>
  isBranch(node) ||
  (isOnnx(node) &&
    (node.opType === "Loop" ||
      (node.opType === "Scan" && !node.attribute.some(({ name }) => name?.startsWith("scan_output")))));

const bodyPath = (node: NodeProto, path: string, attribute: string): string =>
  isBranch(node) ? `${path}/${attribute}` : path;

/** As inlining calls it. */
export const callName = (node: NodeProto, index: number): string => node.name || `${node.opType}_${index}`;

const keyOf = (domain = "", name = "", overload = ""): string =>
  JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);

const bodyGraphs = ({ attribute }: NodeProto): { attribute: string; graph: GraphProto }[] =>
  attribute.flatMap(({ name = "", g, graphs }) =>
    (g === undefined ? graphs : [g, ...graphs]).map((graph) => ({ attribute: name, graph })),
  );

/** The names that nodes read, and those that bodies take from around them. */
function collectRead(nodes: readonly NodeProto[], into: Set<string | undefined>): void {
  for (const node of nodes) {
    for (const name of node.input) into.add(name);
    for (const { graph } of bodyGraphs(node)) {
      for (const { name } of graph.output) into.add(name);
      collectRead(graph.node, into);
    }
  }
}
