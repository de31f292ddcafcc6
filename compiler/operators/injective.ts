/**
 * How operators are declared whose result elements are those of their inputs at computed places. Known tensors are put
 * through the same formula: a kernel of it is interpreted.
 */

import { isStatic } from "../ir/dim.js";
import { type DType, dtypes, isPacked, type MemoryType, memoryType, type TypedArray } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { add, i32Constant, KernelBuilder, mul } from "../loop/builder.js";
import { interpretKernel } from "../loop/interpret.js";
import type { Expr } from "../loop/ir.js";
import { rowMajorStrides } from "./movement.js";
import {
  type AttributeSchema,
  defineOperator,
  type ElementContext,
  type EvaluationContext,
  type Operator,
  type OperatorFacets,
  type OperatorVersion,
} from "./operator.js";

type Injective<S extends AttributeSchema> = NonNullable<OperatorFacets<S>["injective"]>;

interface InjectiveDeclaration<S extends AttributeSchema>
  extends Pick<
    OperatorFacets<S>,
    | "name"
    | "domain"
    | "summary"
    | "inputs"
    | "types"
    | "attributes"
    | "infer"
    | "elements"
    | "checks"
    | "view"
  > {
  readonly versions: readonly (number | OperatorVersion)[];
  readonly injective: Injective<S>;
  /** Where the result of known tensors can be had with less effort than by the formula. */
  readonly evaluate?: OperatorFacets<S>["evaluate"];
}

export function injective<const S extends AttributeSchema>(declaration: InjectiveDeclaration<S>): Operator {
  return defineOperator<S>({
    ...declaration,
    versions: declaration.versions.map((one) => (typeof one === "number" ? { since: one } : one)),
    evaluate: declaration.evaluate ?? ((context) => [evaluateInjective(context, declaration.injective)]),
  });
}

/** The result of a formula for one element, for all of them. */
function evaluateInjective<S extends AttributeSchema>(
  context: EvaluationContext<S>,
  formula: Injective<S>,
): TensorData {
  const { dtype, dims } = context.outputs[0]!;
  const count = elementCount(dims);
  const kernel = new KernelBuilder("evaluate");
  const memory = new KernelMemory();
  const inputs = context.inputs.map((input, i) => {
    if (input === null) return null;
    const buffer = kernel.buffer(`x${i}`, arrayType(input.dtype), "read", input.data.length);
    memory.place(arrayBytes(input.data));
    return { buffer, dims: input.dims };
  });
  const output = kernel.buffer("y", arrayType(dtype), "write", count);
  const start = memory.reserve(count * dtypes[dtype].bytes);
  const elements: ElementContext<S> = {
    ...context.view,
    load: (i, indices) => kernel.load(inputs[i]!.buffer, linear(inputs[i]!.dims, indices)),
    dim: (dim) => (isStatic(dim) ? i32Constant(dim) : context.view.fail("a dim is not known")),
  };
  const nest = (indices: readonly Expr[]): void => {
    const axis = indices.length;
    if (axis === dims.length) kernel.store(output, linear(dims, indices), formula(elements, indices));
    else kernel.for(`i${axis}`, 0, dims[axis]!, (index) => nest([...indices, index]));
  };
  nest([]);
  const bytes = memory.image();
  interpretKernel(kernel.finish(), { memory: bytes, addresses: memory.addresses });
  return tensor(dtype, dims, viewOf(dtype, bytes, start, count));
}

/** Elements are read from their arrays here, where those of packed types have a byte each. */
const arrayType = (dtype: DType): MemoryType =>
  isPacked(dtype) && dtypes[dtype].kind === "int" ? "int8" : memoryType(dtype);

const arrayBytes = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const linear = (dims: readonly number[], indices: readonly Expr[]): Expr => {
  const strides = rowMajorStrides(dims);
  return indices.reduce<Expr>((sum, index, axis) => add(sum, mul(index, strides[axis]!)), i32Constant(0));
};

function viewOf(dtype: DType, memory: ArrayBuffer, start: number, count: number): TensorData["data"] {
  return new dtypes[dtype].array(memory.slice(start, start + count * dtypes[dtype].bytes));
}

/** Addresses of buffers one behind the other, and the memory that holds them. */
class KernelMemory {
  readonly addresses: number[] = [];
  private readonly contents: { bytes: Uint8Array; address: number }[] = [];
  private size = 0;

  place(bytes: Uint8Array): void {
    this.contents.push({ bytes, address: this.reserve(bytes.length) });
  }

  reserve(size: number): number {
    const address = this.size;
    this.addresses.push(address);
    this.size += Math.ceil(size / 16) * 16;
    return address;
  }

  image(): ArrayBuffer {
    const memory = new Uint8Array(this.size);
    for (const { bytes, address } of this.contents) memory.set(bytes, address);
    return memory.buffer;
  }
}
