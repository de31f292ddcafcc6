/**
 * The cells of `RNN`, `GRU` and `LSTM`, which are made of them when they are imported. Gates are numbered in the order
 * in which ONNX has their weights.
 */

import type { CellPlace, Stage } from "../kernels/recurrent.js";
import { add, mul, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { Operator } from "./operator.js";
import { type Cell, cellOperator } from "./recurrent-cell.js";

const RNN = cellOperator({
  name: "RNN",
  summary: "H = f(x + h R), step by step in one direction.",
  inputs: ["X", "R", "sequence_lens?", "initial_h?"],
  gates: 1,
  initial: [3],
  stages: (cell) => [cell.stage(0, 1, (place) => cell.finish(place, cell.activate(0, cell.gate(0, place))))],
});

/** H = (1 - z) candidate + z h. */
function mix(cell: Cell, place: CellPlace, z: Expr, candidate: Expr): void {
  const rest = op("mul", op("sub", 1, z), candidate);
  cell.finish(place, op("add", rest, op("mul", z, cell.state(0, place))));
}

/** The reset gate meets the state before its product with the candidate's weights, which is a stage of its own. */
function resetBefore(cell: Cell): Stage[] {
  const [update, reset] = [cell.scratch("update"), cell.scratch("reset")];
  const gates = (place: CellPlace): void => {
    const at = [place.row, place.unit];
    const [z, r] = [cell.activate(0, cell.gate(0, place)), cell.activate(0, cell.gate(1, place))];
    update.store(at, z);
    reset.store(at, op("mul", r, cell.state(0, place)));
  };
  const candidate = (place: CellPlace): void => {
    const z = update.load([place.row, place.unit]);
    mix(cell, place, z, cell.activate(1, cell.gate(2, place)));
  };
  return [cell.stage(0, 2, gates), cell.stage(2, 1, candidate, { view: reset, batch: [] })];
}

/** The reset gate meets the product of the state and the candidate's weights. */
function resetAfter(cell: Cell): Stage[] {
  return [
    cell.stage(0, 3, (place) => {
      const [z, r] = [cell.activate(0, cell.gate(0, place)), cell.activate(0, cell.gate(1, place))];
      const bias = cell.parameter(4, place.unit);
      const state = cell.fromState(2, place);
      const product = op("mul", r, bias === null ? state : op("add", state, bias));
      mix(cell, place, z, cell.activate(1, op("add", cell.fromInput(2, place), product)));
    }),
  ];
}

const GRU = cellOperator({
  name: "GRU",
  summary: "Gated recurrent unit, step by step in one direction.",
  inputs: ["X", "R", "sequence_lens?", "initial_h?", "candidate_bias?"],
  gates: 3,
  initial: [3],
  stages: (cell) => (cell.attributes.linear_before_reset !== 0 ? resetAfter(cell) : resetBefore(cell)),
});

const LSTM = cellOperator({
  name: "LSTM",
  summary: "Long short-term memory, step by step in one direction.",
  inputs: ["X", "R", "sequence_lens?", "initial_h?", "initial_c?", "P?"],
  gates: 4,
  initial: [3, 4],
  stages: (cell) => {
    const gate = (number: number, place: CellPlace, peephole: number, c: Expr | null): Expr => {
      const weight = c === null ? null : cell.parameter(5, add(place.unit, mul(cell.hidden, peephole)));
      const sum = cell.gate(number, place);
      return weight === null ? sum : op("add", sum, op("mul", weight, c!));
    };
    const apply = (place: CellPlace): void => {
      const c = cell.state(1, place);
      const input = cell.activate(0, gate(0, place, 0, c));
      const forget =
        cell.attributes.input_forget !== 0 ? op("sub", 1, input) : cell.activate(0, gate(2, place, 2, c));
      const candidate = cell.activate(1, gate(3, place, 0, null));
      const next = cell.s.let("c", op("add", op("mul", forget, c), op("mul", input, candidate)));
      const output = cell.activate(0, gate(1, place, 1, next));
      cell.setState(1, place, next);
      cell.finish(place, op("mul", output, cell.activate(2, next, false)));
    };
    return [cell.stage(0, 4, apply)];
  },
});

export const recurrentCells: readonly Operator[] = [RNN, GRU, LSTM];
