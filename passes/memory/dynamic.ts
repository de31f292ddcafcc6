/**
 * Memory of modules whose buffers have lengths that depend on symbols.
 *
 * The module keeps a cell (an i32 in memory) for every symbol and for every expression of symbols that its calls need,
 * and a table of its blocks. When symbols get values (those of the inputs before a run, others at a `Define` step), a
 * kernel computes the cells that depend on them, and the blocks whose length depends on them are placed.
 */

import {
  type Dim,
  type DimExpression,
  dimSymbols,
  evaluateDim,
  isStatic,
  printDim,
  symbolDim,
} from "../../compiler/ir/dim.js";
import { memoryType } from "../../compiler/ir/dtype.js";
import { constant, KernelBuilder, op } from "../../compiler/loop/builder.js";
import { DimCode } from "../../compiler/loop/dim-expr.js";
import type { Buffer, Expr, Kernel } from "../../compiler/loop/ir.js";
import {
  type CallArgument,
  type Define,
  listsOf,
  type Program,
  type ProgramBuffer,
  type Step,
} from "../../compiler/loop/program.js";
import { alignment, type Block } from "./blocks.js";
import { type BlockTable, placeKernel, tableParts } from "./place-kernel.js";
import { type FixedBlock, lowerBound, placeLargestFirst, type SymbolBounds } from "./plan.js";

/** What happens when symbols get their values. */
export interface Phase {
  /** Kernel over the cells, the table and the buffers that values are read from. */
  readonly kernel: Kernel;
  readonly values: readonly ProgramBuffer[];
  /** The part of the table's lists that is placed then. */
  readonly from: number;
  readonly to: number;
}

/** The size that a symbol without bounds is taken to have when the order of placing is chosen. */
const nominalSize = 128;

/** Addresses are i32. */
const largestMemory = 2 ** 31 - 65536;

export class DynamicPlan {
  /** Runs before the first step, once for each change of the inputs' dims. */
  readonly start: Phase;
  readonly phases = new Map<Define, Phase>();
  readonly placeKernel: Kernel;
  readonly cells: { readonly address: number; readonly byteLength: number };
  readonly table: { readonly address: number; readonly data: Uint8Array };
  /** First address of the arena. */
  readonly arena: number;
  /** Bytes of the arena that the bounds of the symbols make it need; 0 where one has none. */
  readonly reservedBytes: number;
  /** Symbols of the inputs' dims. */
  readonly inputSymbols: readonly string[];

  private readonly cellOf = new Map<string, number>();
  private readonly dims = new Map<string, DimExpression>();
  private readonly blockOf = new Map<ProgramBuffer, number>();
  private readonly lists: number[] = [];
  private readonly nominal: Map<string, number>;
  private readonly isBounded: boolean;
  private readonly tableShape: BlockTable;

  static isNeeded({ buffers, steps, inputShapes, outputShapes }: Program): boolean {
    const hasDefinitions = (list: readonly Step[]): boolean =>
      list.some((step) => step.kind === "define" || listsOf(step).some(hasDefinitions));
    return (
      buffers.some(({ byteLength }) => !isStatic(byteLength)) ||
      [...inputShapes, ...outputShapes].some((shape) => !shape.every(isStatic)) || // also without elements
      hasDefinitions(steps)
    );
  }

  constructor(
    program: Program,
    private readonly blocks: readonly Block[],
    address: number,
    bounds: SymbolBounds,
  ) {
    this.inputSymbols = [...symbolsOf(program)];
    this.nominal = new Map();
    const symbols = new Set<string>(this.inputSymbols);
    collectSymbols(program, symbols);
    for (const name of symbols) this.nominal.set(name, bounds.get(name)?.max ?? nominalSize);
    this.isBounded = [...symbols].every((name) => bounds.has(name));
    for (const name of symbols) this.cellOf.set(symbolKey(name), this.cellOf.size);
    for (const dim of dimsOf(program)) this.need(dim);
    blocks.forEach((block, i) => {
      for (const buffer of block.buffers) this.blockOf.set(buffer, i);
    });
    const known = new Set(this.inputSymbols);
    const startDraft = this.draft(new Set(known), known, null);
    const drafts = new Map<Define, Draft>();
    this.visit(program.steps, known, drafts);
    this.tableShape = { blocks: blocks.length, listed: this.lists.length };
    this.cells = { address, byteLength: 4 * this.cellOf.size };
    const tableAddress = align(address + this.cells.byteLength);
    this.arena = align(tableAddress + 4 * tableParts(this.tableShape).length);
    this.table = { address: tableAddress, data: this.tableData() };
    this.start = this.phase(startDraft, "start");
    for (const [define, draft] of drafts) {
      this.phases.set(define, this.phase(draft, `define_${this.phases.size + 1}`));
    }
    this.placeKernel = placeKernel(this.tableShape, this.arena, program.errors.length + 1);
    this.reservedBytes = this.isBounded ? placeLargestFirst(this.fixedBlocks()) : 0;
  }

  /** Address of the cell that holds the value of an expression. */
  cellAddress(dim: DimExpression): number {
    return this.cells.address + 4 * this.cellOf.get(printDim(dim))!;
  }

  symbolAddress(name: string): number {
    return this.cells.address + 4 * this.cellOf.get(symbolKey(name))!;
  }

  /** Address of the cell that holds the address of a buffer. */
  addressCell(buffer: ProgramBuffer): number {
    const block = this.blockOf.get(buffer)!;
    return this.table.address + 4 * (tableParts(this.tableShape).address + block);
  }

  /** Address of the number of placed blocks, and of the first byte behind them. */
  get counters(): { count: number; end: number } {
    const { count, end } = tableParts(this.tableShape);
    return { count: this.table.address + 4 * count, end: this.table.address + 4 * end };
  }

  /** No block may reach this address. */
  limit(memoryBytes: number): number {
    return Math.min(memoryBytes, largestMemory);
  }

  lowerBound(steps: number): number {
    return this.isBounded ? lowerBound(this.fixedBlocks(), steps) : 0;
  }

  /** The blocks with the lengths that the symbols' largest values give. */
  private fixedBlocks(): FixedBlock[] {
    return this.blocks.map((block) => fixedBlock(block, this.nominal));
  }

  /** Values of all symbols: these, and for others what the order of placing supposes. */
  valuesAt(sizes: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    return new Map([...this.nominal, ...sizes]);
  }

  /** The blocks as they are when all symbols have these values, in the order in which a run places them. */
  blocksAt(values: ReadonlyMap<string, number>): FixedBlock[] {
    return this.lists.map((i) => fixedBlock(this.blocks[i]!, values));
  }

  private need(dim: Dim): void {
    if (isStatic(dim)) return;
    const text = printDim(dim);
    if (this.dims.has(text)) return;
    this.dims.set(text, dim);
    if (!this.cellOf.has(text)) this.cellOf.set(text, this.cellOf.size);
  }

  private visit(steps: readonly Step[], known: Set<string>, drafts: Map<Define, Draft>): void {
    for (const step of steps) {
      if (step.kind === "define") {
        const names = step.symbols.map(({ name }) => name);
        for (const name of names) known.add(name);
        drafts.set(step, this.draft(new Set(names), known, step));
      }
      for (const inner of listsOf(step)) this.visit(inner, known, drafts);
    }
  }

  /** What depends on symbols that get their values now, and on none that has none yet. */
  private draft(defined: ReadonlySet<string>, known: ReadonlySet<string>, step: Define | null): Draft {
    const isDue = (dim: Dim): boolean => {
      const names = [...dimSymbols(dim)];
      const depends = step === null || names.some((name) => defined.has(name));
      return depends && names.every((name) => known.has(name));
    };
    const due = this.blocks.flatMap((block, i) => (isDue(block.bytes) ? [i] : []));
    const size = (i: number) => evaluateDim(this.blocks[i]!.bytes, this.nominal);
    due.sort((a, b) => size(b) - size(a) || this.blocks[a]!.first - this.blocks[b]!.first);
    const from = this.lists.length;
    this.lists.push(...due);
    const dims = [...this.dims.values()].filter(isDue);
    return { step, dims, blocks: due, from, to: this.lists.length };
  }

  private phase({ step, dims, blocks, from, to }: Draft, name: string): Phase {
    const k = new KernelBuilder(name);
    const cells = k.buffer("cells", "int32", "readwrite", this.cellOf.size);
    const table = k.buffer("table", "int32", "readwrite", tableParts(this.tableShape).length);
    const values: ProgramBuffer[] = [];
    const parameters = new Map<ProgramBuffer, Buffer>();
    const cell = (symbol: string): Expr => k.load(cells, this.cellOf.get(symbolKey(symbol))!);
    const element = (buffer: ProgramBuffer, index: number): Expr => {
      if (!parameters.has(buffer)) {
        parameters.set(buffer, k.buffer(`v${values.length}`, memoryType(buffer.dtype), "read", null));
        values.push(buffer);
      }
      return asIndex(k.load(parameters.get(buffer)!, index));
    };
    const before = new DimCode(k, (symbol) => k.let("symbol", cell(symbol)));
    const fresh = new Map<string, Expr>();
    for (const { name: symbol, value } of step?.symbols ?? []) {
      const isElement = typeof value === "object" && "buffer" in value;
      const given = isElement ? element(value.buffer, value.index) : before.value(value);
      fresh.set(symbol, k.let("given", given));
    }
    for (const [symbol, value] of fresh) k.store(cells, this.cellOf.get(symbolKey(symbol))!, value);
    const code = new DimCode(k, (symbol) => fresh.get(symbol) ?? k.let("symbol", cell(symbol)));
    for (const dim of dims) k.store(cells, this.cellOf.get(printDim(dim))!, code.value(dim));
    const { bytes } = tableParts(this.tableShape);
    for (const block of blocks) {
      const length = this.blocks[block]!.bytes;
      if (!isStatic(length)) k.store(table, bytes + block, code.value(length));
    }
    return { kernel: k.finish(), values, from, to };
  }

  private tableData(): Uint8Array {
    const parts = tableParts(this.tableShape);
    const data = new Int32Array(parts.length);
    data[parts.end] = this.arena;
    this.blocks.forEach((block, i) => {
      data[parts.first + i] = block.first;
      data[parts.last + i] = block.last;
      if (isStatic(block.bytes)) data[parts.bytes + i] = block.bytes;
    });
    data.set(this.lists, parts.lists);
    return new Uint8Array(data.buffer);
  }
}

interface Draft {
  readonly step: Define | null;
  readonly dims: readonly DimExpression[];
  readonly blocks: readonly number[];
  readonly from: number;
  readonly to: number;
}

const fixedBlock = (block: Block, values: ReadonlyMap<string, number>): FixedBlock => ({
  ...block,
  bytes: Math.max(0, evaluateDim(block.bytes, values)),
  offset: 0,
});

const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** The text of the dim that is the symbol alone. */
const symbolKey = (name: string): string => printDim(symbolDim(name));

/** Integers beyond i32 are limited to it. */
function asIndex(value: Expr): Expr {
  if (value.type.scalar !== "i64") return value;
  const least = constant(value.type, -(2n ** 31n));
  const most = constant(value.type, 2n ** 31n - 1n);
  return op("i64_to_i32", op("min_s", op("max_s", value, least), most));
}

/** Symbols of the inputs' shapes. */
function symbolsOf({ inputShapes }: Program): Set<string> {
  const names = new Set<string>();
  for (const dim of inputShapes.flat()) dimSymbols(dim, names);
  return names;
}

function collectSymbols({ steps }: Pick<Program, "steps">, names: Set<string>): void {
  for (const step of steps) {
    if (step.kind === "define") for (const { name } of step.symbols) names.add(name);
    for (const inner of listsOf(step)) collectSymbols({ steps: inner }, names);
  }
}

/** The dims whose values the steps and the host ask for. */
function dimsOf(program: Program): Dim[] {
  const ofArgument = (argument: CallArgument | null): Dim[] =>
    argument === null ? [] : [argument.byteOffset];
  const ofStep = (step: Step): Dim[] => {
    switch (step.kind) {
      case "call":
        return [...step.sizes, ...step.args.flatMap(ofArgument)];
      case "define":
        return [];
      case "require":
        return [step.a, step.b];
      case "branch":
        return [...ofArgument(step.condition), ...[...step.whenTrue, ...step.whenFalse].flatMap(ofStep)];
      case "repeat":
        return [...ofArgument(step.trips), ...ofArgument(step.condition), ...step.body.flatMap(ofStep)];
      case "once":
        return step.body.flatMap(ofStep);
    }
  };
  return [...program.steps.flatMap(ofStep), ...program.outputShapes.flat()];
}
