/** Memory plans: a few by hand, and what must hold of every one, on random programs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Kernel } from "../../../compiler/loop/ir.js";
import {
  type Call,
  callsOf,
  type Program,
  type ProgramBuffer,
  type Step,
} from "../../../compiler/loop/program.js";
import { lowerBound, type MemoryPlan, place, planMemory } from "../../../passes/memory/plan.js";

/** The plan never looks into kernels. */
const kernel: Kernel = { name: "k", buffers: [], sizes: [], body: [] };

function bufferOf(name: string, kind: ProgramBuffer["kind"], byteLength: number): ProgramBuffer {
  const data = kind === "constant" ? { data: new Uint8Array(byteLength) } : {};
  return { name, dtype: "float32", byteLength, kind, ...data };
}

/** A call of these buffers; pairs of argument numbers (written, read) may share memory. */
function call(
  buffers: readonly ProgramBuffer[],
  inPlace: readonly [number, number][] = [],
  byteOffset = 0,
): Call {
  const args = buffers.map((buffer) => ({ buffer, byteOffset }));
  return { kind: "call", kernel, args, sizes: [], source: [], flops: 0, inPlace };
}

function programOf(buffers: readonly ProgramBuffer[], steps: readonly Step[]): Program {
  const ofKind = (kind: ProgramBuffer["kind"]) => buffers.filter((buffer) => buffer.kind === kind);
  const [inputs, outputs] = [ofKind("input"), ofKind("output")];
  const shapes = (of: readonly ProgramBuffer[]) => of.map(() => []);
  return {
    name: "p",
    buffers,
    steps,
    inputs,
    outputs,
    inputShapes: shapes(inputs),
    outputShapes: shapes(outputs),
    errors: [],
  };
}

describe("plans by hand", () => {
  const x = bufferOf("x", "input", 256);
  const y = bufferOf("y", "output", 250);

  test("what lives at different times has the same place", () => {
    const t = bufferOf("t", "temporary", 512);
    const plan = planMemory(programOf([x, t, y], [call([x, t]), call([t, y])]));
    expect(plan.addresses).toEqual(
      new Map([
        [t, 1024],
        [x, 1536],
        [y, 1536],
      ]),
    );
    expect(plan).toMatchObject({
      constants: [],
      weights: { address: 1024, byteLength: 0 },
      arena: { address: 1024, byteLength: 768 },
      arenaLowerBound: 768,
      unsharedBytes: 1024,
      memoryBytes: 65536,
    });
  });

  test("constants that calls use stand before the arena, at multiples of 64", () => {
    const w = bufferOf("w", "constant", 100);
    const unused = bufferOf("unused", "constant", 1000);
    const b = bufferOf("b", "constant", 64);
    const plan = planMemory(programOf([w, unused, b, x, y], [call([x, w, b, y])]));
    expect(plan.constants).toEqual([w, b]);
    expect(plan.weights).toEqual({ address: 1024, byteLength: 192 });
    expect(plan.addresses).toEqual(
      new Map([
        [w, 1024],
        [b, 1152],
        [x, 1216],
        [y, 1472],
      ]),
    );
    expect(plan.arena).toEqual({ address: 1216, byteLength: 512 });
  });

  test("a result takes over the memory of an operand that dies", () => {
    const plan = planMemory(programOf([x, y], [call([x, y], [[1, 0]])]));
    expect(plan.addresses.get(y)).toBe(plan.addresses.get(x));
    expect(plan).toMatchObject({ arenaLowerBound: 256, unsharedBytes: 512, arena: { byteLength: 256 } });
  });
});

describe("what the first run computes from constants", () => {
  const x = bufferOf("x", "input", 256);
  const y = bufferOf("y", "output", 256);
  const done = bufferOf("done", "kept", 4);
  const once = (...body: Call[]): Step => ({ kind: "once", done, body, source: [] });

  test("takes the memory of those that nothing else reads", () => {
    const [a, b] = [bufferOf("a", "constant", 64), bufferOf("b", "constant", 128)];
    const [large, larger] = [bufferOf("large", "kept", 256), bufferOf("larger", "kept", 512)];
    const w = bufferOf("w", "constant", 64);
    const plan = planMemory(
      programOf(
        [a, b, large, larger, w, done, x, y],
        [once(call([b, larger]), call([a, large])), call([x, w, large, larger, y])],
      ),
    );
    expect(plan.constants).toEqual([w, a, b]);
    expect(plan.weights).toEqual({ address: 1024, byteLength: 64 + 64 + 128 });
    expect(plan.addresses).toEqual(
      new Map([
        [w, 1024],
        [a, 1088],
        [b, 1152],
        [large, 1152],
        [larger, 1408],
        [done, 1920],
        [x, 1984],
        [y, 2240],
      ]),
    );
  });

  test("lies behind those that every run reads", () => {
    const w = bufferOf("w", "constant", 64);
    const v = bufferOf("v", "kept", 64);
    const { addresses } = planMemory(programOf([w, v, done, x, y], [once(call([w, v])), call([x, w, v, y])]));
    expect(addresses.get(w)).toBe(1024);
    expect(addresses.get(v)).toBe(1088);
  });

  test("never lies where a constant is still to be read", () => {
    const size = fc.integer({ min: 1, max: 2000 });
    const derived = fc.record({ from: size, by: fc.integer({ min: 0, max: 4 }), also: fc.boolean() });
    fc.assert(
      fc.property(fc.array(derived, { minLength: 1, maxLength: 8 }), (sizes) => {
        const made = sizes.map(({ from, by, also }, i) => ({
          from: bufferOf(`from${i}`, "constant", from),
          result: bufferOf(`result${i}`, "kept", from * by),
          also,
        }));
        const lasting = made.filter(({ also }) => also).map(({ from }) => from);
        const results = made.map(({ result }) => result);
        const steps = [
          once(...made.map(({ from, result }) => call([from, result]))),
          call([x, ...lasting, ...results, y]),
        ];
        const buffers = [...made.flatMap(({ from, result }) => [from, result]), done, x, y];
        const { addresses, arena } = planMemory(programOf(buffers, steps));
        const meet = (a: ProgramBuffer, b: ProgramBuffer): boolean => {
          const [start, other] = [addresses.get(a)!, addresses.get(b)!];
          return start < other + Number(b.byteLength) && other < start + Number(a.byteLength);
        };
        made.forEach(({ result }, i) => {
          const read = [...made.slice(i).map(({ from }) => from), ...lasting];
          const kept = [...results.slice(0, i), done];
          expect([...read, ...kept].filter((buffer) => meet(result, buffer))).toEqual([]);
          expect(addresses.get(result)! + Number(result.byteLength)).toBeLessThanOrEqual(arena.address);
        });
      }),
    );
  });
});

test("blocks for which no order by size or time is best", () => {
  const lives = [
    { bytes: 3, first: 3, last: 5 },
    { bytes: 2, first: 7, last: 10 },
    { bytes: 5, first: 0, last: 3 },
    { bytes: 4, first: 4, last: 6 },
    { bytes: 2, first: 5, last: 7 },
  ];
  const blocks = lives.map((life) => ({ ...life, buffers: [], offset: 0 }));
  expect(lowerBound(blocks, 10)).toBe(9);
  expect(place(blocks)).toBe(9);
});

describe("a result does not take over", () => {
  const x = bufferOf("x", "input", 256);
  const y = bufferOf("y", "output", 256);
  const z = bufferOf("z", "output", 256);
  const apart = (program: Program, a: ProgramBuffer, b: ProgramBuffer): void => {
    const { addresses } = planMemory(program);
    expect(Math.abs(addresses.get(a)! - addresses.get(b)!)).toBeGreaterThanOrEqual(256);
  };

  test("an operand that is read later", () =>
    apart(programOf([x, y, z], [call([x, y], [[1, 0]]), call([x, z])]), x, y));

  test("another result of the program, though nobody reads that later", () =>
    apart(programOf([x, y, z], [call([x, y]), call([y, z], [[1, 0]])]), y, z));

  test("a smaller operand", () => {
    const small = bufferOf("small", "input", 64);
    const { addresses } = planMemory(programOf([small, y], [call([small, y], [[1, 0]])]));
    expect(addresses.get(small)).not.toBe(addresses.get(y));
  });

  test("a constant", () => {
    const w = bufferOf("w", "constant", 256);
    apart(programOf([w, y], [call([w, y], [[1, 0]])]), w, y);
  });

  test("an operand that it would meet at another place", () => {
    const t = bufferOf("t", "temporary", 512);
    const moved: Call = {
      ...call([t, y], [[1, 0]]),
      args: [
        { buffer: t, byteOffset: 64 },
        { buffer: y, byteOffset: 0 },
      ],
    };
    apart(programOf([x, t, y], [call([x, t]), moved]), t, y);
  });
});

// ---------------------------------------------------------------------------------------------- random programs

const randomCall = fc.record({
  reads: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  /** Sizes of new results; more than one makes all but the first scratch memory unless they are read later. */
  results: fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 2 }),
  /** The size of the first result is that of an operand, so that it can take over its memory. */
  sameSize: fc.boolean(),
  inPlace: fc.boolean(),
  isOutput: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
});

const programs = fc
  .record({
    inputs: fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 3 }),
    constants: fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 3 }),
    calls: fc.array(randomCall, { minLength: 1, maxLength: 20 }),
  })
  .map(({ inputs, constants, calls }): Program => {
    const buffers = [
      ...inputs.map((bytes, i) => bufferOf(`x${i}`, "input", bytes)),
      ...constants.map((bytes, i) => bufferOf(`w${i}`, "constant", bytes)),
    ];
    const made = calls.map(({ reads, results, sameSize, inPlace, isOutput }, at) => {
      const read = [...new Set(reads.map((n) => buffers[n % buffers.length]!))];
      const written = results.map((bytes, i) => {
        const size = i === 0 && sameSize ? bytesOf(read[0]!) : bytes;
        return bufferOf(`t${at}_${i}`, isOutput && i === 0 ? "output" : "temporary", size);
      });
      buffers.push(...written);
      return call([...read, ...written], inPlace ? read.map((_, i) => [read.length, i]) : []);
    });
    return programOf(buffers, made);
  });

const bytesOf = ({ byteLength }: ProgramBuffer): number => byteLength as number;

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** First and last call at which a buffer is needed; `calls.length` stands for the time after the last. */
function lifetimeOf(program: Program, buffer: ProgramBuffer): [number, number] | null {
  const uses = callsOf(program).flatMap(({ args }, at) =>
    args.some((arg) => arg.buffer === buffer) ? [at] : [],
  );
  if (program.inputs.includes(buffer)) uses.push(0);
  if (program.outputs.includes(buffer)) uses.push(callsOf(program).length);
  return uses.length === 0 ? null : [Math.min(...uses), Math.max(...uses)];
}

const each = (check: (program: Program, plan: MemoryPlan) => void) =>
  fc.assert(
    fc.property(programs, (program) => check(program, planMemory(program))),
    { numRuns: Number(process.env.KILN_CASES ?? 300), seed: Number(process.env.KILN_SEED ?? 1) },
  );

describe("of every plan", () => {
  test("every read finds what was written: a run that marks memory with its owners", () =>
    each((program, { addresses }) => {
      const owners: (ProgramBuffer | undefined)[] = [];
      const blocks = ({ byteLength }: ProgramBuffer, address: number): number[] =>
        Array.from({ length: aligned(byteLength as number) / 64 }, (_, i) => address / 64 + i);
      const mark = (buffer: ProgramBuffer): void => {
        for (const block of blocks(buffer, addresses.get(buffer)!)) owners[block] = buffer;
      };
      const expectMarked = (buffer: ProgramBuffer): void => {
        for (const block of blocks(buffer, addresses.get(buffer)!)) {
          expect(owners[block]?.name).toBe(buffer.name);
        }
      };
      const known = new Set(program.buffers.filter(({ kind }) => kind === "input" || kind === "constant"));
      for (const buffer of known) if (addresses.has(buffer)) mark(buffer);
      for (const { args } of callsOf(program)) {
        const written = args.map(({ buffer }) => buffer).filter((buffer) => !known.has(buffer));
        for (const { buffer } of args) if (known.has(buffer)) expectMarked(buffer);
        written.forEach(mark);
        written.forEach(expectMarked);
        for (const buffer of written) known.add(buffer);
      }
      program.outputs.forEach(expectMarked);
    }));

  test("buffers that overlap never live at once, but for an operand at the call in which it dies", () =>
    each((program, { addresses }) => {
      const placed = program.buffers.flatMap((buffer) => {
        const lifetime = lifetimeOf(program, buffer);
        if (buffer.kind === "constant" || lifetime === null || buffer.byteLength === 0) return [];
        return [{ buffer, lifetime, address: addresses.get(buffer)! }];
      });
      // Buffers stand in the order in which they are written, so of two the first is the operand.
      for (const [i, operand] of placed.entries()) {
        for (const result of placed.slice(i + 1)) {
          const apart =
            operand.address + bytesOf(operand.buffer) <= result.address ||
            result.address + bytesOf(result.buffer) <= operand.address ||
            operand.lifetime[1] < result.lifetime[0] ||
            result.lifetime[1] < operand.lifetime[0];
          if (apart) continue;
          const [, at] = operand.lifetime;
          expect(result.lifetime[0]).toBe(at);
          expect(result.address).toBe(operand.address);
          const { args, inPlace } = callsOf(program)[at]!;
          const pairs = inPlace.map(([written, read]) => [
            args[written]!.buffer.name,
            args[read]!.buffer.name,
          ]);
          expect(pairs).toContainEqual([result.buffer.name, operand.buffer.name]);
        }
      }
    }));

  test("addresses are multiples of 64, constants lie before the arena, the rest in it", () =>
    each((program, { addresses, arena, weights, constants, memoryBytes }) => {
      for (const [buffer, address] of addresses) {
        expect(address % 64).toBe(0);
        const region = buffer.kind === "constant" ? weights : arena;
        expect(address).toBeGreaterThanOrEqual(region.address);
        expect(address + bytesOf(buffer)).toBeLessThanOrEqual(region.address + region.byteLength);
      }
      expect(weights.address).toBe(1024);
      expect(weights.address + weights.byteLength).toBeLessThanOrEqual(arena.address);
      expect(memoryBytes % 65536).toBe(0);
      expect(memoryBytes).toBeGreaterThanOrEqual(arena.address + arena.byteLength);
      const used = program.buffers.filter((buffer) => lifetimeOf(program, buffer) !== null);
      expect(new Set(addresses.keys())).toEqual(new Set(used));
      expect(constants).toEqual(used.filter(({ kind }) => kind === "constant"));
    }));

  test("the arena is no smaller than the lower bound and no larger than all buffers side by side", () =>
    each((program, plan) => {
      expect(plan.arena.byteLength).toBeGreaterThanOrEqual(plan.arenaLowerBound);
      expect(plan.arena.byteLength).toBeLessThanOrEqual(plan.unsharedBytes);
      const live = (at: number): number =>
        program.buffers.reduce((sum, buffer) => {
          const lifetime = buffer.kind === "constant" ? null : lifetimeOf(program, buffer);
          const lives = lifetime !== null && lifetime[0] <= at && at <= lifetime[1];
          return lives ? sum + aligned(bytesOf(buffer)) : sum;
        }, 0);
      const bound = Math.max(...Array.from({ length: callsOf(program).length + 1 }, (_, at) => live(at)));
      // Sharing in place is the only way below the sum of what lives at once.
      const shares = callsOf(program).some(({ inPlace }) => inPlace.length > 0);
      if (shares) expect(plan.arenaLowerBound).toBeLessThanOrEqual(bound);
      else expect(plan.arenaLowerBound).toBe(bound);
    }));
});
