/**
 * Instructions of one statement as a graph in which equal nodes are the same node: Loop IR's value numbering. The
 * emitter turns it into Binaryen's trees and keeps what is used twice in locals.
 */

import type { ExprType } from "../loop/ir.js";
import type { Instruction, LoadInstruction, ValueType, WasmFeatures } from "./builder.js";

interface Common {
  readonly type: ValueType;
  /** Operands in the order in which they are evaluated. */
  readonly args: readonly Node[];
}

export interface PureNode extends Common {
  readonly kind: "pure";
  readonly name: Instruction;
  /** Lanes of extract, replace and shuffle. */
  readonly immediates: readonly number[];
}

export interface LoadNode extends Common {
  readonly kind: "load";
  readonly name: LoadInstruction;
  readonly offset: number;
  readonly align: number;
}

export interface ConstantNode extends Common {
  readonly kind: "constant";
  readonly type: Exclude<ValueType, "v128">;
  readonly value: number | bigint;
}

export interface VectorNode extends Common {
  readonly kind: "vector";
  readonly bytes: readonly number[];
}

export interface LocalNode extends Common {
  readonly kind: "local";
  readonly local: number;
}

export type Node = PureNode | LoadNode | ConstantNode | VectorNode | LocalNode;

/** Makes the nodes of one statement. */
export class Nodes {
  private readonly known = new Map<string, Node>();
  private readonly numbers = new Map<Node, number>();

  constructor(readonly features: WasmFeatures) {}

  pure(name: Instruction, args: readonly Node[], immediates: readonly number[] = []): Node {
    const key = `${name} ${this.keyOf(args)} ${immediates.join()}`;
    return this.intern(key, () => ({ kind: "pure", type: resultType(name, args), name, args, immediates }));
  }

  load(name: LoadInstruction, pointer: Node, offset: number, align: number): Node {
    const key = `${name} ${this.keyOf([pointer])} ${offset}`;
    const type = name.slice(0, name.indexOf(".")) as ValueType;
    return this.intern(key, () => ({ kind: "load", type, name, args: [pointer], offset, align }));
  }

  constant(type: ConstantNode["type"], value: number | bigint): Node {
    const text = Object.is(value, -0) ? "-0" : String(value);
    return this.intern(`${type}.const ${text}`, () => ({ kind: "constant", type, value, args: [] }));
  }

  i32(value: number): Node {
    return this.constant("i32", value | 0);
  }

  vector(bytes: readonly number[]): Node {
    return this.intern(`v128.const ${bytes.join()}`, () => ({
      kind: "vector",
      type: "v128",
      bytes,
      args: [],
    }));
  }

  /** A vector with the value in all lanes. */
  splat(type: ExprType, value: number | bigint): Node {
    return this.vector(splatBytes(type, value));
  }

  local(local: number, type: ValueType): Node {
    return this.intern(`local.get ${local}`, () => ({ kind: "local", type, local, args: [] }));
  }

  add(a: Node, b: Node): Node {
    return this.pure("i32.add", [a, b]);
  }

  /** An index times the bytes of an element, a power of two. */
  scale(index: Node, bytes: number): Node {
    if (bytes === 1) return index;
    if (index.kind === "pure" && index.args[1]?.kind === "constant") {
      const [base, by] = index.args as [Node, ConstantNode];
      if (index.name === "i32.mul") return this.pure("i32.mul", [base, this.i32(Number(by.value) * bytes)]);
    }
    return this.pure("i32.shl", [index, this.i32(Math.log2(bytes))]);
  }

  private intern(key: string, make: () => Node): Node {
    let node = this.known.get(key);
    if (node === undefined) {
      node = make();
      this.known.set(key, node);
      this.numbers.set(node, this.numbers.size);
    }
    return node;
  }

  private keyOf(args: readonly Node[]): string {
    return args.map((arg) => this.numbers.get(arg)).join();
  }
}

/** The type of an instruction's result, which its name tells. */
function resultType(name: Instruction, args: readonly Node[]): ValueType {
  if (name === "select") return args[0]!.type;
  const [shape, operation] = name.split(".") as [string, string];
  if (shape === "v128" || shape.includes("x")) {
    if (operation.startsWith("extract_lane")) return shape.slice(0, 3) as ValueType;
    return /^(any_true|all_true|bitmask)$/.test(operation) ? "i32" : "v128";
  }
  return /^(eqz?|ne|[lg][te](_[su])?)$/.test(operation) ? "i32" : (shape as ValueType);
}

/** The bytes of a vector whose lanes all hold the value; lanes of masks are all ones or all zeros. */
function splatBytes({ scalar, lanes }: ExprType, value: number | bigint): number[] {
  const view = new DataView(new ArrayBuffer(16));
  const width = 16 / lanes;
  for (let at = 0; at < 16; at += width) {
    if (scalar === "f32") view.setFloat32(at, Number(value), true);
    else if (scalar === "f64") view.setFloat64(at, Number(value), true);
    else if (scalar === "i64") view.setBigInt64(at, BigInt(value), true);
    else if (scalar === "i32") view.setInt32(at, Number(value), true);
    else for (let byte = 0; byte < width; byte++) view.setUint8(at + byte, value ? 0xff : 0);
  }
  return [...new Uint8Array(view.buffer)];
}
