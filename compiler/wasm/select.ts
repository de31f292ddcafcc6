/** Instruction selection: the nodes of Loop IR expressions and accesses. */

import { invariant } from "../diagnostics.js";
import { dtypes } from "../ir/dtype.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type Load,
  printExprType,
  type Store,
  type Variable,
} from "../loop/ir.js";
import { isNonNegative, splitIndex } from "./address.js";
import type { StoreInstruction } from "./builder.js";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "./half.js";
import { isHalf, loadTransfer, storeTransfer } from "./memory.js";
import type { Node, Nodes } from "./nodes.js";
import { operationNode, valueTypeOf } from "./ops.js";
import { postOrder } from "./post-order.js";

/** What the selector must know of the function around. */
export interface Surroundings {
  /** Local of a variable. */
  variable(variable: Variable): number;
  /** Parameter that holds the address of a buffer. */
  address(buffer: Buffer): number;
  /** i32 variables that never hold a negative number. */
  readonly nonNegative: ReadonlySet<Variable>;
}

export interface SelectedStore {
  readonly instruction: StoreInstruction;
  readonly offset: number;
  readonly align: number;
  readonly pointer: Node;
  readonly value: Node;
}

/** Selects the instructions of one statement. */
export class Selector {
  private readonly done = new Map<Expr, Node>();

  constructor(
    private readonly nodes: Nodes,
    private readonly surroundings: Surroundings,
  ) {}

  node(expr: Expr): Node {
    const known = this.done.get(expr);
    if (known !== undefined) return known;
    // Operands come first, so that deep expressions need no deep recursion.
    for (const part of postOrder([expr], (each) => (this.done.has(each) ? [] : operandsOf(each)))) {
      if (!this.done.has(part)) this.done.set(part, this.select(part));
    }
    return this.done.get(expr)!;
  }

  store(store: Store): SelectedStore {
    const { buffer, value } = store;
    const { instruction, align, pack } = storeTransfer(buffer.dtype, value.type);
    const { pointer, offset } = this.address(store);
    let stored = this.node(isHalf(buffer.dtype) ? encoders[buffer.dtype](value) : value);
    if (pack !== undefined) stored = this.nodes.pure("i8x16.shuffle", [stored, stored], pack);
    return { instruction, align, offset, pointer, value: stored };
  }

  private select(expr: Expr): Node {
    const { nodes, surroundings } = this;
    const { type } = expr;
    invariant(type.lanes === 1 || nodes.features.simd, `${printExprType(type)} in a module without SIMD`);
    switch (expr.kind) {
      case "constant": {
        const register = valueTypeOf(type);
        return register === "v128" ? nodes.splat(type, expr.value) : nodes.constant(register, expr.value);
      }
      case "variable":
        return nodes.local(surroundings.variable(expr.variable), valueTypeOf(type));
      case "address":
        return nodes.local(surroundings.address(expr.buffer), "i32");
      case "load":
        return this.load(expr);
      case "op": {
        const args = expr.args.map((arg) => this.node(arg));
        return operationNode(nodes, expr, args);
      }
    }
  }

  private load(load: Load): Node {
    const { dtype } = load.buffer;
    if (!isHalf(dtype)) return this.loadBits(load);
    const bits: Load = { ...load, type: { scalar: "i32", lanes: load.type.lanes } };
    this.done.set(bits, this.loadBits(bits));
    return this.node(decoders[dtype](bits));
  }

  /** Loads elements as they are in memory, 8 and 16 bits extended to 32. */
  private loadBits(load: Load): Node {
    const { nodes } = this;
    const { instruction, align, extend, splat } = loadTransfer(load.buffer.dtype, load.type, load.splat);
    const { pointer, offset } = this.address(load);
    let node = nodes.load(instruction, pointer, offset, align);
    for (const step of extend) node = nodes.pure(step, [node]);
    return splat ? nodes.pure("i32x4.splat", [node]) : node;
  }

  /** The byte address of an access: a computed part, and what the instruction adds. */
  private address({ buffer, index, offset, pointer }: Access): { pointer: Node; offset: number } {
    const { nodes, surroundings } = this;
    const { bytes } = dtypes[buffer.dtype];
    const base =
      pointer === undefined
        ? nodes.local(surroundings.address(buffer), "i32")
        : nodes.local(surroundings.variable(pointer), "i32");
    const { dynamic, constant } = splitIndex(index);
    const fixed = (constant + offset) * bytes;
    const isAddress = dynamic === null || isNonNegative(dynamic, surroundings.nonNegative);
    const immediate = isAddress && fixed >= 0 ? fixed : 0;
    let address = dynamic === null ? base : nodes.add(base, nodes.scale(this.node(dynamic), bytes));
    if (immediate !== fixed) address = nodes.add(address, nodes.i32(fixed));
    return { pointer: address, offset: immediate };
  }
}

/** Indices are not among them: they become addresses with their constants taken out. */
const operandsOf = (expr: Expr): readonly Expr[] => (expr.kind === "op" ? expr.args : []);

const decoders = { float16: decodeFloat16, bfloat16: decodeBfloat16 };
const encoders = { float16: encodeFloat16, bfloat16: encodeBfloat16 };
