/**
 * Evaluation of operators that have kernels of their own: the kernels are made for the known tensors and interpreted,
 * so that folding gives what a run would give and no operator is written twice.
 */

import { KilnError } from "../diagnostics.js";
import { byteLengthOf, type TensorType } from "../ir/graph.js";
import { elementCount, elementsOfBytes, type TensorData, tensor, tensorBytes } from "../ir/tensor.js";
import { runProgram } from "../loop/interpret.js";
import type { Buffer, Expr } from "../loop/ir.js";
import type { Call, ProgramBuffer } from "../loop/program.js";
import {
  type KernelInfo,
  type LoweringContext,
  type NodeScope,
  tileMemoryElements,
} from "../lowering/context.js";
import { KernelScope, type Lanes, type Placement, type Target } from "../lowering/scope.js";
import { dense } from "../lowering/strided.js";
import { chooseByCost } from "../tuning/choice.js";
import type { AttributeSchema, EvaluationContext } from "./operator.js";

/** The `evaluate` facet of an operator with this `lower` facet. */
export const evaluateByKernels =
  <S extends AttributeSchema>(lower: (context: LoweringContext<S>) => void) =>
  (context: EvaluationContext<S>): TensorData[] =>
    new KernelEvaluation(context).run(lower);

class KernelEvaluation<S extends AttributeSchema> {
  private readonly buffers: ProgramBuffer[] = [];
  private readonly calls: Call[] = [];
  private readonly inputs: readonly (Placement | null)[];
  private readonly outputs: readonly Placement[];

  constructor(private readonly context: EvaluationContext<S>) {
    this.inputs = context.inputs.map((input, i) =>
      input === null ? null : this.place(`x${i}`, { dtype: input.dtype, shape: input.dims }, "input"),
    );
    this.outputs = context.outputs.map(({ dtype, dims }, i) =>
      this.place(`y${i}`, { dtype, shape: dims }, "output"),
    );
  }

  run(lower: (context: LoweringContext<S>) => void): TensorData[] {
    const { context, buffers } = this;
    lower(this.loweringContext());
    const program = {
      name: "evaluate",
      buffers,
      steps: this.calls,
      inputs: buffers.filter(({ kind }) => kind === "input"),
      outputs: this.outputs.map(({ buffer }) => buffer),
      inputShapes: [],
      outputShapes: context.outputs.map(({ dims }) => dims),
      errors: [],
    };
    const feeds = context.inputs.flatMap((input, i): [string, Uint8Array][] =>
      input === null ? [] : [[`x${i}`, tensorBytes(input)]],
    );
    return runProgram(program, new Map(feeds), { onLoop: context.onLoop }).map(({ bytes, dims }, i) => {
      const { dtype } = context.outputs[i]!;
      return tensor(dtype, dims, elementsOfBytes(dtype, elementCount(dims), bytes));
    });
  }

  private loweringContext(): LoweringContext<S> {
    const placement = (i: number): Placement =>
      this.inputs[i] ?? this.context.view.fail(`input ${i} is missing`);
    const unused = (what: string) => (): never => {
      throw new KilnError("E_INTERNAL", `${this.context.node.operator} is evaluated with ${what}`);
    };
    return {
      ...this.context.view,
      placement,
      walked: placement,
      output: (i = 0) => this.outputs[i]!,
      packed: (_, key, make) => this.placeConstant(key, make()),
      derived: unused("derived weights"),
      withBorder: unused("a border"),
      joinsDims: () => false,
      target: evaluationTarget,
      scratch: (name, { type }) => this.place(name, type, "temporary"),
      kernel: (info, build) => this.kernel(info, build, placement),
    };
  }

  private place(name: string, type: TensorType, kind: ProgramBuffer["kind"]): Placement {
    const buffer = { name, dtype: type.dtype, byteLength: byteLengthOf(type), kind };
    this.buffers.push(buffer);
    return { buffer, strided: dense(type.shape) };
  }

  private placeConstant(name: string, data: TensorData): Placement {
    const type = { dtype: data.dtype, shape: data.dims };
    const { buffer, strided } = this.place(name, type, "constant");
    const filled = { ...buffer, data: tensorBytes(data) };
    this.buffers[this.buffers.indexOf(buffer)] = filled;
    return { buffer: filled, strided };
  }

  private kernel(
    info: KernelInfo,
    build: (scope: NodeScope) => void,
    placement: (i: number) => Placement,
  ): void {
    const scope = new EvaluationScope(info.name, placement, this.outputs[0]!, (name, type) =>
      this.place(name, type, "temporary"),
    );
    build(scope);
    const { kernel, args, sizes } = scope.finishCall();
    this.calls.push({ kind: "call", kernel, args, sizes, source: [], flops: 0, inPlace: [] });
  }
}

const evaluationTarget: Target = {
  simd: true,
  fusedMultiplyAdd: false,
  threads: false,
  strict: true,
  choose: chooseByCost,
};

/** A node's scope where nothing is fused with the node. */
class EvaluationScope extends KernelScope implements NodeScope {
  readonly target = evaluationTarget;
  readonly source: readonly string[] = [];

  constructor(
    name: string,
    private readonly placement: (i: number) => Placement,
    private readonly output: Placement,
    private readonly scratch: (name: string, type: TensorType) => Placement,
  ) {
    super(name);
  }

  result(value: Expr, indices: readonly Expr[], lanes?: Lanes): void {
    this.view("y", this.output, "write").store(indices, value, lanes?.axis);
  }

  operand(i: number, indices: readonly Expr[], lanes?: Lanes): Expr {
    return this.view("x", this.placement(i), "read").load(indices, lanes);
  }

  epilogueOperations(): number {
    return 0;
  }

  tileMemory(elements = tileMemoryElements): Buffer {
    const type: TensorType = { dtype: "float32", shape: [elements] };
    return this.view("tile", this.scratch("tile", type), "scratch").buffer;
  }
}
