/**
 * Threads: how the parts of a kernel's work find someone to do them.
 *
 * All instances share one memory. `run` is called on one of them, by the main thread; the others are each in a call of
 * `worker`, which never returns. Where `run` comes to a kernel that is shared out (a job), it gives each thread a range
 * of its parts and increments the generation. Whoever sees that does the parts of its range from the front, then takes
 * over parts from the back of others' ranges; the main thread does so too, and waits until all are done. So no worker is
 * ever waited for that has not begun: one that starts late, or never, only does less. That the n-th thread begins at the
 * same place of every kernel keeps what it reads in its own cache, where it has just written it.
 *
 * The `length` of a range says how many of its parts nobody has taken; who decrements it from more than 0 has one. The
 * job is written before it, so that one who takes a part, however late it comes, finds what the part belongs to.
 *
 * A worker that finds nothing to do looks at the generation for a while, then sleeps until it is notified. The main
 * thread sleeps only where it may: browsers do not let theirs.
 *
 * A trap leaves the part's number in the thread's range. The worker's host calls `worker` again, which tells the main
 * thread, and that does the part once more to fail in the same way, with the stack where the caller sees it.
 */

import type { Expression, ModuleBuilder } from "./builder.js";
import type { DataSegment } from "./sections.js";

/** Addresses in the first kilobyte, where no tensor lies; what is written at different times has a cache line each. */
const word = {
  generation: 64,
  job: 68,
  parts: 72,
  /** Parts that are not done. */
  pending: 128,
  sleepers: 192,
  /** Number + 1 of a part in which a worker trapped. */
  trapped: 256,
  threads: 320,
  mayBlock: 324,
  /** Not 0 where the host has put the data in place. */
  placed: 328,
  /** 1 while the main thread sleeps. */
  waits: 384,
} as const;

/** A thread's range of parts; the first eight have a cache line each. */
const ranges = { address: 512, lines: 8, lineBytes: 64, halfBytes: 32 } as const;

const range = {
  /** The first part, for the thread itself. */
  first: 0,
  /** Behind the last part, for others. */
  last: 4,
  length: 8,
  /** Number + 1 of the part that the thread does. */
  doing: 12,
} as const;

/**
 * Looks at the generation before a worker sleeps: some milliseconds, so that it is awake when the next run begins, also
 * where the host does something in between. One that has to be woken for each run may be woken on the core where the
 * main thread runs, and stay there while another is idle. pthreadpool, XNNPACK's, looks as often. What it costs:
 * where there are more threads than cores, as with onnxruntime-web's, they take longer than one thread would. Looking
 * less where it is in vain would save that, but left a worker that had come to lie on the main thread's core there.
 */
const WORKER_SPINS = 1_000_000;

/** Looks at the work before the main thread sleeps: some 100 microseconds, since who has the rest of it may need its core. */
const MAIN_SPINS = 60_000;

/** Nanoseconds that a part takes where there may be more than one for each thread: with more, being held up costs less. */
const PART_TIME = 10_000;

const MOST_PARTS_EACH = 4;

/** Nanoseconds of work in all jobs together that are worth waking threads for, which takes some 50 microseconds. */
const LEAST_TIME = 200_000;

/** Bits of an address within a page of the system's: the smallest that any has, 4 kB. */
const PAGE_BITS = 12;

const names = { dispatch: "threads:dispatch", begin: "threads:begin", work: "threads:work" } as const;

/** True where kernels that together take this long, in nanoseconds, gain by being shared out. */
export const areWorthThreads = (time: number): boolean => time >= LEAST_TIME;

/** Does a job in parts; `time` is how many nanoseconds it takes about. */
export function dispatch(builder: ModuleBuilder, job: number, time: number): Expression {
  const each = Math.min(MOST_PARTS_EACH, Math.max(1, Math.floor(time / 2 / PART_TIME)));
  return builder.call(names.dispatch, [builder.i32(job), builder.i32(each)]);
}

/** Waits for parts that a trap has left unfinished, and wakes workers for what is to come. */
export const begin = (builder: ModuleBuilder): Expression => builder.call(names.begin, []);

/** Address of the int32 by which a host says that it has put the data in place. */
export const PLACED_ADDRESS = word.placed;

/** `init`, which puts the data in their place unless the host has done so; it calls it once for all instances. */
export function emitInit(builder: ModuleBuilder, segments: readonly DataSegment[]): void {
  const at = new Words(builder);
  const copies = segments.map(({ address, bytes }, i) => builder.memoryInit(i, address, bytes.length));
  const body = builder.block([
    builder.if(builder.pure("i32.eqz", [at.get("placed")]), builder.block(copies)),
    at.set("threads", builder.get(0, "i32")),
    at.set("mayBlock", builder.get(1, "i32")),
  ]);
  builder.function({ name: "init", params: ["i32", "i32"], locals: [], body });
  builder.export("init");
}

/** Adds what `dispatch` and `begin` call, and `worker`. */
export function emitThreads(builder: ModuleBuilder, jobs: readonly string[]): void {
  builder.table(jobs);
  const threads = new Threads(builder);
  threads.work();
  threads.begin();
  threads.dispatch();
  threads.worker();
}

/** The words of memory that threads speak by. */
class Words {
  constructor(private readonly builder: ModuleBuilder) {}

  address(name: keyof typeof word): Expression {
    return this.builder.i32(word[name]);
  }

  get(name: keyof typeof word): Expression {
    return this.builder.atomicLoad(this.address(name));
  }

  set(name: keyof typeof word, value: Expression): Expression {
    return this.builder.atomicStore(this.address(name), value);
  }

  clear(name: keyof typeof word): Expression {
    return this.set(name, this.builder.i32(0));
  }

  change(how: "add" | "sub" | "xchg", name: keyof typeof word, value: Expression): Expression {
    return this.builder.atomicChange(how, this.address(name), value);
  }
}

class Threads {
  private readonly at: Words;

  constructor(private readonly builder: ModuleBuilder) {
    this.at = new Words(builder);
  }

  /** Does parts of the job at hand until none is left, as the thread that is the parameter. */
  work(): void {
    const { builder, at } = this;
    const [thread, own, victim, from, turns] = [0, 1, 2, 3, 4];
    const get = (local: number): Expression => builder.get(local, "i32");
    const one = (): Expression => builder.i32(1);
    const doing = (value: Expression): Expression => builder.atomicStore(get(own), value, range.doing);
    const isLast = builder.pure("i32.eq", [at.change("sub", "pending", one()), one()]);
    const wake = builder.if(at.get("waits"), builder.notify(at.address("pending"), 1));
    // What is taken: of the own range the first part that is left, of others the last.
    const first = builder.atomicChange("add", get(from), one(), range.first);
    const last = builder.pure("i32.sub", [builder.atomicChange("sub", get(from), one(), range.last), one()]);
    const isOwn = builder.pure("i32.eq", [get(from), get(own)]);
    const part = 5;
    const take = [
      builder.if(isOwn, builder.set(part, first), builder.set(part, last)),
      doing(builder.pure("i32.add", [get(part), one()])),
      builder.callIndirect(at.get("job"), [get(part), at.get("parts")]),
      doing(builder.i32(0)),
      builder.if(isLast, wake),
      builder.continue("take"),
    ];
    const isLeft = builder.pure("i32.gt_s", [
      builder.atomicChange("sub", get(from), one(), range.length),
      builder.i32(0),
    ]);
    const next = builder.pure("i32.add", [get(victim), one()]);
    const isOver = builder.pure("i32.ge_s", [get(victim), at.get("threads")]);
    const visit = [
      builder.set(from, this.rangeOf(victim)),
      builder.loop("take", [builder.if(isLeft, builder.block(take))]),
      builder.set(victim, next),
      builder.if(isOver, builder.set(victim, builder.i32(0))),
      builder.set(turns, builder.pure("i32.add", [get(turns), one()])),
    ];
    const goesOn = builder.pure("i32.lt_s", [get(turns), at.get("threads")]);
    const body = builder.block([
      builder.set(own, this.rangeOf(thread)),
      builder.set(victim, get(thread)),
      builder.doWhile("visit", visit, goesOn),
    ]);
    const locals = Array.from({ length: 5 }, () => "i32" as const);
    builder.function({ name: names.work, params: ["i32"], locals, body });
  }

  begin(): void {
    const { builder, at } = this;
    const [thread, left] = [0, 1];
    const get = (local: number): Expression => builder.get(local, "i32");
    const zero = (): Expression => builder.i32(0);
    const drop = (parts: Expression): Expression => builder.drop(at.change("sub", "pending", parts));
    const main = (): Expression => builder.i32(ranges.address);
    const isLeft = builder.pure("i32.gt_s", [get(left), zero()]);
    const empty = [
      builder.set(left, builder.atomicChange("xchg", this.rangeOf(thread), zero(), range.length)),
      builder.if(isLeft, drop(get(left))),
      builder.set(thread, builder.pure("i32.add", [get(thread), builder.i32(1)])),
    ];
    const settle = [
      builder.if(
        builder.atomicLoad(main(), range.doing),
        builder.block([builder.atomicStore(main(), zero(), range.doing), drop(builder.i32(1))]),
      ),
      builder.doWhile("empty", empty, builder.pure("i32.lt_s", [get(thread), at.get("threads")])),
      builder.doWhile("wait", [], at.get("pending")),
    ];
    const wake = [
      builder.drop(at.change("add", "generation", builder.i32(1))),
      builder.notify(at.address("generation"), -1),
    ];
    const body = builder.block([
      builder.if(at.get("pending"), builder.block(settle)),
      at.clear("trapped"),
      builder.if(at.get("sleepers"), builder.block(wake)),
    ]);
    builder.function({ name: names.begin, params: [], locals: ["i32", "i32"], body });
  }

  dispatch(): void {
    const { builder, at } = this;
    const [job, each, thread, own, first] = [0, 1, 2, 3, 4];
    const [left, spins] = [5, 6];
    const get = (local: number): Expression => builder.get(local, "i32");
    const one = (): Expression => builder.i32(1);
    const isAlone = builder.pure("i32.le_s", [at.get("threads"), one()]);
    const alone = builder.block([builder.callIndirect(get(job), [builder.i32(0), one()]), builder.return()]);
    const parts = (): Expression => builder.pure("i32.mul", [at.get("threads"), get(each)]);
    const give = [
      builder.set(own, this.rangeOf(thread)),
      builder.atomicStore(get(own), get(first), range.first),
      builder.set(first, builder.pure("i32.add", [get(first), get(each)])),
      builder.atomicStore(get(own), get(first), range.last),
      builder.atomicStore(get(own), get(each), range.length),
      builder.set(thread, builder.pure("i32.add", [get(thread), one()])),
    ];
    const offer = [
      at.set("job", get(job)),
      at.set("parts", parts()),
      at.set("pending", parts()),
      builder.doWhile("give", give, builder.pure("i32.lt_s", [get(thread), at.get("threads")])),
      builder.drop(at.change("add", "generation", one())),
      builder.if(at.get("sleepers"), builder.notify(at.address("generation"), -1)),
    ];
    const isLong = builder.pure("i32.gt_s", [get(spins), builder.i32(MAIN_SPINS)]);
    const maySleep = builder.pure("i32.and", [isLong, at.get("mayBlock")]);
    const sleep = [at.set("waits", one()), builder.wait(at.address("pending"), get(left)), at.clear("waits")];
    const spin = [
      builder.set(spins, builder.pure("i32.add", [get(spins), one()])),
      builder.set(left, at.get("pending")),
      builder.if(maySleep, builder.if(get(left), builder.block(sleep))),
    ];
    const again = builder.pure("i32.sub", [at.change("xchg", "trapped", builder.i32(0)), one()]);
    const failed = builder.block([
      builder.callIndirect(get(job), [again, at.get("parts")]),
      builder.unreachable(),
    ]);
    const body = builder.block([
      builder.if(isAlone, alone),
      ...offer,
      builder.call(names.work, [builder.i32(0)]),
      builder.doWhile("wait", spin, get(left)),
      builder.if(at.get("trapped"), failed),
    ]);
    const locals = Array.from({ length: 5 }, () => "i32" as const);
    builder.function({ name: names.dispatch, params: ["i32", "i32"], locals, body });
  }

  worker(): void {
    const { builder, at } = this;
    const [thread, own, generation, spins] = [0, 1, 2, 3];
    const get = (local: number): Expression => builder.get(local, "i32");
    const one = (): Expression => builder.i32(1);
    // The main thread is the first.
    const number = builder.set(thread, builder.pure("i32.add", [get(thread), one()]));
    const trapped = [
      at.set("trapped", builder.atomicLoad(get(own), range.doing)),
      builder.atomicStore(get(own), builder.i32(0), range.doing),
      builder.drop(at.change("sub", "pending", one())),
      builder.notify(at.address("pending"), 1),
    ];
    const isSame = (): Expression => builder.pure("i32.eq", [at.get("generation"), get(generation)]);
    const goesOn = builder.pure("i32.lt_s", [get(spins), builder.i32(WORKER_SPINS)]);
    const count = builder.set(spins, builder.pure("i32.add", [get(spins), one()]));
    const sleep = [
      builder.drop(at.change("add", "sleepers", one())),
      builder.wait(at.address("generation"), get(generation)),
      builder.drop(at.change("sub", "sleepers", one())),
    ];
    const turn = [
      builder.set(generation, at.get("generation")),
      builder.call(names.work, [get(thread)]),
      builder.set(spins, builder.i32(0)),
      builder.doWhile("spin", [count], builder.pure("i32.and", [isSame(), goesOn])),
      builder.if(isSame(), builder.block(sleep)),
    ];
    const isFirst = builder.pure("i32.eq", [get(thread), one()]);
    const body = builder.block([
      number,
      builder.set(own, this.rangeOf(thread)),
      builder.if(builder.atomicLoad(get(own), range.doing), builder.block(trapped)),
      builder.if(isFirst, this.touchMemory(spins)),
      builder.doWhile("turn", turn, one()),
    ]);
    const locals = ["i32", "i32", "i32"] as const;
    builder.function({ name: "threads:worker", params: ["i32"], locals, body });
    builder.export("threads:worker", "worker");
  }

  /**
   * Touches memory from its end until the first run begins. The system gives a page of it to whoever writes there first,
   * which takes longer than copying as many bytes: what this thread has touched, the main thread finds when it comes to
   * it from the front, with the weights, or in the first run. Adding 0 changes nothing that is written meanwhile.
   */
  private touchMemory(page: number): Expression {
    const { builder, at } = this;
    const get = (): Expression => builder.get(page, "i32");
    const shift = (value: Expression, bits: number): Expression =>
      builder.pure("i32.shl", [value, builder.i32(bits)]);
    const touch = [
      builder.set(page, builder.pure("i32.sub", [get(), builder.i32(1)])),
      builder.drop(builder.atomicChange("add", shift(get(), PAGE_BITS), builder.i32(0))),
      builder.continue("touch"),
    ];
    const isBeforeRuns = builder.pure("i32.eqz", [at.get("generation")]);
    const isLeft = builder.pure("i32.ne", [get(), builder.i32(0)]);
    const goesOn = builder.pure("i32.and", [isBeforeRuns, isLeft]);
    return builder.block([
      builder.set(page, shift(builder.memorySize(), 16 - PAGE_BITS)),
      builder.loop("touch", [builder.if(goesOn, builder.block(touch))]),
    ]);
  }

  /** Address of the range of the thread whose number is in a local. */
  private rangeOf(local: number): Expression {
    const { builder } = this;
    const thread = (): Expression => builder.get(local, "i32");
    const { address, lines, lineBytes, halfBytes } = ranges;
    const line = builder.pure("i32.and", [thread(), builder.i32(lines - 1)]);
    const half = builder.pure("i32.shr_u", [thread(), builder.i32(Math.log2(lines))]);
    const offset = builder.pure("i32.add", [
      builder.pure("i32.mul", [line, builder.i32(lineBytes)]),
      builder.pure("i32.mul", [half, builder.i32(halfBytes)]),
    ]);
    return builder.pure("i32.add", [offset, builder.i32(address)]);
  }
}
