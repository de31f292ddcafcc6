/**
 * What the cells of recurrent layers have in common as operators: one direction, weights packed where they are constant.
 *
 * X [steps, batch, gates * hidden] is what the input adds to the gates, biases included; R [hidden, gates * hidden] are
 * the recurrent weights. Results are Y [steps, 1, batch, hidden] and the last states [1, batch, hidden].
 */

import { type Dim, isStatic, multiplyDims, printDim, productOfDims, staticDim } from "../ir/dim.js";
import { type DType, dtypes } from "../ir/dtype.js";
import type { TensorType } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import { packedKey, packMatrix } from "../kernels/matmul.js";
import {
  type CellPlace,
  recurrence,
  roundState,
  type Stage,
  type StageWeights,
} from "../kernels/recurrent.js";
import { recurrentActivations } from "../kernels/recurrent-activations.js";
import { add, i32Constant, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { partOf } from "../lowering/strided.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";

const attributes = {
  reverse: attribute.int(0),
  activations: attribute.strings([]),
  /** Alpha and beta of each activation. */
  parameters: attribute.floats([]),
  clip: attribute.optional("float"),
  /** LSTM: the forget gate is what the input gate leaves. */
  input_forget: attribute.int(0),
  /** GRU: the reset gate is applied to products with the state instead of the state. */
  linear_before_reset: attribute.int(0),
  /** LSTM: the state is quantised by its own range before each product. */
  quantize_state: attribute.int(0),
} as const;

export type CellContext = LoweringContext<typeof attributes>;

export interface CellDeclaration {
  readonly name: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly gates: number;
  /** Inputs that hold first states; each has a last state as result. */
  readonly initial: readonly number[];
  readonly stages: (cell: Cell) => Stage[];
}

function sizesOf(context: NodeView<typeof attributes>): { steps: Dim; batch: Dim; hidden: Dim } {
  const [steps, batch] = context.input(0).shape as [Dim, Dim];
  return { steps, batch, hidden: context.input(1).shape[0]! };
}

/** What the formula of a cell works with while its kernel is made. */
export class Cell {
  readonly sizes: ReturnType<typeof sizesOf>;
  readonly gates: TensorView;
  readonly states: readonly TensorView[];
  readonly output: TensorView;
  private readonly x: TensorView;

  constructor(
    readonly context: CellContext,
    readonly s: NodeScope,
    gateCount: number,
    stateCount: number,
  ) {
    this.sizes = sizesOf(context);
    this.gates = this.scratch("gates", gateCount);
    this.x = s.view("x", context.placement(0), "read");
    this.output = s.view("y", context.output(0), "write");
    this.states = Array.from({ length: stateCount }, (_, i) =>
      s.view("state", context.output(i + 1), "readwrite"),
    );
  }

  get attributes(): CellContext["attributes"] {
    return this.context.attributes;
  }

  get hidden(): Expr {
    return this.s.dim(this.sizes.hidden);
  }

  /** Memory of [batch, gates * hidden] for the kernel's own use. */
  scratch(name: string, gates = 1): TensorView {
    const { batch, hidden } = this.sizes;
    const dtype = computedType(this.context.input(0).dtype);
    const type = { dtype, shape: [batch, multiplyDims(hidden, gates)] };
    return this.s.view(name, this.context.scratch(name, { type }), "readwrite");
  }

  /** The column of a gate's element. */
  column(gate: number, { unit }: CellPlace): Expr {
    return add(unit, this.s.dim(multiplyDims(this.sizes.hidden, gate)));
  }

  /** What the input adds to a gate. */
  fromInput(gate: number, place: CellPlace): Expr {
    return this.x.load([place.time, place.row, this.column(gate, place)]);
  }

  /** What the state adds to a gate. */
  fromState(gate: number, place: CellPlace): Expr {
    return this.gates.load([place.row, this.column(gate, place)]);
  }

  gate(gate: number, place: CellPlace): Expr {
    return op("add", this.fromInput(gate, place), this.fromState(gate, place));
  }

  /** An element of an input of one dim, where the node has it. */
  parameter(input: number, at: Expr): Expr | null {
    if (this.context.optional(input) === null) return null;
    return this.s.view("parameter", this.context.placement(input), "read").load([at]);
  }

  /** An activation of the node's list, of a value within the limits of `clip` where it is a gate's. */
  activate(number: number, x: Expr, isGate = true): Expr {
    const { activations, parameters, clip } = this.attributes;
    const limited = clip === undefined || !isGate ? x : op("max", op("min", x, clip), -clip);
    const { emit } = recurrentActivations[activations[number]!]!;
    return this.s.let("a", emit(limited, parameters[2 * number]!, parameters[2 * number + 1]!));
  }

  state(i: number, { row, unit }: CellPlace): Expr {
    return this.states[i]!.load([0, row, unit]);
  }

  setState(i: number, { row, unit }: CellPlace, value: Expr): void {
    this.states[i]!.store([0, row, unit], value);
  }

  /** The hidden state: the result of the step. */
  finish(place: CellPlace, value: Expr): void {
    const h = this.s.let("h", value);
    this.setState(0, place, h);
    this.output.store([place.time, 0, place.row, place.unit], h);
  }

  /** A stage that multiplies the hidden state with the columns of some gates. */
  stage(firstGate: number, gates: number, apply: Stage["apply"], left = this.hiddenState()): Stage {
    const { hidden } = this.sizes;
    const firstColumn = multiplyDims(hidden, firstGate);
    const columns = multiplyDims(hidden, gates);
    const stage = { left, weights: this.weights(firstColumn, columns), columns, firstColumn, apply };
    return left.before === undefined ? stage : { ...stage, before: left.before };
  }

  /** What the recurrent weights are multiplied with. */
  private hiddenState(): Stage["left"] & Pick<Stage, "before"> {
    const state = this.states[0]!;
    if (this.attributes.quantize_state === 0) return { view: state, batch: [i32Constant(0)] };
    const rounded = this.scratch("rounded");
    return { view: rounded, batch: [], before: () => roundState(this.s, this.sizes, state, rounded) };
  }

  private weights(first: Dim, columns: Dim): StageWeights {
    const { context, s } = this;
    const { constant, dtype } = context.input(1);
    const { batch: rows, hidden } = this.sizes;
    if (constant === null || dtype !== "float32") {
      const { buffer, strided } = context.placement(1);
      const part = partOf(strided, [hidden, columns], 1, first);
      return { view: s.view("r", { buffer, strided: part }, "read"), packed: false };
    }
    const [depth, start, width] = [hidden, first, columns].map((dim) => staticDim(dim, "a constant's dim"));
    const key = `columns.${start}.${width}.${packedKey({ rows })}`;
    const packed = context.packed(constant, key, () =>
      packMatrix({ rows, depth: depth!, columns: width! }, columnsOf(constant, start!, width!)),
    );
    return { view: s.view("r", packed, "read"), packed: true };
  }
}

/** Floats of 16 bits are computed as float32. */
const computedType = (dtype: DType): DType => (dtypes[dtype].bytes === 2 ? "float32" : dtype);

/** Some columns of a matrix. */
function columnsOf(matrix: TensorData, start: number, count: number): TensorData {
  const [rows, columns] = matrix.dims as [number, number];
  if (count === columns) return matrix;
  const from = matrix.data as Float32Array;
  const data = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    const first = row * columns + start;
    data.set(from.subarray(first, first + count), row * count);
  }
  return { dtype: matrix.dtype, dims: [rows, count], data };
}

export function cellOperator(declaration: CellDeclaration): Operator {
  const { gates, initial, stages, ...rest } = declaration;
  const lower = (context: CellContext): void => lowerCell(context, declaration);
  return defineOperator<typeof attributes>({
    ...rest,
    domain: "kiln",
    attributes,
    versions: [{ since: 1 }],
    infer: (context) => {
      const { steps, batch, hidden } = sizesOf(context);
      const { dtype } = context.input(0);
      const state: TensorType = { dtype, shape: [1, batch, hidden] };
      return [{ dtype, shape: [steps, 1, batch, hidden] }, ...initial.map(() => state)];
    },
    flops: (context) => flopsOf(context, gates),
    lower,
    evaluate: evaluateByKernels(lower),
  });
}

function flopsOf(context: NodeView<typeof attributes>, gates: number): number {
  const { steps, batch, hidden } = sizesOf(context);
  const count = productOfDims([2 * gates, steps, batch, hidden, hidden]);
  return isStatic(count) ? count : 0;
}

function lowerCell(context: CellContext, { name, gates, initial, stages }: CellDeclaration): void {
  const sizes = sizesOf(context);
  const kernelName = `${name.toLowerCase()}_${printDim(sizes.batch)}x${printDim(sizes.hidden)}`;
  context.kernel({ name: kernelName, flops: flopsOf(context, gates) }, (s) => {
    const cell = new Cell(context, s, gates, initial.length);
    const given = (i: number): TensorView | null =>
      context.optional(i) === null ? null : s.view("initial", context.placement(i), "read");
    recurrence(
      s,
      { ...sizes, reverse: context.attributes.reverse !== 0, stages: stages(cell) },
      {
        gates: cell.gates,
        states: cell.states,
        initial: initial.map(given),
        output: cell.output,
        lengths: given(2),
      },
    );
  });
}
