/**
 * What a kernel is written against: a kernel builder whose buffers are tensors in memory. A scope collects the
 * kernel's parameters together with the arguments of its call.
 */

import { invariant } from "../diagnostics.js";
import { type Dim, floorDivDims, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import { type DType, dtypes, isPacked, memoryType, storedBytes } from "../ir/dtype.js";
import {
  add,
  extract,
  i32Constant,
  KernelBuilder,
  mul,
  type Operand,
  replace,
  splat,
  sumOf,
} from "../loop/builder.js";
import type { Buffer, Expr, ExprType, Kernel } from "../loop/ir.js";
import type { CallArgument, ProgramBuffer } from "../loop/program.js";
import type { Choose } from "../tuning/choice.js";
import { loadPacked, storePacked } from "./packed.js";
import type { Strided } from "./strided.js";

/** Where a tensor lies: a buffer of the program, and how the tensor is laid out in it. */
export interface Placement {
  readonly buffer: ProgramBuffer;
  readonly strided: Strided;
  /** The tensor lies inside a larger one, with room around it for a border. */
  readonly room?: Room;
}

export interface Room {
  readonly border: Border;
  /** All that the border lies around, border included: the tensor, or what it is a part of. */
  readonly whole: Strided;
}

/** Elements before and after the tensor on each dim. */
export interface Border {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** What kernels need to know of the machine they are made for. */
export interface Target {
  /** There are registers for vectors; without, their lanes become scalars. */
  readonly simd: boolean;
  /** Multiply-add on vectors is one instruction (relaxed SIMD). */
  readonly fusedMultiplyAdd: boolean;
  /** Kernels may be shared out over threads. */
  readonly threads: boolean;
  /** No algorithm that changes rounding noticeably. */
  readonly strict: boolean;
  /** Decides where several ways lead to the same result. */
  readonly choose: Choose;
}

export class KernelScope extends KernelBuilder {
  private readonly args: CallArgument[] = [];
  private readonly dims: Dim[] = [];
  private readonly sizeOf = new Map<string, Expr>();
  private readonly views = new Map<string, TensorView>();

  /** A dim as an i32 expression: a constant, or a size that the call gives. */
  dim(dim: Dim): Expr {
    if (isStatic(dim)) return i32Constant(dim);
    const { factor, rest } = withoutFactor(dim);
    const text = printDim(rest);
    let size = this.sizeOf.get(text);
    if (size === undefined) {
      size = this.size(`n${this.dims.length}`);
      this.sizeOf.set(text, size);
      this.dims.push(rest);
    }
    return mul(size, factor);
  }

  /** A number that the call gives, so that kernels which differ in it alone become one. */
  parameter(value: number): Expr {
    return this.size(`n${this.dims.push(value) - 1}`);
  }

  /**
   * A tensor as a parameter of the kernel. The same tensor is one parameter however often it is asked for. It may be
   * read as another type of as many bits.
   */
  view(
    name: string,
    placement: Placement,
    access: Buffer["access"],
    dtype: DType = placement.buffer.dtype,
  ): TensorView {
    const { buffer, strided } = placement;
    const place = [strided.offset, strided.shape, strided.strides].map(String);
    const key = [buffer.name, access, dtype, ...place].join("|");
    const known = this.views.get(key);
    if (known !== undefined) return known;
    const view = isPacked(dtype)
      ? this.packedView(name, placement, access, dtype)
      : new TensorView(this, this.buffer(name, memoryType(dtype), access, reach(strided)), strided, dtype);
    this.views.set(key, view);
    const byteOffset = isPacked(buffer.dtype) ? 0 : multiplyDims(strided.offset, dtypes[buffer.dtype].bytes);
    this.args.push({ buffer, byteOffset });
    return view;
  }

  /** Addresses are whole bytes, so the tensor's place in the buffer is part of its indices. */
  private packedView(
    name: string,
    { strided }: Placement,
    access: Buffer["access"],
    dtype: DType,
  ): TensorView {
    const elements = reach(strided);
    const bytes =
      elements === null || !isStatic(strided.offset) ? null : storedBytes(dtype, strided.offset + elements);
    const view = this.buffer(name, "uint8", access === "write" ? "readwrite" : access, bytes);
    return new TensorView(this, view, strided, dtype, strided.offset);
  }

  finishCall(): { kernel: Kernel; args: readonly CallArgument[]; sizes: readonly Dim[] } {
    return { kernel: this.finish(), args: this.args, sizes: this.dims };
  }
}

/** A product of a number and other factors, so that dims that differ in the number only are one size. */
function withoutFactor(dim: Exclude<Dim, number>): { factor: number; rest: Dim } {
  const [term, ...others] = dim.terms;
  if (others.length > 0 || dim.constant !== 0 || term!.coefficient <= 0) return { factor: 1, rest: dim };
  return { factor: term!.coefficient, rest: floorDivDims(dim, term!.coefficient) };
}

/** Elements between the first and the last that the tensor holds, both counted. */
function reach(strided: Strided): number | null {
  let last = 0;
  for (let i = 0; i < strided.shape.length; i++) {
    const [dim, stride] = [strided.shape[i]!, strided.strides[i]!];
    if (!isStatic(dim) || !isStatic(stride)) return null;
    if (dim === 0) return 0;
    last += (dim - 1) * stride;
  }
  return last + 1;
}

/** The dim along which the lanes of a vector lie, and how many lanes there are. */
export interface Lanes {
  readonly axis: number;
  readonly count: ExprType["lanes"];
}

export class TensorView {
  constructor(
    private readonly scope: KernelScope,
    readonly buffer: Buffer,
    readonly strided: Strided,
    readonly dtype: DType,
    /** Element of the buffer at which the tensor starts: elsewhere than at 0 only where types are packed. */
    readonly start: Dim = 0,
  ) {}

  stride(axis: number): Dim {
    return this.strided.strides[axis]!;
  }

  /** Place of an element in the buffer, in elements from the address passed in. */
  index(indices: readonly Operand[]): Expr {
    invariant(indices.length === this.strided.shape.length, `${this.buffer.name}: one index for each dim`);
    const steps = indices.map((index, axis) => mul(index, this.scope.dim(this.stride(axis))));
    return sumOf([this.scope.dim(this.start), ...steps]);
  }

  /**
   * The element at these indices; with lanes, that many elements along an axis from there: one vector load where they
   * are neighbours, one element for all lanes where the axis has stride 0, else gathered one by one.
   */
  load(indices: readonly Operand[], lanes?: Lanes): Expr {
    const at = this.index(indices);
    if (lanes === undefined || lanes.count === 1) return this.element(at);
    const stride = this.stride(lanes.axis);
    if (stride === 1 && !isPacked(this.dtype)) return this.scope.load(this.buffer, at, lanes.count);
    if (stride === 0) return splat(this.element(at), lanes.count);
    let vector = splat(this.element(at), lanes.count);
    for (let lane = 1; lane < lanes.count; lane++) {
      const place = add(at, mul(this.scope.dim(stride), lane));
      vector = replace(vector, lane, this.element(place));
    }
    return vector;
  }

  /** Stores a value, or the lanes of a vector along an axis. */
  store(indices: readonly Operand[], value: Expr, axis = indices.length - 1): void {
    const at = this.index(indices);
    if (value.type.lanes === 1) {
      this.put(at, value);
      return;
    }
    if (this.stride(axis) === 1 && !isPacked(this.dtype)) {
      this.scope.store(this.buffer, at, value);
      return;
    }
    const vector = this.scope.let("lanes", value);
    for (let lane = 0; lane < value.type.lanes; lane++) {
      const place = add(at, mul(this.scope.dim(this.stride(axis)), lane));
      this.put(place, extract(vector, lane));
    }
  }

  private element(at: Expr): Expr {
    return isPacked(this.dtype)
      ? loadPacked(this.scope, this.buffer, at, this.dtype)
      : this.scope.load(this.buffer, at);
  }

  private put(at: Expr, value: Expr): void {
    if (isPacked(this.dtype)) storePacked(this.scope, this.buffer, at, value, this.dtype);
    else this.scope.store(this.buffer, at, value);
  }
}
