/**
 * Threads: how the parts of a kernel's work find someone to do them.
 *
 * All instances share one memory. `run` is called on one of them, by the main thread; the others are each in a call of
 * `worker`, which never returns. Where `run` comes to a kernel that is shared out, it writes the number of the call and
 * of its parts to memory, sets the counter of parts that are left, and increments the generation. Whoever sees that
 * takes a part by decrementing the counter, until none is left; the main thread takes parts as well, and waits until all
 * are done. So no worker is ever waited for that has not begun: one that starts late, or never, only does less.
 *
 * A worker that finds nothing to do looks at the generation for a while, then sleeps until it is notified. The main
 * thread sleeps only where it may: browsers do not let theirs.
 *
 * A trap in a part leaves the part's number in the worker's slot. The worker's host calls `worker` again, which tells the
 * main thread, and that does the part once more to fail in the same way, with the stack where the caller sees it.
 */

import { MAX_PARTS } from "../loop/ir.js";
import type { Expression, ModuleBuilder } from "./builder.js";
import type { DataSegment } from "./sections.js";

/** Addresses in the first kilobyte, where no tensor lies; each word that threads contend for has a cache line. */
const word = {
  generation: 64,
  /** Parts that nobody has taken; less than 0 where more have tried. */
  left: 128,
  /** Parts that are not done. */
  pending: 192,
  sleepers: 256,
  /** Number + 1 of a part in which a worker trapped. */
  trapped: 320,
  job: 384,
  parts: 388,
  threads: 392,
  mayBlock: 396,
  /** 1 while the main thread does a part. */
  ownPart: 400,
  /** For each worker the number + 1 of the part that it does. */
  slots: 512,
} as const;

const SLOT_BYTES = 32;

/** With more parts than threads, one that is held up holds up less. */
const PARTS_PER_THREAD = 4;

/** Looks at the generation before a worker sleeps: some 50 microseconds, longer than most kernels that are not shared. */
const SPINS = 30_000;

const names = { dispatch: "threads:dispatch", settle: "threads:settle", finish: "threads:finish" } as const;

/** Does a job in parts. */
export const dispatch = (builder: ModuleBuilder, job: number): Expression =>
  builder.call(names.dispatch, [builder.i32(job)]);

/** Waits for parts that a trap has left unfinished. */
export const settle = (builder: ModuleBuilder): Expression => builder.call(names.settle, []);

/** `init`, which puts the data in their place; the host calls it once for all instances. */
export function emitInit(builder: ModuleBuilder, segments: readonly DataSegment[]): void {
  const at = new Words(builder);
  const copies = segments.map(({ address, bytes }, i) => builder.memoryInit(i, address, bytes.length));
  const body = builder.block([
    ...copies,
    at.set("threads", builder.get(0, "i32")),
    at.set("mayBlock", builder.get(1, "i32")),
  ]);
  builder.function({ name: "init", params: ["i32", "i32"], locals: [], body });
  builder.export("init");
}

/** Adds what `dispatch` and `settle` call, and `worker`. */
export function emitThreads(builder: ModuleBuilder, jobs: readonly string[]): void {
  builder.table(jobs);
  const threads = new Threads(builder);
  threads.finish();
  threads.settle();
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

  /** A worker's part is done; the main thread may sleep until the last one is. */
  finish(): void {
    const { builder, at } = this;
    const isLast = builder.pure("i32.eq", [at.change("sub", "pending", builder.i32(1)), builder.i32(1)]);
    const body = builder.block([builder.if(isLast, builder.notify(at.address("pending"), 1))]);
    builder.function({ name: names.finish, params: [], locals: [], body });
  }

  settle(): void {
    const { builder, at } = this;
    const left = 0;
    const isLeft = builder.pure("i32.gt_s", [builder.get(left, "i32"), builder.i32(0)]);
    const ownPart = [at.clear("ownPart"), builder.drop(at.change("sub", "pending", builder.i32(1)))];
    const unfinished = [
      builder.if(at.get("ownPart"), builder.block(ownPart)),
      builder.set(left, at.change("xchg", "left", builder.i32(0))),
      builder.if(isLeft, builder.drop(at.change("sub", "pending", builder.get(left, "i32")))),
      builder.doWhile("wait", [], at.get("pending")),
    ];
    const body = builder.block([
      builder.if(at.get("pending"), builder.block(unfinished)),
      at.clear("trapped"),
    ]);
    builder.function({ name: names.settle, params: [], locals: ["i32"], body });
  }

  dispatch(): void {
    const { builder, at } = this;
    const [job, parts, left, spins] = [0, 1, 2, 3];
    const get = (local: number): Expression => builder.get(local, "i32");
    const one = (): Expression => builder.i32(1);
    const isAlone = builder.pure("i32.le_s", [at.get("threads"), one()]);
    const alone = builder.block([builder.callIndirect(get(job), [builder.i32(0), one()]), builder.return()]);
    const wanted = builder.pure("i32.mul", [at.get("threads"), builder.i32(PARTS_PER_THREAD)]);
    const tooMany = builder.pure("i32.gt_s", [get(parts), builder.i32(MAX_PARTS)]);
    const offer = [
      builder.set(parts, wanted),
      builder.if(tooMany, builder.set(parts, builder.i32(MAX_PARTS))),
      at.set("job", get(job)),
      at.set("parts", get(parts)),
      at.set("pending", get(parts)),
      at.set("left", get(parts)),
      builder.drop(at.change("add", "generation", one())),
      builder.if(at.get("sleepers"), builder.notify(at.address("generation"), -1)),
    ];
    const take = this.takeParts(left, (part) => [
      at.set("ownPart", one()),
      builder.callIndirect(get(job), [part, get(parts)]),
      at.clear("ownPart"),
      builder.drop(at.change("sub", "pending", one())),
    ]);
    const isLong = builder.pure("i32.gt_s", [get(spins), builder.i32(SPINS)]);
    const maySleep = builder.pure("i32.and", [isLong, at.get("mayBlock")]);
    const sleep = builder.if(get(left), builder.wait(at.address("pending"), get(left)));
    const spin = [
      builder.set(spins, builder.pure("i32.add", [get(spins), one()])),
      builder.set(left, at.get("pending")),
      builder.if(maySleep, sleep),
    ];
    const again = builder.pure("i32.sub", [at.change("xchg", "trapped", builder.i32(0)), one()]);
    const failed = builder.block([
      builder.callIndirect(get(job), [again, get(parts)]),
      builder.unreachable(),
    ]);
    const body = builder.block([
      builder.if(isAlone, alone),
      ...offer,
      take,
      builder.doWhile("wait", spin, get(left)),
      builder.if(at.get("trapped"), failed),
    ]);
    builder.function({ name: names.dispatch, params: ["i32"], locals: ["i32", "i32", "i32"], body });
  }

  /** Takes parts and does them until none is left; `local` is free for use. */
  private takeParts(local: number, each: (part: Expression) => Expression[]): Expression {
    const { builder, at } = this;
    const isMine = (): Expression => builder.pure("i32.gt_s", [builder.get(local, "i32"), builder.i32(0)]);
    const part = builder.pure("i32.sub", [builder.get(local, "i32"), builder.i32(1)]);
    const take = builder.set(local, at.change("sub", "left", builder.i32(1)));
    return builder.doWhile("take", [take, builder.if(isMine(), builder.block(each(part)))], isMine());
  }

  worker(): void {
    const { builder, at } = this;
    const [index, slot, generation, left, spins] = [0, 1, 2, 3, 4];
    const get = (local: number): Expression => builder.get(local, "i32");
    const zero = (): Expression => builder.i32(0);
    const offset = builder.pure("i32.mul", [get(index), builder.i32(SLOT_BYTES)]);
    const setSlot = (value: Expression): Expression => builder.atomicStore(get(slot), value);
    const trapped = [
      at.set("trapped", builder.atomicLoad(get(slot))),
      setSlot(zero()),
      builder.call(names.finish, []),
    ];
    const take = this.takeParts(left, (part) => [
      setSlot(get(left)),
      builder.callIndirect(at.get("job"), [part, at.get("parts")]),
      setSlot(zero()),
      builder.call(names.finish, []),
    ]);
    const isSame = (): Expression => builder.pure("i32.eq", [at.get("generation"), get(generation)]);
    const goesOn = builder.pure("i32.lt_s", [get(spins), builder.i32(SPINS)]);
    const count = builder.set(spins, builder.pure("i32.add", [get(spins), builder.i32(1)]));
    const sleep = [
      builder.drop(at.change("add", "sleepers", builder.i32(1))),
      builder.wait(at.address("generation"), get(generation)),
      builder.drop(at.change("sub", "sleepers", builder.i32(1))),
    ];
    const turn = [
      builder.set(generation, at.get("generation")),
      take,
      builder.set(spins, zero()),
      builder.doWhile("spin", [count], builder.pure("i32.and", [isSame(), goesOn])),
      builder.if(isSame(), builder.block(sleep)),
    ];
    const body = builder.block([
      builder.set(slot, builder.pure("i32.add", [offset, at.address("slots")])),
      builder.if(builder.atomicLoad(get(slot)), builder.block(trapped)),
      builder.doWhile("turn", turn, builder.i32(1)),
    ]);
    builder.function({
      name: "threads:worker",
      params: ["i32"],
      locals: ["i32", "i32", "i32", "i32"],
      body,
    });
    builder.export("threads:worker", "worker");
  }
}
