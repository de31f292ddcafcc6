/**
 * Computes in float32 what the model computes in float16 or bfloat16. Kernels for packed weights, vectors and fused
 * multiply-adds are of float32, as WebAssembly has no arithmetic on halves.
 *
 *   Conv(x16, w16)  ->  Cast16(Conv(Cast32(x16), w32))
 *
 * Between nodes the two conversions are left out, so that results are rounded only where the model asks for it or gives
 * them away: its inputs and outputs keep their types. Where rounding must not change, `strict`, they stay.
 *
 * What only moves elements is widened where all that it moves is: a cache of halves stays one.
 */

import { equalShapes } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import {
  constantValue,
  createNode,
  type Graph,
  type Node,
  type TensorType,
  Value,
} from "../../compiler/ir/graph.js";
import { tensor } from "../../compiler/ir/tensor.js";
import { inferNode } from "../../compiler/operators/builder.js";
import { findOperator } from "../../compiler/operators/index.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import type { Operator } from "../../compiler/operators/operator.js";
import type { GraphPass } from "./pass.js";
import { buildNodes } from "./replace.js";

export const widenHalves: GraphPass = {
  name: "widen-halves",
  summary: "16-bit floats are computed as float32",
  run: (graph, { strict }) => {
    const hasHalves = graph.nodes.some(({ inputs, outputs }) =>
      [...inputs, ...outputs].some((value) => value !== null && isHalf(value.dtype)),
    );
    if (hasHalves) new Widening(graph, strict).run();
  },
};

const isHalf = (dtype: DType): boolean => dtype === "float16" || dtype === "bfloat16";

class Widening {
  /** The nodes so far. */
  private readonly nodes: Node[] = [];
  /** The float32 that a half is rounded from or to. */
  private readonly wide = new Map<Value, Value>();
  /** What was a half and is float32 now, and which. */
  private readonly was = new Map<Value, DType>();
  private readonly narrow = new Map<Value, Value>();

  constructor(
    private readonly graph: Graph,
    private readonly strict: boolean,
  ) {}

  run(): void {
    const { graph } = this;
    for (const node of graph.nodes) this.node(node);
    const halves = new Map<Value, Value>();
    for (const value of new Set(graph.outputs)) {
      if (!this.was.has(value)) continue;
      const half = this.narrowed(value, value.producer?.source ?? []);
      // Callers know results by their names.
      [half.name, value.name] = [value.name, half.name];
      halves.set(value, half);
    }
    graph.outputs = graph.outputs.map((value) => halves.get(value) ?? value);
    graph.nodes = this.nodes;
  }

  private node(node: Node): void {
    const operator = findOperator(node.operator);
    const types = operator === undefined ? null : this.widerTypes(operator, node);
    if (types === null) {
      node.inputs = node.inputs.map((input) =>
        input !== null && this.was.has(input) ? this.narrowed(input, node.source) : input,
      );
      this.nodes.push(node);
      return;
    }
    node.inputs = node.inputs.map((input) => this.widened(input, node.source));
    this.nodes.push(node);
    node.outputs.forEach((output, i) => {
      if (isHalf(output.dtype)) this.was.set(output, output.dtype);
      output.type = types[i]!;
    });
    if (!this.strict) return;
    for (const output of node.outputs) if (this.was.has(output)) this.narrowed(output, node.source);
  }

  /** What the results of a node become whose halves are float32; null where it is to stay as it is. */
  private widerTypes(operator: Operator, node: Node): TensorType[] | null {
    const halves = node.inputs.filter((input) => input !== null && this.isHalfOrWas(input)) as Value[];
    if (halves.length === 0 || node.regions.length > 0) return null;
    const onlyMoves = operator.moves ?? (operator.injective !== undefined || operator.view !== undefined);
    if (onlyMoves && !halves.every((input) => input.constant !== null || this.was.has(input))) return null;
    const wider = createNode({
      ...node,
      inputs: node.inputs.map((input) => this.asWide(input)),
      types: node.outputs.map(({ type }) => type),
      names: node.outputs.map(({ name }) => name),
    });
    try {
      inferNode(operator, wider);
    } catch {
      return null;
    }
    const isSame = node.outputs.every(({ dtype, shape }, i) => {
      const { type } = wider.outputs[i]!;
      return type.dtype === (isHalf(dtype) ? "float32" : dtype) && equalShapes(type.shape, shape);
    });
    return isSame ? wider.outputs.map(({ type }) => type) : null;
  }

  private isHalfOrWas(value: Value): boolean {
    return isHalf(value.dtype) || this.was.has(value);
  }

  /** The input as inference is to see it. */
  private asWide(value: Value | null): Value | null {
    if (value === null || !isHalf(value.dtype)) return value;
    return value.constant === null
      ? new Value(value.name, { ...value.type, dtype: "float32" })
      : this.widened(value, []);
  }

  /** The value, as float32 where it is a half. */
  private widened(value: Value | null, source: string[]): Value | null {
    if (value === null) return null;
    // Where rounding counts, what was a half is seen through its conversion to one.
    const half = this.strict && this.was.has(value) ? this.narrowed(value, source) : value;
    if (!isHalf(half.dtype)) return half;
    let wide = this.wide.get(half);
    if (wide === undefined) {
      wide = half.constant === null ? this.cast(half, "float32", source) : wideConstant(half);
      this.wide.set(half, wide);
    }
    return wide;
  }

  /** The half that a value was. */
  private narrowed(value: Value, source: string[]): Value {
    let half = this.narrow.get(value);
    if (half === undefined) {
      half = this.cast(value, this.was.get(value)!, source);
      this.narrow.set(value, half);
    }
    return half;
  }

  private cast(value: Value, dtype: DType, source: string[]): Value {
    const origin = { name: value.name, source };
    const { nodes, result } = buildNodes(this.graph, origin, `${dtype}.`, (b) => b.cast(value, dtype));
    this.nodes.push(...nodes);
    return result;
  }
}

function wideConstant({ name, constant }: Value): Value {
  const data = Float32Array.from(decodeElements(constant!));
  return constantValue(`${name}.float32`, tensor("float32", constant!.dims, data));
}
