/**
 * Puts patches in the place of a segment. Parts of the result are written straight to their place in it, and parts of
 * its inputs are views; only rows that are kept for the next strip are copied, so that the rest of their value's
 * memory is free meanwhile.
 */

import { constantValue, createNode, type Node, type Value } from "../../../compiler/ir/graph.js";
import { tensorOf } from "../../../compiler/ir/tensor.js";
import { partType } from "./local-node.js";
import { type Region, type Span, sameSpan, textOf, wholeOf } from "./region.js";
import { COLUMNS, ROWS } from "./segment.js";
import { type Band, partOf, type Tiling } from "./tiling.js";
import { walkBand } from "./walk.js";

/** The nodes that compute the segment's result, the last of which makes the result itself. */
export function patchedNodes(tiling: Tiling): Node[] {
  const nodes: Node[] = [];
  const { exit } = tiling.segment;
  const bands = tiling.bands.map((band, i) => new BandWriter(tiling, band, i, nodes).parts());
  const across = bands.map((parts, i) => {
    if (parts.length === 1 || bands.length === 1) return parts;
    return [join(nodes, parts, ROWS, `${exit.name}.band${i}`)];
  });
  const axis = bands.length === 1 ? ROWS : COLUMNS;
  join(nodes, across.flat(), axis, exit.name);
  const last = nodes.at(-1)!;
  last.outputs = [exit];
  exit.producer = last;
  return nodes;
}

function join(nodes: Node[], parts: readonly Value[], axis: number, name: string): Value {
  const [first] = parts as [Value];
  const length = parts.reduce((sum, part) => sum + (part.shape[axis] as number), 0);
  const node = createNode({
    operator: "Concat",
    inputs: [...parts],
    types: [{ ...first.type, shape: first.shape.map((dim, i) => (i === axis ? length : dim)) }],
    names: [name],
    attributes: { axis },
    source: [...(first.producer?.source ?? [])],
  });
  nodes.push(node);
  return node.outputs[0]!;
}

class BandWriter {
  private readonly exits: Value[] = [];
  /** What there is of each value of the segment. */
  private readonly held = new Map<number, { value: Value; rows: Span }>();
  private readonly views = new Map<Value, Map<string, Value>>();
  private count = 0;

  constructor(
    private readonly tiling: Tiling,
    private readonly band: Band,
    private readonly number: number,
    private readonly nodes: Node[],
  ) {}

  parts(): Value[] {
    walkBand(this.tiling.segment, this.band, this);
    return this.exits;
  }

  make(i: number, fresh: Span, rows: Span): void {
    const { locals } = this.tiling.segment;
    const local = locals[i]!;
    const name = this.nameOf(local.result);
    const node = local.part(this.part(i, fresh), name, (value, region) => this.take(value, region));
    this.nodes.push(node);
    const [made] = node.outputs as [Value];
    if (i === locals.length - 1) {
      this.exits.push(made);
      return;
    }
    const kept = this.held.get(i)?.value;
    const value =
      kept === undefined ? made : join(this.nodes, [this.asView(kept), made], ROWS, `${name}.rows`);
    this.held.set(i, { value, rows });
  }

  keep(i: number, rows: Span): void {
    const { value, rows: all } = this.held.get(i)!;
    const start = rows.start - all.start;
    const region = wholeOf(value).map((span, axis) =>
      axis === ROWS ? { start, end: start + rows.end - rows.start } : span,
    );
    const part = this.view(value, region);
    const layout = value.type.layout ?? value.shape.map((_, axis) => axis);
    const copy = createNode({
      operator: "kiln.Relayout",
      inputs: [part],
      types: [part.type],
      names: [`${value.name}.kept`],
      attributes: { layout },
      source: [...(value.producer?.source ?? [])],
    });
    this.nodes.push(copy);
    this.held.set(i, { value: copy.outputs[0]!, rows });
  }

  drop(i: number): void {
    this.held.delete(i);
  }

  /** A part of a value of the segment, or of one from outside. */
  private take(value: Value, region: Region): Value {
    const i = this.tiling.segment.numberOf.get(value);
    if (i === undefined) return this.view(value, region);
    const held = this.held.get(i)!;
    const start = this.part(i, held.rows);
    const inside = region.map((span, axis) => ({
      start: span.start - start[axis]!.start,
      end: span.end - start[axis]!.start,
    }));
    return this.view(held.value, inside);
  }

  private view(value: Value, region: Region): Value {
    const whole = wholeOf(value);
    const cut = region.flatMap((span, axis) => (sameSpan(span, whole[axis]!) ? [] : [axis]));
    if (cut.length === 0) return value;
    const views = this.views.get(value) ?? new Map<string, Value>();
    this.views.set(value, views);
    const known = views.get(textOf(region));
    if (known !== undefined) return known;
    const numbers = (name: string, list: readonly number[]): Value =>
      constantValue(`${name}.${this.count}`, tensorOf("int64", [list.length], list));
    const node = createNode({
      operator: "Slice",
      inputs: [
        value,
        numbers(
          "starts",
          cut.map((axis) => region[axis]!.start),
        ),
        numbers(
          "ends",
          cut.map((axis) => region[axis]!.end),
        ),
        numbers("axes", cut),
      ],
      types: [partType(value, region)],
      names: [this.nameOf(value)],
      source: [...(value.producer?.source ?? [])],
    });
    this.nodes.push(node);
    views.set(textOf(region), node.outputs[0]!);
    return node.outputs[0]!;
  }

  /** The same memory, for a concatenation to copy: it would else be where the result is, and that would live longer. */
  private asView(value: Value): Value {
    const node = createNode({
      operator: "Identity",
      inputs: [value],
      types: [value.type],
      names: [this.nameOf(value)],
    });
    this.nodes.push(node);
    return node.outputs[0]!;
  }

  private part(i: number, rows: Span): Region {
    return partOf(this.tiling.segment, this.band, i, rows);
  }

  private nameOf({ name }: Value): string {
    return `${name}.part${this.number}.${this.count++}`;
  }
}
