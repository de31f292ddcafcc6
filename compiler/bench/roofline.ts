/**
 * What the machine can do at most, measured by modules of our own backend: multiply-adds in the register tile that
 * matrix products use, out of the first-level cache, and bytes from and to main memory.
 */

import { loopPasses } from "../../passes/loop/pipeline.js";
import { planMemory } from "../../passes/memory/plan.js";
import { add, constant, KernelBuilder, op, read, splat } from "../loop/builder.js";
import { type Expr, f32x4, type Kernel } from "../loop/ir.js";
import type { Program, ProgramBuffer } from "../loop/program.js";
import { emitModule } from "../wasm/module.js";
import { hasRelaxedSimd } from "./engine-features.js";

export interface Roofline {
  /** Multiply and add apart, in the best of the tiles tried. */
  readonly plainGflops: number;
  /** Fused; null where the engine has no relaxed SIMD. */
  readonly relaxedGflops: number | null;
  /** Reading 64 MB. */
  readonly readGBs: number;
  /** Copying 64 MB: bytes read and written. */
  readonly copyGBs: number;
}

export interface RooflineOptions {
  /** Time for each of the figures. */
  readonly msEach?: number;
  readonly bufferBytes?: number;
}

const vectors = 2;
const depth = 256;
const rounds = 1000;

/** Without fusing, the product takes a register of its own: six rows may be too many. */
const plainRows = [4, 5, 6];
const fusedRows = [6];

/** Measures the peaks: the best of as many runs as the time allows. */
export function measureRoofline({ msEach = 150, bufferBytes = 64e6 }: RooflineOptions = {}): Roofline {
  const gflops = (rows: readonly number[], relaxedSimd: boolean): number =>
    Math.max(
      ...rows.map(
        (count) => flopsOf(count) / fastest(tileKernel(count), relaxedSimd, msEach / rows.length) / 1e6,
      ),
    );
  const bandwidth = (kernel: Kernel, bytes: number): number => bytes / fastest(kernel, false, msEach) / 1e6;
  return {
    plainGflops: gflops(plainRows, false),
    relaxedGflops: hasRelaxedSimd() ? gflops(fusedRows, true) : null,
    readGBs: bandwidth(readKernel(bufferBytes), bufferBytes),
    copyGBs: bandwidth(copyKernel(bufferBytes), 2 * bufferBytes),
  };
}

/** An inner loop that can be run in turn with what is compared with it: other work on the machine meets both. */
export interface InnerLoop {
  readonly relaxedSimd: boolean;
  readonly flops: number;
  readonly run: () => void;
}

/** The inner loops whose best is the peak. */
export function innerLoops(): InnerLoop[] {
  const loop = (rows: number, relaxedSimd: boolean): InnerLoop => ({
    relaxedSimd,
    flops: flopsOf(rows),
    run: instantiate(tileKernel(rows), relaxedSimd),
  });
  const fused = hasRelaxedSimd() ? fusedRows : [];
  return [...plainRows.map((rows) => loop(rows, false)), ...fused.map((rows) => loop(rows, true))];
}

const flopsOf = (rows: number): number => 2 * rows * vectors * 4 * depth * rounds;

/** acc[row][j] += a[row][k] * b[k][j] over and over: what a matrix product does with its data in the nearest cache. */
function tileKernel(rows: number): Kernel {
  const builder = new KernelBuilder(`peak_${rows}x${vectors * 4}`);
  const a = builder.buffer("a", "float32", "read", rows * depth);
  const b = builder.buffer("b", "float32", "read", depth * vectors * 4);
  const out = builder.buffer("out", "float32", "write", rows * vectors * 4);
  const sums = Array.from({ length: rows * vectors }, () => builder.variable("acc", constant(f32x4, 0)));
  builder.for("round", 0, rounds, () => {
    builder.for("k", 0, depth, (k) => {
      const right = Array.from({ length: vectors }, (_, j) =>
        builder.let("b", builder.load(b, add(op("mul", k, vectors * 4), j * 4), 4)),
      );
      for (let row = 0; row < rows; row++) {
        const left = builder.let("a", splat(builder.load(a, add(k, row * depth)), 4));
        for (const [j, vector] of right.entries()) {
          const sum = sums[row * vectors + j]!;
          builder.assign(sum, op("fma", left, vector, read(sum)));
        }
      }
    });
  });
  for (const [i, sum] of sums.entries()) builder.store(out, i * 4, read(sum));
  return builder.finish();
}

/** Parts of the memory that are read and written in turn: processors fetch ahead for each of them. */
const streams = 4;

/** One pass over all parts, a cache line of each at a time. */
function forLines(builder: KernelBuilder, bytes: number, visit: (index: Expr, vector: number) => void): void {
  const line = 16;
  const part = Math.floor(bytes / 4 / streams / line) * line;
  const pass = (i: Expr): void => {
    for (let stream = 0; stream < streams; stream++) {
      for (let vector = 0; vector < line / 4; vector++) visit(add(i, stream * part + vector * 4), vector);
    }
  };
  builder.for("i", 0, part, pass, { step: line });
}

function readKernel(bytes: number): Kernel {
  const builder = new KernelBuilder("read");
  const source = builder.buffer("source", "float32", "read", bytes / 4);
  const out = builder.buffer("out", "float32", "write", 16);
  const sums = Array.from({ length: 4 }, () => builder.variable("sum", constant(f32x4, 0)));
  forLines(builder, bytes, (index, vector) => {
    const sum = sums[vector]!;
    builder.assign(sum, op("add", read(sum), builder.load(source, index, 4)));
  });
  for (const [j, sum] of sums.entries()) builder.store(out, j * 4, read(sum));
  return builder.finish();
}

function copyKernel(bytes: number): Kernel {
  const builder = new KernelBuilder("copy");
  const source = builder.buffer("source", "float32", "read", bytes / 4);
  const target = builder.buffer("target", "float32", "write", bytes / 4);
  forLines(builder, bytes, (index) => builder.store(target, index, builder.load(source, index, 4)));
  return builder.finish();
}

/** Milliseconds of the fastest run of a module that has nothing but this kernel. */
function fastest(kernel: Kernel, relaxedSimd: boolean, ms: number): number {
  const run = instantiate(kernel, relaxedSimd);
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + ms;
  // The first runs are those of the engine's baseline compiler.
  for (let runs = 0; runs < 5 || performance.now() < end; runs++) {
    const started = performance.now();
    run();
    best = Math.min(best, performance.now() - started);
  }
  return best;
}

function instantiate(kernel: Kernel, relaxedSimd: boolean): () => void {
  const optimised = loopPasses(3).reduce((current, pass) => pass.run(current), kernel);
  const program = programOf(optimised);
  const { wasm } = emitModule({
    program,
    plan: planMemory(program),
    memoryLimit: 2 ** 30,
    features: { simd: true, relaxedSimd },
    optimize: 3,
    metadata: () => new Uint8Array(),
    embed: [],
  });
  const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  const { memory, run } = new WebAssembly.Instance(module).exports;
  // Pages that nobody has written to are one and the same page of zeros, which is read from the nearest cache. Ones, since
  // products of very small numbers take a processor several times as long.
  new Float32Array((memory as WebAssembly.Memory).buffer).fill(1);
  return run as () => void;
}

/** One call of the kernel, on buffers of its own. */
function programOf(kernel: Kernel): Program {
  const buffers = kernel.buffers.map(
    ({ name, access, elements }): ProgramBuffer => ({
      name,
      dtype: "float32",
      byteLength: elements! * 4,
      kind: access === "read" ? "input" : "output",
    }),
  );
  const [inputs, outputs] = (["input", "output"] as const).map((kind) =>
    buffers.filter((buffer) => buffer.kind === kind),
  ) as [ProgramBuffer[], ProgramBuffer[]];
  const shapeOf = ({ byteLength }: ProgramBuffer) => [(byteLength as number) / 4];
  const args = buffers.map((buffer) => ({ buffer, byteOffset: 0 }));
  return {
    name: kernel.name,
    buffers,
    steps: [{ kind: "call", kernel, args, sizes: [], source: [], flops: 0, inPlace: [] }],
    inputs,
    outputs,
    inputShapes: inputs.map(shapeOf),
    outputShapes: outputs.map(shapeOf),
    errors: [],
  };
}
