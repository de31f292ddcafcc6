/**
 * One direction of a recurrent layer. What the input adds to the gates is computed before, for all steps at once; the
 * loop over time has the product of the state and the recurrent weights, and the cell itself.
 *
 * A cell works in stages: the product of [batch, hidden] and some columns of the weights, then a formula for each
 * element of the state. Rows whose sequence has ended keep their state and give 0.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, i32Constant, minIndex, op, read, select, sub } from "../loop/builder.js";
import { type Expr, f32, registerTypes } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { matmul } from "./matmul.js";

export interface Recurrence {
  readonly steps: Dim;
  readonly batch: Dim;
  readonly hidden: Dim;
  /** From the last step to the first. */
  readonly reverse: boolean;
  readonly stages: readonly Stage[];
}

/** Weights [hidden, columns], or packed by `packMatrix` for as many rows as the batch has. */
export interface StageWeights {
  readonly view: TensorView;
  readonly packed: boolean;
}

export interface Stage {
  /** What is multiplied with the weights: [batch, hidden]. */
  readonly left: { readonly view: TensorView; readonly batch: readonly Expr[] };
  readonly weights: StageWeights;
  readonly columns: Dim;
  /** Where the product goes in the gates. */
  readonly firstColumn: Dim;
  readonly apply: (place: CellPlace) => void;
  /** Makes the left operand of each step. */
  readonly before?: () => void;
}

/** One element of the state at one step. */
export interface CellPlace {
  readonly row: Expr;
  readonly unit: Expr;
  /** The step in the order of the sequence. */
  readonly time: Expr;
}

export interface RecurrenceTensors {
  /** Products of the state and the weights: [batch, gates * hidden]. */
  readonly gates: TensorView;
  /** [1, batch, hidden] each: they are the last results when all is done. */
  readonly states: readonly TensorView[];
  readonly initial: readonly (TensorView | null)[];
  /** [steps, 1, batch, hidden] */
  readonly output: TensorView;
  /** Steps of each row, where not all have as many. */
  readonly lengths: TensorView | null;
}

export function recurrence(s: NodeScope, p: Recurrence, tensors: RecurrenceTensors): void {
  initialise(s, p, tensors);
  s.for("t", 0, s.dim(p.steps), (step) => {
    for (const [number, stage] of p.stages.entries()) {
      stage.before?.();
      multiplyState(s, p, stage, tensors.gates);
      const isLast = number === p.stages.length - 1;
      s.for("row", 0, s.dim(p.batch), (row) => {
        forUnits(s, p, tensors, { step, row, isLast }, stage.apply);
      });
    }
  });
}

/** States start at what is given, or at 0; those of rows without any step are 0, as onnxruntime has them. */
function initialise(s: NodeScope, p: Recurrence, { states, initial, lengths }: RecurrenceTensors): void {
  states.forEach((state, i) => {
    const given = initial[i] ?? null;
    const zero = constant({ scalar: registerTypes[state.dtype], lanes: 1 }, 0);
    s.for("row", 0, s.dim(p.batch), (row) => {
      const set = (from: TensorView | null): void =>
        forHidden(s, p, (unit) => {
          const at = [i32Constant(0), row, unit];
          state.store(at, from === null ? zero : from.load(at));
        });
      if (given === null || lengths === null) set(given);
      else
        s.if(
          op("gt_s", lengths.load([row]), 0),
          () => set(given),
          () => set(null),
        );
    });
  });
}

const forHidden = (s: NodeScope, { hidden }: Recurrence, body: (unit: Expr) => void): void =>
  s.for("unit", 0, s.dim(hidden), body, { mode: "vectorize" });

function multiplyState(s: NodeScope, p: Recurrence, stage: Stage, gates: TensorView): void {
  const { left, weights, columns, firstColumn } = stage;
  matmul(
    s,
    { rows: p.batch, depth: p.hidden, columns },
    {
      left: left.view,
      right: weights.view,
      packed: weights.packed,
      leftBatch: left.batch,
      rightBatch: [],
      result: (value, row, column) => gates.store([row, add(column, s.dim(firstColumn))], value),
    },
  );
}

/** The cell's formula for the units of a row, as long as its sequence has not ended. */
function forUnits(
  s: NodeScope,
  p: Recurrence,
  { lengths, output }: RecurrenceTensors,
  { step, row, isLast }: { step: Expr; row: Expr; isLast: boolean },
  apply: Stage["apply"],
): void {
  const steps = s.dim(p.steps);
  const run = (length: Expr): void => {
    const time = p.reverse ? s.let("time", sub(sub(length, 1), step)) : step;
    forHidden(s, p, (unit) => apply({ row, unit, time }));
  };
  if (lengths === null) {
    run(steps);
    return;
  }
  const length = s.let("length", minIndex(lengths.load([row]), steps));
  const zero = constant({ scalar: registerTypes[output.dtype], lanes: 1 }, 0);
  s.if(
    op("lt_s", step, length),
    () => run(length),
    () => {
      if (isLast) forHidden(s, p, (unit) => output.store([step, 0, row, unit], zero));
    },
  );
}

/** The state as it is after it was quantised to uint8 by its own range and made numbers again. */
export function roundState(
  s: NodeScope,
  { batch, hidden }: Pick<Recurrence, "batch" | "hidden">,
  state: TensorView,
  rounded: TensorView,
): void {
  const [low, high] = ["low", "high"].map((name) => s.variable(name, constant(f32, 0)));
  const each = (body: (h: Expr, row: Expr, unit: Expr) => void): void =>
    s.for("row", 0, s.dim(batch), (row) => {
      s.for("unit", 0, s.dim(hidden), (unit) => body(state.load([0, row, unit]), row, unit));
    });
  each((h) => {
    s.assign(low!, op("min", read(low!), h));
    s.assign(high!, op("max", read(high!), h));
  });
  const range = s.let("range", op("sub", read(high!), read(low!)));
  const scale = s.let("scale", select(op("eq", range, 0), constant(f32, 1), op("div", range, 255)));
  const byte = (x: Expr): Expr => op("max", op("min", x, 255), 0);
  const zero = s.let("zero", byte(op("nearest", op("div", op("neg", read(low!)), scale))));
  each((h, row, unit) => {
    const quantised = byte(op("add", op("nearest", op("div", h, scale)), zero));
    rounded.store([row, unit], op("mul", op("sub", quantised, zero), scale));
  });
}
