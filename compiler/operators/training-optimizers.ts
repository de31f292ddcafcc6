/** Steps of optimisers (domain ai.onnx.preview.training) on any number of tensors. */

import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import {
  type AttributeSchema,
  type AttributesOf,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
} from "./operator.js";

const domain = "ai.onnx.preview.training";

/** One tensor under optimisation: its values, their gradient and what the optimiser remembers. */
interface Slot {
  readonly values: Value;
  readonly gradient: Value;
  readonly memories: readonly Value[];
}

/** Formulas on tensors of one element type; scalars are float64 until they meet a tensor. */
class Formula {
  constructor(
    private readonly b: GraphBuilder,
    private readonly like: Value,
  ) {}

  private operand(x: Value | number): Value {
    if (typeof x === "number") return this.b.scalar(this.like.dtype, x);
    return this.b.cast(x, this.like.dtype);
  }

  private binary(name: string, x: Value | number, y: Value | number): Value {
    return this.b.op(name, [this.operand(x), this.operand(y)]);
  }

  add = (x: Value | number, y: Value | number): Value =>
    y === 0 ? this.operand(x) : this.binary("Add", x, y);
  sub = (x: Value | number, y: Value | number): Value => this.binary("Sub", x, y);
  div = (x: Value | number, y: Value | number): Value => this.binary("Div", x, y);
  /** A number that is not negative to a power. */
  pow = (x: number, y: Value): Value => this.b.op("Exp", [this.mul(Math.log(x), y)]);
  mul = (x: Value | number, y: Value | number): Value => {
    return x === 1 ? this.operand(y) : this.binary("Mul", x, y);
  };
  sqrt = (x: Value): Value => this.b.op("Sqrt", [x]);

  /** x where the count of updates is above 0, else y. */
  afterFirst = (count: Value, x: Value | number, y: Value | number): Value => {
    const isLater = this.b.op("Greater", [count, this.b.scalar(count.dtype, 0)]);
    return this.b.op("Where", [isLater, this.operand(x), this.operand(y)]);
  };

  /** The gradient with that of norm / 2 |values|^2 added. */
  regularised = ({ values, gradient }: Slot, norm: number): Value =>
    norm === 0 ? gradient : this.add(this.mul(norm, values), gradient);
}

interface Optimizer<S extends AttributeSchema> {
  readonly name: string;
  readonly summary: string;
  readonly attributes: S;
  /** Tensors that are remembered for each one under optimisation. */
  readonly memories: number;
  readonly check?: (view: ImportedNode<S>) => void;
  /** What is the same for all tensors: factors on the step, say. */
  readonly common: (f: Formula, rate: Value, count: Value, attributes: AttributesOf<S>) => readonly Value[];
  /** The new values and memories. */
  readonly step: (
    f: Formula,
    slot: Slot,
    common: readonly Value[],
    attributes: AttributesOf<S>,
  ) => readonly Value[];
}

/** Inputs are rate, count, then all values, all gradients and all memories of each kind; outputs are in that order. */
const optimizer = <const S extends AttributeSchema>(declaration: Optimizer<S>): Operator =>
  defineExpansion({
    name: declaration.name,
    domain,
    summary: declaration.summary,
    inputs: ["R", "T", "inputs..."],
    types: ["float32", "float64"],
    attributes: declaration.attributes,
    versions: [{ since: 1 }],
    expand: (b, inputs, view) => {
      const { memories, step, common, check } = declaration;
      const [rate, count, ...tensors] = inputs as [Value, Value, ...Value[]];
      const slots = tensors.length / (memories + 2);
      if (!Number.isInteger(slots)) {
        view.fail(`has ${tensors.length} tensors, which is no multiple of ${memories + 2}`);
      }
      check?.(view);
      const wide = new Formula(b, b.scalar("float64", 0));
      const shared = common(wide, rate, count, view.attributes);
      const results = Array.from({ length: slots }, (_, i) => {
        const of = (kind: number): Value => tensors[kind * slots + i]!;
        const slot = {
          values: of(0),
          gradient: of(1),
          memories: Array.from({ length: memories }, (_, k) => of(k + 2)),
        };
        return step(new Formula(b, slot.values), slot, shared, view.attributes);
      });
      return Array.from({ length: memories + 1 }, (_, kind) => results.map((result) => result[kind]!)).flat();
    },
  });

const Adagrad = optimizer({
  name: "Adagrad",
  summary: "A step against the gradient, divided by the root of the sum of the squares of all gradients.",
  attributes: {
    decay_factor: attribute.float(0),
    epsilon: attribute.float(0),
    norm_coefficient: attribute.float(0),
  },
  memories: 1,
  common: (f, rate, count, { decay_factor }) => [f.div(rate, f.add(f.mul(decay_factor, count), 1))],
  step: (f, slot, [rate], { norm_coefficient, epsilon }) => {
    const gradient = f.regularised(slot, norm_coefficient);
    const squares = f.add(slot.memories[0]!, f.mul(gradient, gradient));
    const step = f.div(f.mul(rate!, gradient), f.add(f.sqrt(squares), epsilon));
    return [f.sub(slot.values, step), squares];
  },
});

const Adam = optimizer({
  name: "Adam",
  summary: "A step along the mean of gradients, divided by the root of the mean of their squares.",
  attributes: {
    alpha: attribute.float(0.9),
    beta: attribute.float(0.999),
    epsilon: attribute.float(0),
    norm_coefficient: attribute.float(0),
    norm_coefficient_post: attribute.float(0),
  },
  memories: 2,
  check: ({ attributes: { alpha, beta }, fail }) => {
    if (alpha < 0 || beta < 0) fail(`alpha ${alpha} or beta ${beta} is negative`);
  },
  /** Means begin at 0: the rate makes up for that from the second update on. */
  common: (f, rate, count, { alpha, beta }) => {
    const bias = f.div(f.sqrt(f.sub(1, f.pow(beta, count))), f.sub(1, f.pow(alpha, count)));
    return [f.afterFirst(count, f.mul(rate, bias), rate)];
  },
  step: (f, slot, [rate], { alpha, beta, epsilon, norm_coefficient, norm_coefficient_post }) => {
    const gradient = f.regularised(slot, norm_coefficient);
    const [means, squares] = slot.memories as [Value, Value];
    const mean = f.add(f.mul(alpha, means), f.mul(1 - alpha, gradient));
    const square = f.add(f.mul(beta, squares), f.mul(1 - beta, f.mul(gradient, gradient)));
    const step = f.div(f.mul(rate!, mean), f.add(f.sqrt(square), epsilon));
    return [f.mul(1 - norm_coefficient_post, f.sub(slot.values, step)), mean, square];
  },
});

const Momentum = optimizer({
  name: "Momentum",
  summary: "A step along a decaying sum of gradients, or (nesterov) along what that will be next.",
  attributes: {
    alpha: attribute.required("float"),
    beta: attribute.required("float"),
    mode: attribute.required("string"),
    norm_coefficient: attribute.required("float"),
  },
  memories: 1,
  check: ({ attributes: { mode }, fail }) => {
    if (mode !== "standard" && mode !== "nesterov") fail(`mode "${mode}" is not defined`);
  },
  common: (f, rate, count, { beta }) => [rate, f.afterFirst(count, beta, 1)],
  step: (f, slot, [rate, share], { alpha, mode, norm_coefficient }) => {
    const gradient = f.regularised(slot, norm_coefficient);
    const velocity = f.add(f.mul(alpha, slot.memories[0]!), f.mul(share!, gradient));
    const along = mode === "standard" ? velocity : f.add(gradient, f.mul(alpha, velocity));
    return [f.sub(slot.values, f.mul(rate!, along)), velocity];
  },
});

export const optimizerOperators: readonly Operator[] = [Adagrad, Adam, Momentum];
