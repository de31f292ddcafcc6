/**
 * Graph IR -> kernels in Loop IR and the calls that run them.
 *
 * Every node of the graph is one of three things:
 *   - a view: its result is the input's memory seen with other strides; nothing runs;
 *   - a group of pointwise and injective operators (a lone one is a group of one): one generic kernel;
 *   - an operator with kernels of its own, alone or as the anchor of a fusion whose pointwise operators its kernels
 *     apply before they store.
 * A result is written straight to where it is wanted: into the graph's output, or into its part of a concatenation.
 */

import { invariant, KilnError } from "../diagnostics.js";
import { isStatic, printDim } from "../ir/dim.js";
import {
  byteLengthOf,
  type Graph,
  type Node,
  splitStates,
  type TensorType,
  type Value,
} from "../ir/graph.js";
import { type TensorData, tensorBytes } from "../ir/tensor.js";
import { MAX_PARTS } from "../loop/ir.js";
import {
  type Call,
  callsOf,
  type Program,
  type ProgramBuffer,
  type RunError,
  type Step,
} from "../loop/program.js";
import { findOperator } from "../operators/index.js";
import type { Operator } from "../operators/operator.js";
import { viewNode } from "../operators/operator.js";
import { lowerAnchor } from "./anchor.js";
import { lowerChecks } from "./checks.js";
import type { Derivation } from "./context.js";
import { lowerBranch, lowerLoop } from "./control.js";
import { derive } from "./derive.js";
import { planDestinations } from "./destinations.js";
import { constraintsOf, isShapeOnly, lowerElements, storeDims } from "./dims.js";
import { lowerElementwise, lowerGroup } from "./elementwise.js";
import { narrowed, widening } from "./narrow.js";
import type { Placement, Target } from "./scope.js";
import { dense, type Strided } from "./strided.js";

/** @param onNode told after each node of the graph of all steps so far */
export function lowerGraph(
  graph: Graph,
  target: Target,
  onNode?: (node: Node, steps: readonly Step[]) => void,
): Program {
  return new Lowering(graph, target).run(onNode);
}

export const operatorOf = (node: Node): Operator => {
  const operator = findOperator(node.operator);
  if (operator === undefined) throw new KilnError("E_INTERNAL", `operator ${node.operator} is not declared`);
  return operator;
};

/** Bytes of the constants that a call reads. */
const bytesRead = ({ args }: Call): number =>
  args.reduce((sum, { buffer }) => sum + (buffer.data?.length ?? 0), 0);

/** State of one lowering; the parts that make kernels (`elementwise`, `anchor`) work on it. */
export class Lowering {
  readonly buffers: ProgramBuffer[] = [];
  /** Those of the graph, or of the branch or loop at hand. */
  steps: Step[] = [];
  private readonly placements = new Map<Value, Placement>();
  /** Calls that only the first run makes. */
  private readonly first: Call[] = [];
  private readonly packedConstants = new Map<TensorData, Map<string, Placement>>();
  private error: ProgramBuffer | undefined;
  private readonly errors: RunError[] = [];
  /** What has been checked already. */
  private required = new Set<string>();
  private destinations: ReadonlyMap<Value, Placement> = new Map();
  private readonly bufferNames = new Map<string, number>();
  private readonly filledBorders = new Set<ProgramBuffer>();

  constructor(
    private readonly graph: Graph,
    readonly target: Target,
  ) {}

  run(onNode?: (node: Node, steps: readonly Step[]) => void): Program {
    const { graph } = this;
    const [given, kept] = splitStates(graph, graph.inputs);
    const [results, next] = splitStates(graph, graph.outputs);
    const inputs = given.map((value) => this.placeNew(value, "input").buffer);
    const states = kept.map((value) => this.placeNew(value, "state").buffer);
    const outputs = results.map((value) => this.newBuffer(value.name, value.type, "output"));
    this.destinations = planDestinations(graph, this, outputs);
    for (const node of graph.nodes) {
      this.lowerNode(node);
      onNode?.(node, this.steps);
    }
    results.forEach((value, i) => {
      this.deliver(value, this.placementOf(value), outputs[i]!);
    });
    this.storeStates(next, states);
    if (this.canFail()) this.errorBuffer();
    return {
      name: graph.name,
      buffers: this.buffers,
      steps: [...this.firstSteps(), ...this.steps],
      inputs: [...inputs, ...states],
      outputs: [...outputs, ...states],
      inputShapes: graph.inputs.map(({ shape }) => shape),
      outputShapes: graph.outputs.map(({ shape }) => shape),
      errors: this.errors,
    };
  }

  /**
   * What the first run computes, the smallest last: as long as its constants are to be read, no result may lie there (see
   * `derived.ts` of the memory plan).
   */
  private firstSteps(): Step[] {
    const read = new Set(callsOf(this).flatMap(({ args }) => args.map(({ buffer }) => buffer)));
    // Constants are placed before anybody knows whether a kernel reads them as they are.
    const body = this.first.filter(({ args }) =>
      args.some(({ buffer }) => buffer.kind === "kept" && read.has(buffer)),
    );
    if (body.length === 0) return [];
    const done = this.newBuffer("done", { dtype: "int32", shape: [1] }, "kept");
    return [{ kind: "once", done, body: body.sort((a, b) => bytesRead(b) - bytesRead(a)), source: [] }];
  }

  /** The steps that `body` adds, as a list of their own. */
  nested(body: () => void): Step[] {
    const { steps, required } = this;
    this.steps = [];
    this.required = new Set(required);
    body();
    const inner = this.steps;
    this.steps = steps;
    this.required = required;
    return inner;
  }

  /** Lowers the nodes of a region whose inputs have their places. */
  lowerRegion(region: Graph): void {
    this.destinations = new Map([...this.destinations, ...planDestinations(region, this, [])]);
    for (const node of region.nodes) this.lowerNode(node);
  }

  /** Where a value lies; constants get a buffer when they are first asked for. */
  placementOf(value: Value): Placement {
    const known = this.placements.get(value);
    if (known !== undefined) return known;
    invariant(value.constant !== null, `${value.name} is used before it is placed`);
    const placement = this.placeConstant(value.name, value.constant);
    this.placements.set(value, placement);
    return placement;
  }

  /** Memory for the result of a node: where a destination wants it, or a buffer of its own. */
  place(value: Value): Placement {
    const wanted = this.destinations.get(value);
    if (wanted === undefined) return this.placeNew(value, "temporary");
    this.placements.set(value, wanted);
    return wanted;
  }

  /** Holds the number of the first error of a run. */
  errorBuffer(): ProgramBuffer {
    this.error ??= this.newBuffer("error", { dtype: "int32", shape: [1] }, "error");
    return this.error;
  }

  /** The number that stands for an error of the run. */
  errorNumber(error: RunError): number {
    this.errors.push(error);
    return this.errors.length;
  }

  /** True where memory, or a symbol, may turn out not to fit while the program runs. */
  private canFail(): boolean {
    return (
      this.steps.some(({ kind }) => kind !== "call") ||
      this.buffers.some(({ byteLength }) => !isStatic(byteLength))
    );
  }

  isPlaced(value: Value): boolean {
    return this.destinations.has(value);
  }

  /** True the first time it is asked of a buffer: its border is to be filled once. */
  firstBorder(buffer: ProgramBuffer): boolean {
    if (this.filledBorders.has(buffer)) return false;
    this.filledBorders.add(buffer);
    return true;
  }

  newBuffer(name: string, type: TensorType, kind: ProgramBuffer["kind"], data?: Uint8Array): ProgramBuffer {
    const count = this.bufferNames.get(name) ?? 0;
    this.bufferNames.set(name, count + 1);
    const buffer: ProgramBuffer = {
      name: count === 0 ? name : `${name}#${count}`,
      dtype: type.dtype,
      byteLength: byteLengthOf(type),
      kind,
      ...(data !== undefined && { data }),
    };
    this.buffers.push(buffer);
    return buffer;
  }

  /** Memory of a kernel's own, of each thread. */
  tileMemory(name: string, elements: number): Placement {
    const copies = this.target.threads ? MAX_PARTS : 1;
    const type = { dtype: "float32", shape: [copies * elements] } as const;
    return { buffer: this.newBuffer(`${name}.tile`, type, "temporary"), strided: dense([elements]) };
  }

  /** A constant derived from another, made once for each key. */
  packed(source: TensorData, key: string, make: () => TensorData): Placement {
    return this.madeOnce(source, key, () => this.placeConstant(key, make()));
  }

  /** The same, but made by the first run. */
  derived(source: TensorData, key: string, make: () => Derivation): Placement {
    return this.madeOnce(source, key, () => this.derive(key, make()));
  }

  private derive(key: string, derivation: Derivation): Placement {
    const { placement, call } = derive(this, key, derivation);
    this.first.push(call);
    return placement;
  }

  private madeOnce(source: TensorData, key: string, make: () => Placement): Placement {
    const made = this.packedConstants.get(source) ?? new Map<string, Placement>();
    this.packedConstants.set(source, made);
    const placement = made.get(key) ?? make();
    made.set(key, placement);
    return placement;
  }

  /** A constant, which a module brings in fewer bits where it can. */
  private placeConstant(name: string, data: TensorData): Placement {
    const halves = narrowed(data);
    return halves === null ? this.placeAsIs(name, data) : this.derive(name, widening(halves));
  }

  placeAsIs(name: string, data: TensorData): Placement {
    const type = { dtype: data.dtype, shape: data.dims };
    const buffer = this.newBuffer(name, type, "constant", tensorBytes(data));
    return { buffer, strided: dense(data.dims) };
  }

  private placeNew(value: Value, kind: "input" | "state" | "temporary"): Placement {
    const buffer = this.newBuffer(value.name, value.type, kind);
    const placement = { buffer, strided: dense(value.shape, value.type.layout) };
    this.placements.set(value, placement);
    return placement;
  }

  private lowerNode(node: Node): void {
    this.requireConstraints(node);
    this.checkElements(node);
    if (node.operator === "kiln.Elements") {
      lowerElements(this, node);
      return;
    }
    if (node.operator === "kiln.Branch" || node.operator === "kiln.Loop") {
      const lower = node.operator === "kiln.Branch" ? lowerBranch : lowerLoop;
      lower(this, node);
      return;
    }
    if (this.lowerAsView(node)) return;
    const operator = operatorOf(node);
    if (isShapeOnly(operator)) {
      storeDims(this, node);
      return;
    }
    if (node.operator === "kiln.Fusion") {
      const region = node.regions[0]!;
      const anchor = region.nodes.find((inner) => operatorOf(inner).lower !== undefined);
      if (anchor !== undefined) lowerAnchor(this, node, anchor);
      else lowerGroup(this, node);
      return;
    }
    if (operator.lower !== undefined) lowerAnchor(this, node, node);
    else lowerGroup(this, node);
  }

  /** Checks elements that must be within bounds, of the node or of those fused in it. */
  private checkElements(node: Node): void {
    if (node.operator !== "kiln.Fusion") {
      const read = node.inputs.flatMap((input): [Value, Placement][] =>
        input === null || input.constant !== null ? [] : [[input, this.placementOf(input)]],
      );
      lowerChecks(this, node, new Map(read), node.source);
      return;
    }
    const region = node.regions[0]!;
    const external = new Map(
      region.inputs.map((input, i): [Value, Placement] => [input, this.placementOf(node.inputs[i]!)]),
    );
    for (const inner of region.nodes) lowerChecks(this, inner, external, node.source);
  }

  /** Checks at run time what inference could not know of the node's dims. */
  private requireConstraints(node: Node): void {
    if (node.operator === "kiln.Fusion") {
      for (const inner of node.regions[0]!.nodes) this.requireConstraints(inner);
      return;
    }
    for (const { a, b, reason } of constraintsOf(operatorOf(node), node)) {
      const text = `${printDim(a)} == ${printDim(b)}`;
      if (this.required.has(text)) continue;
      this.required.add(text);
      this.steps.push({ kind: "require", a, b, message: reason, source: node.source });
    }
  }

  setPlacement(value: Value, placement: Placement): void {
    this.placements.set(value, placement);
  }

  private lowerAsView(node: Node): boolean {
    const operator = operatorOf(node);
    const input = node.inputs[0];
    if (operator.view === undefined || input === null || input === undefined) return false;
    if (node.outputs.some((output) => this.isPlaced(output))) return false;
    const source = this.placementOf(input);
    const view = viewNode(operator, node);
    const strided = node.outputs.map((_, i) => operator.view!(view, source.strided, i));
    if (strided.some((one) => one === null)) return false;
    node.outputs.forEach((output, i) => {
      this.placements.set(output, { buffer: source.buffer, strided: strided[i] as Strided });
    });
    return true;
  }

  /** At the end of a run, so that one that fails on the way leaves all states as they were. */
  private storeStates(next: readonly Value[], states: readonly ProgramBuffer[]): void {
    // What is read from a state, by another or in another order, is read before any of them changes.
    const sources = next.map((value, i): Placement => {
      const source = this.placementOf(value);
      const isSelf = value === this.graph.inputs.at(i - states.length);
      if (source.buffer.kind !== "state" || isSelf) return source;
      const buffer = this.newBuffer(`${value.name}.next`, value.type, "temporary");
      this.deliver(value, source, buffer);
      return { buffer, strided: dense(value.shape) };
    });
    next.forEach((value, i) => {
      this.deliver(value, sources[i]!, states[i]!);
    });
  }

  /** Copies a graph output to its buffer unless it was written there in the first place. */
  private deliver(value: Value, source: Placement, buffer: ProgramBuffer): void {
    if (source.buffer === buffer) return;
    lowerElementwise(this, {
      name: "copy",
      root: value,
      destination: { buffer, strided: dense(value.shape) },
      external: new Map([[value, source]]),
      source: value.producer?.source ?? [],
    });
  }
}
