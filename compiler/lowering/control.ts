/**
 * Branches and loops: steps with steps inside.
 *
 * What a loop carries lies in the buffers of its results, which each pass reads and, at its end, writes. Lists are
 * written element by element, in memory for as many passes as there can be.
 */

import { type Dim, dimSymbols, equalDims, isStatic, multiplyDims, symbolDim } from "../ir/dim.js";
import { type Graph, type Node, type TensorType, Value } from "../ir/graph.js";
import { i32Constant, op, select } from "../loop/builder.js";
import type { Define, ProgramBuffer, Step } from "../loop/program.js";
import { lowerElementwise } from "./elementwise.js";
import { loopsOver, memoryOrder } from "./loops.js";
import type { Lowering } from "./lower.js";
import { KernelScope, type Placement } from "./scope.js";
import { dense, type Strided } from "./strided.js";

const int64Scalar: TensorType = { dtype: "int64", shape: [] };
const boolScalar: TensorType = { dtype: "bool", shape: [] };

export function lowerBranch(lowering: Lowering, node: Node): void {
  const [condition, ...captured] = node.inputs as Value[];
  const count = Number(node.attributes.thenInputs);
  const [whenTrue, whenFalse] = node.regions as [Graph, Graph];
  const outputs = node.outputs.map((output) => lowering.place(output));
  const placed = captured.map((value) => lowering.placementOf(value));
  const arm = (region: Graph, inputs: readonly Placement[]): Step[] =>
    lowering.nested(() => {
      region.inputs.forEach((input, i) => {
        lowering.setPlacement(input, inputs[i]!);
      });
      lowering.lowerRegion(region);
      const fresh = node.outputs.flatMap((output, i) => openDims(output, region.outputs[i]!));
      if (fresh.length > 0) lowering.steps.push({ kind: "define", symbols: fresh, source: node.source });
      region.outputs.forEach((value, i) => {
        if (node.outputs[i] !== undefined)
          copy(lowering, node, value, lowering.placementOf(value), outputs[i]!);
      });
    });
  const { buffer, strided } = lowering.placementOf(condition!);
  lowering.steps.push({
    kind: "branch",
    condition: { buffer, byteOffset: strided.offset },
    whenTrue: arm(whenTrue, placed.slice(0, count)),
    whenFalse: arm(whenFalse, placed.slice(count)),
    source: node.source,
  });
}

/** Dims of a result that are symbols of its own, with the dims that a branch gives them. */
function openDims(output: Value, inner: Value): Define["symbols"][number][] {
  return output.shape.flatMap((dim, axis) => {
    if (isStatic(dim) || equalDims(dim, inner.shape[axis]!)) return [];
    const [name] = dimSymbols(dim);
    return [{ name: name!, value: inner.shape[axis]! }];
  });
}

export function lowerLoop(lowering: Lowering, node: Node): void {
  new LoopLowering(lowering, node).run();
}

class LoopLowering {
  private readonly region: Graph;
  private readonly count: number;
  private readonly initial: readonly Value[];
  private readonly carried: readonly Placement[];
  private readonly lists: readonly { value: Value; place: Placement }[];
  private readonly counter: ProgramBuffer;
  private readonly condition: ProgramBuffer;

  constructor(
    private readonly lowering: Lowering,
    private readonly node: Node,
  ) {
    const { inputs, outputs, attributes } = node;
    this.region = node.regions[0]!;
    this.count = Number(attributes.carried);
    this.initial = inputs.slice(2, 2 + this.count) as Value[];
    this.counter = lowering.newBuffer(`${outputs[0]!.name}.pass`, int64Scalar, "temporary");
    this.condition = lowering.newBuffer(`${outputs[0]!.name}.cond`, boolScalar, "temporary");
    this.carried = outputs.slice(0, this.count).map((output) => lowering.place(output));
    this.lists = outputs.slice(this.count).map((value) => ({ value, place: this.placeList(value) }));
  }

  run(): void {
    const { lowering, node, region } = this;
    const [passes, condition] = node.inputs;
    this.define(this.symbolsOf((i) => this.initial[i]!.shape));
    this.initial.forEach((value, i) => {
      this.copy(value, lowering.placementOf(value), this.carried[i]!);
    });
    this.setCondition(condition ?? null);
    const captured = node.inputs.slice(2 + this.count).map((value) => lowering.placementOf(value!));
    const [pass, holds, ...rest] = region.inputs;
    lowering.setPlacement(pass!, { buffer: this.counter, strided: dense([]) });
    lowering.setPlacement(holds!, { buffer: this.condition, strided: dense([]) });
    [...this.carried, ...captured].forEach((place, i) => {
      lowering.setPlacement(rest[i]!, place);
    });
    const limit = passes === null || passes === undefined ? null : lowering.placementOf(passes);
    lowering.steps.push({
      kind: "repeat",
      counter: this.counter,
      trips:
        limit === null ? null : { buffer: limit.buffer, byteOffset: multiplyDims(limit.strided.offset, 8) },
      condition: { buffer: this.condition, byteOffset: 0 },
      body: lowering.nested(() => this.body()),
      source: node.source,
    });
    this.defineEmptyLists();
    if (typeof node.attributes.passes === "string") {
      this.define([{ name: node.attributes.passes, value: { buffer: this.counter, index: 0 } }]);
    }
  }

  private body(): void {
    const { lowering, region } = this;
    lowering.lowerRegion(region);
    const [condition, ...results] = region.outputs;
    const lists = results.slice(this.count);
    this.defineLists(lists);
    lists.forEach((value, i) => {
      this.append(value, this.lists[i]!.place);
    });
    const next = results.slice(0, this.count).map((value, i) => this.keep(value, i));
    this.setCondition(condition!);
    this.define(this.symbolsOf((i) => next[i]!.strided.shape));
    results.slice(0, this.count).forEach((value, i) => {
      if (next[i] !== this.carried[i]) this.copy(value, next[i]!, this.carried[i]!);
    });
  }

  /**
   * A value to carry on, where it stays whole while the carried ones are written: in its own memory, or in a copy if
   * that is the memory of one of them or is placed anew with their dims.
   */
  private keep(value: Value, i: number): Placement {
    const { lowering } = this;
    const place = lowering.placementOf(value);
    const own = this.carried[i]!;
    if (place.buffer === own.buffer && isSamePlace(place.strided, own.strided)) return own;
    const symbols = this.ownSymbols();
    const depends = [...dimSymbols(place.buffer.byteLength)].some((name) => symbols.has(name));
    const isShared = [this.condition, ...this.carried.map(({ buffer }) => buffer)].includes(place.buffer);
    if (!depends && !isShared) return place;
    // Dims that are about to get other values are kept under other names.
    const kept: Define["symbols"][number][] = [];
    const shape = value.shape.map((dim, axis): Dim => {
      if (isStatic(dim)) return dim;
      const name = `@${this.node.outputs[i]!.name}.next.${axis}`;
      kept.push({ name, value: dim });
      return symbolDim(name);
    });
    this.define(kept);
    const buffer = lowering.newBuffer(`${value.name}.next`, { dtype: value.dtype, shape }, "temporary");
    const copied = { buffer, strided: dense(shape) };
    this.copy(value, place, copied);
    return copied;
  }

  private ownSymbols(): Set<string> {
    return new Set(this.symbolsOf((i) => this.carried[i]!.strided.shape).map(({ name }) => name));
  }

  /** The symbols of carried dims that change, with the dims that these shapes give them. */
  private symbolsOf(shapeOf: (carried: number) => readonly Dim[]): NamedDim[] {
    return namedDims(this.node.attributes.symbols, shapeOf);
  }

  /** The first pass decides the dims of lists that nothing outside does; the others must have the same. */
  private defineLists(elements: readonly Value[]): void {
    const { lowering, node } = this;
    const symbols = namedDims(node.attributes.listSymbols, (list) => [1, ...elements[list]!.shape]);
    this.defineAtZero(symbols);
    for (const { name, value } of symbols) {
      const message = "the values that it collects differ in shape";
      lowering.steps.push({ kind: "require", a: symbolDim(name), b: value, message, source: node.source });
    }
  }

  /** The dims of lists where there has been no pass to decide them. */
  private defineEmptyLists(): void {
    const { listSymbols, listSizes } = this.node.attributes;
    const sizes = listSizes as readonly number[];
    this.defineAtZero(namedDims(listSymbols, () => []).map(({ name }, i) => ({ name, value: sizes[i]! })));
  }

  /** Defines symbols if the counter is zero: in the first pass, or behind the loop if there was none. */
  private defineAtZero(symbols: readonly NamedDim[]): void {
    if (symbols.length === 0) return;
    const { lowering, node, counter } = this;
    const isZero = lowering.newBuffer(`${node.outputs[0]!.name}.zero`, boolScalar, "temporary");
    const scope = new KernelScope("is_zero");
    const pass = scope.view("pass", { buffer: counter, strided: dense([]) }, "read").load([]);
    const flag = select(op("eq", pass, 0), i32Constant(1), i32Constant(0));
    scope.view("y", { buffer: isZero, strided: dense([]) }, "write").store([], flag);
    this.call(scope);
    lowering.steps.push({
      kind: "branch",
      condition: { buffer: isZero, byteOffset: 0 },
      whenTrue: [{ kind: "define", symbols, source: node.source }],
      whenFalse: [],
      source: node.source,
    });
  }

  private define(symbols: readonly Define["symbols"][number][]): void {
    if (symbols.length > 0) this.lowering.steps.push({ kind: "define", symbols, source: this.node.source });
  }

  private copy(value: Value, from: Placement, to: Placement): void {
    copy(this.lowering, this.node, value, from, to);
  }

  private setCondition(value: Value | null): void {
    const { lowering, condition } = this;
    if (value !== null) {
      const place = lowering.placementOf(value);
      // A tensor of one element is a scalar here.
      const strided = { shape: [], offset: place.strided.offset, strides: [] };
      this.copyScalar({ buffer: place.buffer, strided }, condition);
      return;
    }
    const scope = new KernelScope("set_true");
    scope.view("y", { buffer: condition, strided: dense([]) }, "write").store([], i32Constant(1));
    this.call(scope);
  }

  private copyScalar(from: Placement, to: ProgramBuffer): void {
    if (from.buffer === to) return;
    const scope = new KernelScope("copy");
    const x = scope.view("x", from, "read");
    scope.view("y", { buffer: to, strided: dense([]) }, "write").store([], x.load([]));
    this.call(scope);
  }

  private call(scope: KernelScope): void {
    const call = scope.finishCall();
    this.lowering.steps.push({ kind: "call", ...call, source: this.node.source, flops: 0, inPlace: [] });
  }

  /** Memory for as many elements as there can be passes; the list has those of the passes that there were. */
  private placeList(value: Value): Placement {
    const { lowering, node } = this;
    const bound = node.inputs[0]!;
    const most = bound.constant !== null ? Number(bound.constant.data[0]) : bound.elements![0]!;
    const capacity: Dim = isStatic(most) ? Math.max(0, most) : most;
    if (equalDims(capacity, value.shape[0]!)) return lowering.place(value);
    const shape = [capacity, ...value.shape.slice(1)];
    const buffer = lowering.newBuffer(value.name, { dtype: value.dtype, shape }, "temporary");
    const place = { buffer, strided: dense(value.shape) };
    lowering.setPlacement(value, place);
    return place;
  }

  /** Writes the element of this pass. */
  private append(value: Value, list: Placement): void {
    const scope = new KernelScope("append");
    const from = scope.view("x", this.lowering.placementOf(value), "read");
    const capacity = scope.view("y", list, "write");
    const counter = scope.view("pass", { buffer: this.counter, strided: dense([]) }, "read");
    const pass = scope.let("at", op("i64_to_i32", counter.load([])));
    loopsOver(scope, value.shape, memoryOrder({ ...list, strided: dense(value.shape) }), (indices) => {
      capacity.store([pass, ...indices], from.load(indices));
    });
    this.call(scope);
  }
}

const isSamePlace = (a: Strided, b: Strided): boolean =>
  equalDims(a.offset, b.offset) &&
  a.shape.every((dim, axis) => equalDims(dim, b.shape[axis]!)) &&
  a.strides.every((stride, axis) => equalDims(stride, b.strides[axis]!));

interface NamedDim {
  readonly name: string;
  readonly value: Dim;
}

/** Symbols of dims from entries `value.axis=symbol`, with the dims that they stand for. */
function namedDims(entries: unknown, shapeOf: (value: number) => readonly Dim[]): NamedDim[] {
  return (entries as readonly string[]).map((entry) => {
    const [place, name] = splitAt(entry, "=");
    const [value, axis] = place.split(".").map(Number) as [number, number];
    return { name, value: shapeOf(value)[axis]! };
  });
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Copies a value as it lies in memory: the symbols of its type may have other values by now. */
function copy(lowering: Lowering, node: Node, { name, dtype }: Value, from: Placement, to: Placement): void {
  const { shape } = from.strided;
  const value = new Value(name, { dtype, shape });
  lowerElementwise(lowering, {
    name: "copy",
    root: value,
    destination: { buffer: to.buffer, strided: { ...to.strided, shape } },
    external: new Map([[value, from]]),
    source: node.source,
  });
}
