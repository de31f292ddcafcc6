/**
 * The interpreter of one kernel: each expression and statement becomes a closure once, so that running it looks up no
 * names and no tables. Slow beside WebAssembly, but exact, and every access is checked against its buffer.
 */

import { invariant, KilnError } from "../diagnostics.js";
import { dtypes } from "../ir/dtype.js";
import { type EvaluationOptions, type Lane, type LaneFunction, laneFunction } from "./evaluate.js";
import { elementAccess, shuffler } from "./interpret-memory.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type Invoke,
  type Kernel,
  type Load,
  parametersOf,
  type Statement,
  type Store,
  type Variable,
} from "./ir.js";
import { sharedNodes } from "./print.js";
import { operandsOf } from "./rewrite.js";
import { isScalar } from "./verify-types.js";

export interface KernelArguments {
  /** A linear memory image. */
  readonly memory: DataView;
  /** Byte address of each buffer of the kernel. */
  readonly addresses: readonly number[];
  /** First byte after each buffer, for those whose extent the kernel does not know; else the end of memory. */
  readonly ends?: readonly number[];
  readonly sizes: readonly number[];
  /** How many parts the work of a kernel that is shared out is done in. */
  readonly parts?: number;
}

type Vector = readonly Lane[];
type Value = Lane | Vector;

interface Frame {
  readonly memory: DataView;
  readonly addresses: readonly number[];
  readonly ends: readonly number[];
  /** Values of variables and of shared expressions. */
  readonly slots: Value[];
}

type Evaluate = (frame: Frame) => Value;
type EvaluateScalar = (frame: Frame) => Lane;
type EvaluateVector = (frame: Frame) => Vector;
type EvaluateIndex = (frame: Frame) => number;
type Execute = (frame: Frame) => void;

/** Prepares a kernel to be run any number of times. */
export function compileKernel(
  kernel: Kernel,
  options: EvaluationOptions = {},
): (args: Omit<KernelArguments, "sizes"> & { readonly sizes: readonly Value[] }) => void {
  const compiler = new KernelCompiler(kernel, options);
  const parameters = parametersOf(kernel);
  const sizeSlots = parameters.map((size) => compiler.slotOf(size));
  const body = compiler.block(kernel.body);
  return ({ memory, addresses, sizes, parts = 3, ends: givenEnds }) => {
    invariant(addresses.length === kernel.buffers.length, `@${kernel.name} needs an address a buffer`);
    invariant(sizes.length === kernel.sizes.length, `@${kernel.name} takes ${kernel.sizes.length} sizes`);
    const ends = kernel.buffers.map((buffer, i) => {
      const end = givenEnds?.[i] ?? memory.byteLength;
      return buffer.elements === null ? end : Math.min(end, addresses[i]! + bytesOf(buffer, buffer.elements));
    });
    const slots = new Array<Value>(compiler.slotCount).fill(0);
    // The last part first: which of them is done before which must not matter.
    for (let part = (kernel.share === undefined ? 1 : parts) - 1; part >= 0; part--) {
      sizeSlots.forEach((slot, i) => {
        const value = [...sizes, part, parts][i]!;
        slots[slot] = isScalar(parameters[i]!.type, "i32") ? (value as number) | 0 : value;
      });
      body({ memory, addresses, ends, slots });
    }
  };
}

const bytesOf = (buffer: Buffer, elements: number): number => elements * dtypes[buffer.dtype].bytes;

class KernelCompiler {
  slotCount = 0;
  private readonly slots = new Map<Variable, number>();
  /** Slots of the expressions that the statement at hand has computed already. */
  private shared = new Map<Expr, number>();

  constructor(
    private readonly kernel: Kernel,
    private readonly options: EvaluationOptions,
  ) {}

  slotOf(variable: Variable): number {
    let slot = this.slots.get(variable);
    if (slot === undefined) {
      slot = this.slotCount++;
      this.slots.set(variable, slot);
    }
    return slot;
  }

  block(statements: readonly Statement[]): Execute {
    const compiled = statements.map((statement) => this.statement(statement));
    return (frame) => {
      for (const execute of compiled) execute(frame);
    };
  }

  /** Expressions used more than once are computed before the statement: they are pure, and nothing is computed lazily. */
  private statement(statement: Statement): Execute {
    this.shared = new Map();
    const first = sharedNodes(operandsOf(statement)).map((node) => {
      const evaluate = this.expr(node);
      const slot = this.slotCount++;
      this.shared.set(node, slot);
      return (frame: Frame) => {
        frame.slots[slot] = evaluate(frame);
      };
    });
    const execute = this.bareStatement(statement);
    if (first.length === 0) return execute;
    return (frame) => {
      for (const compute of first) compute(frame);
      execute(frame);
    };
  }

  private bareStatement(statement: Statement): Execute {
    switch (statement.kind) {
      case "for":
        return this.loop(statement);
      case "store":
        return this.store(statement);
      case "if": {
        const condition = this.expr(statement.condition);
        const whenTrue = this.block(statement.whenTrue);
        const whenFalse = this.block(statement.whenFalse);
        return (frame) => (condition(frame) ? whenTrue(frame) : whenFalse(frame));
      }
      case "invoke":
        return this.invoke(statement);
      default: {
        const value = this.expr(statement.value);
        const slot = this.slotOf(statement.variable);
        return (frame) => {
          frame.slots[slot] = value(frame);
        };
      }
    }
  }

  /** Bounds are computed once, before the first pass. */
  private loop({ variable, start, end, step, body }: Statement & { kind: "for" }): Execute {
    const [first, last] = [this.index(start), this.index(end)];
    const slot = this.slotOf(variable);
    const run = this.block(body);
    const { onLoop } = this.options;
    return (frame) => {
      const begin = first(frame);
      const stop = last(frame);
      onLoop?.(Math.max(stop - begin, 0) / step);
      for (let i = begin; i < stop; i += step) {
        frame.slots[slot] = i;
        run(frame);
      }
    };
  }

  private invoke({ kernel, buffers, sizes }: Invoke): Execute {
    const run = compileKernel(kernel, this.options);
    const positions = buffers.map((buffer) => this.kernel.buffers.indexOf(buffer));
    const values = sizes.map((size) => this.expr(size));
    return (frame) =>
      run({
        memory: frame.memory,
        addresses: positions.map((position) => frame.addresses[position]!),
        ends: positions.map((position) => frame.ends[position]!),
        sizes: values.map((value) => value(frame)),
      });
  }

  private store(store: Store): Execute {
    const { buffer, value } = store;
    const { lanes } = value.type;
    const address = this.address(store, lanes, "store to");
    const { write } = elementAccess[buffer.dtype];
    const evaluate = this.expr(value);
    if (lanes === 1) {
      return (frame) => write(frame.memory, address(frame), evaluate(frame) as Lane);
    }
    const width = dtypes[buffer.dtype].bytes;
    return (frame) => {
      const at = address(frame);
      const vector = evaluate(frame) as Vector;
      for (let i = 0; i < lanes; i++) write(frame.memory, at + i * width, vector[i]!);
    };
  }

  private expr(expr: Expr): Evaluate {
    const slot = this.shared.get(expr);
    if (slot !== undefined) return (frame) => frame.slots[slot]!;
    switch (expr.kind) {
      case "constant": {
        const { type, value } = expr;
        const constant = type.lanes === 1 ? value : new Array<Lane>(type.lanes).fill(value);
        return () => constant;
      }
      case "variable": {
        const own = this.slotOf(expr.variable);
        return (frame) => frame.slots[own]!;
      }
      case "address": {
        const position = this.kernel.buffers.indexOf(expr.buffer);
        return (frame) => frame.addresses[position]! | 0;
      }
      case "load":
        return this.load(expr);
      case "op":
        return this.op(expr);
    }
  }

  private index(expr: Expr): EvaluateIndex {
    return this.expr(expr) as EvaluateIndex;
  }

  private load(load: Load): Evaluate {
    const { buffer, type, splat } = load;
    const { lanes } = type;
    const address = this.address(load, splat ? 1 : lanes, "load of");
    const { read } = elementAccess[buffer.dtype];
    if (lanes === 1) return (frame) => read(frame.memory, address(frame));
    const width = splat ? 0 : dtypes[buffer.dtype].bytes;
    return (frame) => {
      const at = address(frame);
      const vector: Lane[] = [];
      for (let i = 0; i < lanes; i++) vector.push(read(frame.memory, at + i * width));
      return vector;
    };
  }

  /** The byte address of an access, once it is known to lie inside its buffer. */
  private address({ buffer, index, offset, pointer }: Access, lanes: number, what: string): EvaluateIndex {
    const position = this.kernel.buffers.indexOf(buffer);
    const element = this.index(index);
    const width = dtypes[buffer.dtype].bytes;
    const slot = pointer === undefined ? undefined : this.slotOf(pointer);
    return (frame) => {
      const start = frame.addresses[position]!;
      const base = slot === undefined ? start : (frame.slots[slot] as number) >>> 0;
      const at = base + (element(frame) + offset) * width;
      const limit = frame.ends[position]!;
      if (at < start || at + lanes * width > limit) {
        const [found, available] = [(at - start) / width, (limit - start) / width];
        const where = `${what} ${lanes} element(s) at index ${found} of ${buffer.name}`;
        throw new KilnError("E_INTERNAL", `kernel @${this.kernel.name}: ${where}, which has ${available}`);
      }
      return at;
    };
  }

  private op(expr: Expr & { kind: "op" }): Evaluate {
    const { op, type, args, immediates = [] } = expr;
    const operands = args.map((arg) => this.expr(arg));
    const [a, b] = operands as [Evaluate, Evaluate];
    const lane = immediates[0]!;
    switch (op) {
      case "splat":
        return (frame) => new Array<Lane>(type.lanes).fill(a(frame) as Lane);
      case "extract":
        return (frame) => (a(frame) as Vector)[lane]!;
      case "replace":
        return (frame) => (a(frame) as Vector).with(lane, b(frame) as Lane);
      case "shuffle": {
        const shuffle = shuffler(type, immediates);
        return (frame) => shuffle(a(frame) as Vector, b(frame) as Vector);
      }
      default:
        return this.laneOp(expr, operands);
    }
  }

  private laneOp({ op, type, args }: Expr & { kind: "op" }, operands: Evaluate[]): Evaluate {
    const scalar = (op === "select" ? args[1]! : args[0]!).type.scalar;
    const apply = laneFunction(op, scalar, this.options);
    invariant(apply !== undefined, `${op} does not take ${scalar}`);
    return type.lanes === 1
      ? onScalars(apply, operands as EvaluateScalar[])
      : onVectors(apply, operands as EvaluateVector[]);
  }
}

function onScalars(apply: LaneFunction, [a, b, c]: EvaluateScalar[]): Evaluate {
  if (c !== undefined) return (frame) => apply(a!(frame), b!(frame), c(frame));
  if (b !== undefined) return (frame) => apply(a!(frame), b(frame));
  return (frame) => apply(a!(frame));
}

function onVectors(apply: LaneFunction, [a, b, c]: EvaluateVector[]): Evaluate {
  return (frame) => {
    const [x, y, z] = [a!(frame), b?.(frame), c?.(frame)];
    const result: Lane[] = [];
    for (let i = 0; i < x.length; i++) result.push(apply(x[i]!, y?.[i], z?.[i]));
    return result;
  };
}
