/**
 * The façade over Binaryen, and the only file that imports it. Instructions go by their WebAssembly names, so that the
 * rest of the backend reads like the text format, and every way in which Binaryen can fail ends in a KilnError.
 */

import binaryen from "binaryen";
import { KilnError } from "../diagnostics.js";
import type { OptimizationLevel } from "./passes.js";
import { passesFor } from "./passes.js";

/** An expression inside Binaryen. It belongs to one place of one function. */
export type Expression = binaryen.ExpressionRef;

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

export interface WasmFeatures {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  readonly threads?: boolean;
}

type Module = binaryen.Module;
export type VectorShape = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";
type Namespace = "i32" | "i64" | "f32" | "f64" | "v128" | VectorShape;

/** Members of a namespace that take nothing but numbers: expressions, lanes. */
type Regular<N extends Namespace> = {
  [K in keyof Module[N]]: Module[N][K] extends (...args: infer A) => number
    ? A extends number[]
      ? `${N}.${K & string}`
      : never
    : never;
}[keyof Module[N]];

type Maker = (...operands: number[]) => Expression;

/** Instructions that Binaryen's API spells differently, or does not wrap. */
const irregular = {
  select: (m) => (ifTrue, ifFalse, condition) => m.select(condition!, ifTrue!, ifFalse!),
  "i8x16.shuffle":
    (m) =>
    (a, b, ...lanes) =>
      m.i8x16.shuffle(a!, b!, lanes),
  "i32x4.replace_lane": (m) => (vector, value, lane) => m.i32x4.replace_lane(vector!, lane!, value!),
  "i64x2.replace_lane": (m) => (vector, value, lane) => m.i64x2.replace_lane(vector!, lane!, value!),
  "f32x4.replace_lane": (m) => (vector, value, lane) => m.f32x4.replace_lane(vector!, lane!, value!),
  "f64x2.replace_lane": (m) => (vector, value, lane) => m.f64x2.replace_lane(vector!, lane!, value!),
  "i32.wrap_i64": (m) => m.i32.wrap,
  "i64.extend_i32_s": (m) => m.i64.extend_s,
  "i64.extend_i32_u": (m) => m.i64.extend_u,
  "i32.reinterpret_f32": (m) => m.i32.reinterpret,
  "i64.reinterpret_f64": (m) => m.i64.reinterpret,
  "f32.reinterpret_i32": (m) => m.f32.reinterpret,
  "f64.reinterpret_i64": (m) => m.f64.reinterpret,
  "f32.demote_f64": (m) => m.f32.demote,
  "f64.promote_f32": (m) => m.f64.promote,
  "f32.convert_i32_s": (m) => m.f32.convert_s.i32,
  "f32.convert_i32_u": (m) => m.f32.convert_u.i32,
  "f32.convert_i64_s": (m) => m.f32.convert_s.i64,
  "f32.convert_i64_u": (m) => m.f32.convert_u.i64,
  "f64.convert_i32_s": (m) => m.f64.convert_s.i32,
  "f64.convert_i32_u": (m) => m.f64.convert_u.i32,
  "f64.convert_i64_s": (m) => m.f64.convert_s.i64,
  "f64.convert_i64_u": (m) => m.f64.convert_u.i64,
  "i32.trunc_sat_f32_s": (m) => m.i32.trunc_s_sat.f32,
  "i32.trunc_sat_f32_u": (m) => m.i32.trunc_u_sat.f32,
  "i32.trunc_sat_f64_s": (m) => m.i32.trunc_s_sat.f64,
  "i32.trunc_sat_f64_u": (m) => m.i32.trunc_u_sat.f64,
  "i64.trunc_sat_f32_s": (m) => m.i64.trunc_s_sat.f32,
  "i64.trunc_sat_f32_u": (m) => m.i64.trunc_u_sat.f32,
  "i64.trunc_sat_f64_s": (m) => m.i64.trunc_s_sat.f64,
  "i64.trunc_sat_f64_u": (m) => m.i64.trunc_u_sat.f64,
  "f32x4.relaxed_madd": (m) => (a, b, c) => relaxed(m, binaryen.RelaxedMaddVecF32x4, a!, b!, c!),
  "f64x2.relaxed_madd": (m) => (a, b, c) => relaxed(m, binaryen.RelaxedMaddVecF64x2, a!, b!, c!),
} satisfies { readonly [name: string]: (module: Module) => Maker };

/** The C API has what the JavaScript API does not wrap. */
const cApi = binaryen as unknown as {
  _BinaryenSIMDTernary(module: number, op: number, a: number, b: number, c: number): Expression;
};

const relaxed = (module: Module, op: binaryen.Operations, a: number, b: number, c: number): Expression =>
  cApi._BinaryenSIMDTernary(module.ptr, op, a, b, c);

/** A pure instruction. Operands come in the order of the stack, lanes after them. */
export type Instruction = { [N in Namespace]: Regular<N> }[Namespace] | keyof typeof irregular;

type WithPrefix<N extends Namespace, Prefix extends string> = {
  [K in keyof Module[N]]: K extends `${Prefix}${string}` ? `${N}.${K & string}` : never;
}[keyof Module[N]];

type ScalarLoad = { [N in "i32" | "i64" | "f32" | "f64"]: WithPrefix<N, "load"> };
type ScalarStore = { [N in "i32" | "i64" | "f32" | "f64"]: WithPrefix<N, "store"> };
type LaneStore = "v128.store8_lane" | "v128.store16_lane" | "v128.store32_lane" | "v128.store64_lane";

export type LoadInstruction = ScalarLoad[keyof ScalarLoad] | WithPrefix<"v128", "load">;
export type StoreInstruction = ScalarStore[keyof ScalarStore] | "v128.store" | LaneStore;

/** Immediates of a load or store. */
export interface MemoryImmediates {
  /** Bytes, not negative. */
  readonly offset: number;
  /** Promised alignment in bytes. */
  readonly align: number;
}

export interface FunctionDefinition {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: Expression;
  /** Absent where the function gives nothing. */
  readonly result?: ValueType;
}

/** A module under construction. Dispose of it when its bytes are written: Binaryen's memory is not collected. */
export class ModuleBuilder implements Disposable {
  private readonly module: Module;
  private readonly makers = new Map<string, Maker>();

  constructor(readonly features: WasmFeatures) {
    this.module = new binaryen.Module();
    this.module.setFeatures(featureSet(features));
  }

  /** Declares the one memory and exports it; it is of fixed size unless it may have more pages. */
  memory(pages: number, mostPages = pages): void {
    this.module.setMemory(pages, mostPages, "memory");
  }

  /**
   * Imports the one memory, shared between threads, and exports it again. Its data segments are passive: whoever puts
   * the bytes into the module keeps to their number.
   */
  sharedMemory(
    from: readonly [module: string, name: string],
    pages: number,
    mostPages: number,
    segments: number,
  ): void {
    const offset = 0; // no expression
    const passive = Array.from({ length: segments }, () => ({
      offset,
      data: new Uint8Array(1),
      passive: true,
    }));
    this.module.setMemory(pages, mostPages, "memory", passive, true, false, "0");
    this.module.addMemoryImport("0", ...from, true);
  }

  /** Copies all bytes of a passive segment to an address. */
  memoryInit(segment: number, address: number, bytes: number): Expression {
    const [to, from, size] = [address | 0, 0, bytes].map((value) => this.i32(value)) as [
      number,
      number,
      number,
    ];
    return this.module.memory.init(String(segment), to, from, size);
  }

  /** The one table, which holds these functions from its start. */
  table(functions: readonly string[]): void {
    this.module.addTable("table", functions.length, functions.length);
    this.module.addActiveElementSegment("table", "functions", functions, this.i32(0));
  }

  /** Calls a function of the table that takes i32 and gives nothing. */
  callIndirect(index: Expression, operands: readonly Expression[]): Expression {
    const params = binaryen.createType(operands.map(() => binaryen.i32));
    return this.module.call_indirect("table", index, operands, params, binaryen.none);
  }

  atomicLoad(address: Expression, offset = 0): Expression {
    return this.module.i32.atomic.load(offset, address);
  }

  atomicStore(address: Expression, value: Expression, offset = 0): Expression {
    return this.module.i32.atomic.store(offset, address, value);
  }

  /** Changes an i32 in memory; gives what it was. */
  atomicChange(
    change: "add" | "sub" | "xchg",
    address: Expression,
    value: Expression,
    offset = 0,
  ): Expression {
    return this.module.i32.atomic.rmw[change](offset, address, value);
  }

  /** Sleeps until it is notified, unless the i32 in memory is another than expected. */
  wait(address: Expression, expected: Expression): Expression {
    const forever = this.module.i64.const(-1n);
    return this.module.drop(this.module.memory.atomic.wait32(address, expected, forever));
  }

  notify(address: Expression, count: number): Expression {
    return this.module.drop(this.module.memory.atomic.notify(address, this.i32(count)));
  }

  drop(value: Expression): Expression {
    return this.module.drop(value);
  }

  unreachable(): Expression {
    return this.module.unreachable();
  }

  memorySize(): Expression {
    return this.module.memory.size();
  }

  /** The number of pages before, or -1 where there are no more. */
  memoryGrow(pages: Expression): Expression {
    return this.module.memory.grow(pages);
  }

  function({ name, params, locals, body, result }: FunctionDefinition): void {
    guard(`function ${name}`, () => {
      const paramTypes = binaryen.createType(params.map(typeOf));
      const resultType = result === undefined ? binaryen.none : typeOf(result);
      this.module.addFunction(name, paramTypes, resultType, locals.map(typeOf), body);
    });
  }

  /** Declares a function that the host gives, under the same name as its import from `kiln`. */
  import(name: string, params: readonly ValueType[]): void {
    const type = binaryen.createType(params.map(typeOf));
    this.module.addFunctionImport(name, "kiln", name, type, binaryen.none);
  }

  return(value?: Expression): Expression {
    return this.module.return(value);
  }

  export(name: string, as = name): void {
    this.module.addFunctionExport(name, as);
  }

  pure(name: Instruction, operands: readonly number[]): Expression {
    return this.maker(name)(...operands);
  }

  i32(value: number): Expression {
    return this.module.i32.const(value);
  }

  constant(type: Exclude<ValueType, "v128">, value: number | bigint): Expression {
    return type === "i64" ? this.module.i64.const(BigInt(value)) : this.module[type].const(Number(value));
  }

  zero(type: ValueType): Expression {
    return type === "v128" ? this.v128(new Array<number>(16).fill(0)) : this.constant(type, 0);
  }

  v128(bytes: readonly number[]): Expression {
    return this.module.v128.const(bytes);
  }

  load(name: LoadInstruction, { offset, align }: MemoryImmediates, pointer: Expression): Expression {
    return this.maker(name)(offset, align, pointer);
  }

  /** Lane stores write lane 0. */
  store(
    name: StoreInstruction,
    { offset, align }: MemoryImmediates,
    pointer: Expression,
    value: Expression,
  ): Expression {
    const lane = name.endsWith("_lane") ? [0] : [];
    return this.maker(name)(offset, align, ...lane, pointer, value);
  }

  get(local: number, type: ValueType): Expression {
    return this.module.local.get(local, typeOf(type));
  }

  set(local: number, value: Expression): Expression {
    return this.module.local.set(local, value);
  }

  tee(local: number, value: Expression, type: ValueType): Expression {
    return this.module.local.tee(local, value, typeOf(type));
  }

  block(statements: readonly Expression[]): Expression {
    return this.module.block(null, statements);
  }

  /** A value that is computed after some statements. */
  value(before: readonly Expression[], value: Expression, type: ValueType): Expression {
    return this.module.block(null, [...before, value], typeOf(type));
  }

  if(condition: Expression, whenTrue: Expression, whenFalse?: Expression): Expression {
    return this.module.if(condition, whenTrue, whenFalse);
  }

  /** Runs the body, and again as long as the condition holds at its end. Labels are unique in a function. */
  doWhile(label: string, body: readonly Expression[], condition: Expression): Expression {
    const again = this.module.br_if(label, condition);
    return this.module.loop(label, this.block([...body, again]));
  }

  /** Runs the body once, and again from where it is continued. */
  loop(label: string, body: readonly Expression[]): Expression {
    return this.module.loop(label, this.block(body));
  }

  continue(label: string): Expression {
    return this.module.br(label);
  }

  call(name: string, operands: readonly Expression[]): Expression {
    return this.module.call(name, operands, binaryen.none);
  }

  optimize(level: OptimizationLevel): void {
    const passes = passesFor(level);
    if (passes.length > 0) guard("optimiser", () => this.module.runPasses(passes));
  }

  /** The module as bytes, with its name section. Throws E_INTERNAL naming the function that is not valid. */
  binary(): Uint8Array {
    binaryen.setDebugInfo(true);
    const bytes = guard("writer", () => this.module.emitBinary());
    if (this.module.validate() === 0) throw new KilnError("E_INTERNAL", `invalid code: ${complaint(bytes)}`);
    return bytes;
  }

  dispose(): void {
    this.module.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private maker(name: string): Maker {
    let maker = this.makers.get(name);
    if (maker === undefined) {
      maker = this.findMaker(name);
      this.makers.set(name, maker);
    }
    return maker;
  }

  private findMaker(name: string): Maker {
    if (Object.hasOwn(irregular, name)) return irregular[name as keyof typeof irregular](this.module);
    const [namespace, member] = name.split(".") as [Namespace, string];
    return (this.module[namespace] as unknown as { readonly [name: string]: Maker })[member]!;
  }
}

/** Exactly what the code may use; all but relaxed SIMD are in every engine of Node 20's age. */
function featureSet({ simd, relaxedSimd, threads }: WasmFeatures): binaryen.Features {
  const { MVP, SignExt, NontrappingFPToInt, SIMD128, RelaxedSIMD, BulkMemory } = binaryen.Features;
  const vectors = (simd ? SIMD128 : 0) | (relaxedSimd ? RelaxedSIMD : 0);
  const shared = threads ? binaryen.Features.Atomics | BulkMemory : 0;
  return MVP | SignExt | NontrappingFPToInt | vectors | shared;
}

const types: { readonly [T in ValueType]: binaryen.Type } = {
  i32: binaryen.i32,
  i64: binaryen.i64,
  f32: binaryen.f32,
  f64: binaryen.f64,
  v128: binaryen.v128,
};
const typeOf = (type: ValueType): binaryen.Type => types[type];

/** Binaryen throws pointers into its heap, or nothing of use: says at least what was being done. */
function guard<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const error = new KilnError("E_INTERNAL", `Binaryen failed in the ${what}`);
    error.cause = cause;
    throw error;
  }
}

/** Binaryen prints its complaints to the console; the engine's name the function. */
function complaint(bytes: Uint8Array): string {
  try {
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    return "Binaryen's validator refuses what this engine accepts";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
