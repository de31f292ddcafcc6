/** Options of `compile`, their defaults, and what a compilation reports. */

import type { PatchedSegment } from "../passes/graph/pass.js";
import type { SymbolBounds } from "../passes/memory/plan.js";
import type { OptimizationLevel } from "../passes/pipeline.js";
import type { ModelMetadata, ProfiledCall } from "../runtime/metadata.js";
import { KilnError } from "./diagnostics.js";
import { defaultLimits, type Limits } from "./limits.js";
import type { Host } from "./loader.js";
import type { Choice } from "./tuning/choice.js";
import type { TuningDatabase } from "./tuning/database.js";

export interface Features {
  /** 128-bit vectors; without them the code is scalar, for hosts that have none. */
  simd: boolean;
  /** Fused multiply-add. Engines without relaxed SIMD refuse the module. */
  relaxedSimd: boolean;
  /** Loops are shared out over threads in one shared memory, which the module imports. */
  threads: boolean;
}

export interface PassEvent {
  readonly index: number;
  readonly name: string;
  /** IR text before and after; made when it is read. */
  readonly before: string;
  readonly after: string;
  readonly ms: number;
}

export interface CompileOptions {
  /** Symbolic dimensions: their value, or bounds of one that stays open. */
  dims?: Record<string, number | { min: number; max: number }>;
  /** Shapes by input name; they override those of the model. */
  inputShapes?: Record<string, readonly number[]>;
  /** Inputs whose next value is an output, by the names of both: the module keeps them from run to run. */
  states?: Readonly<Record<string, string>>;
  features?: Partial<Features>;
  /** 0 to 3, or "s" for small code. Default 3. */
  optimize?: OptimizationLevel;
  /** No algorithm that changes rounding noticeably. */
  strict?: boolean;
  /** Weights inside the module, or in a file of their own beside it. Default "embed". */
  weights?: "embed" | "split";
  /** Gives the bytes of external tensor data. */
  externalData?: (location: string) => Uint8Array | Promise<Uint8Array>;
  limits?: Partial<Limits>;
  /**
   * Most bytes that the arena may take: inputs, results and all between, but for weights. Where the model needs more,
   * stages are computed in patches; where that is not enough, compiling fails. All dims must be bound.
   */
  arenaBytes?: number;
  /**
   * Where `arenaBytes` is absent: computes stages in patches as far as that costs next to nothing, so that the arena
   * gets smaller. Default true; never with threads, nor where `optimize` is 0 or "s".
   */
  patches?: boolean;
  /** Decisions that were measured (`kiln tune`) and take the place of those by cost. */
  tuning?: TuningDatabase;
  /** Told of every decision that measurement could make better; a candidate that it returns is taken. */
  onChoice?: (choice: Choice) => string | undefined;
  /** Checks the IR after every pass. */
  verify?: boolean;
  /**
   * The module tells its host of every kernel that has run, to have them timed: onnx-kiln/runtime/profile does. It
   * imports a function for that, which other modules do not.
   */
  profile?: boolean;
  onPass?: (event: PassEvent) => void;
  /** Called as each stage begins, with its name. Costs nothing, where `onPass` has the IR printed for every pass. */
  onStage?: (name: string) => void;
  /** How the loader gets at the module. Default "web", which suits browsers, bundlers, Node, Deno and Bun. */
  host?: Host;
  /** Name of the model in the metadata; that of the graph where absent. */
  name?: string;
}

export interface CompileReport {
  readonly passes: readonly { name: string; ms: number; nodes: number }[];
  /** Wall time of the whole compilation. */
  readonly compileMs: number;
  /** Nodes of the model, and of the graph that was lowered. */
  readonly nodes: { readonly imported: number; readonly lowered: number };
  /** Multiply-adds of convolutions and matrix products count two. */
  readonly flops: number;
  /** Bytes of the module beside its weights. */
  readonly codeBytes: number;
  readonly weightBytes: number;
  readonly arenaBytes: number;
  /** Largest sum of live bytes at any step: no plan does with less. */
  readonly arenaLowerBoundBytes: number;
  readonly memoryBytes: number;
  /** What was computed in patches; absent where nothing was. */
  readonly patches?: {
    readonly arenaBytesBefore: number;
    /** FLOPs that are computed again, to those of the model without patches. */
    readonly repeatedShare: number;
    readonly segments: readonly PatchedSegment[];
  };
  /**
   * Functions of the module: calls of a run that use each; some are parts of others, which have their FLOPs. With
   * threads, what is shared is done by all of them.
   */
  readonly kernels: readonly {
    readonly name: string;
    readonly calls: number;
    readonly isPart: boolean;
    readonly isShared: boolean;
    readonly codeBytes: number;
  }[];
  /** The calls of `run` in order. */
  readonly calls: readonly ProfiledCall[];
}

export interface Artifact {
  readonly wasm: Uint8Array;
  readonly weights?: Uint8Array;
  /** Loader beside the module, and its typed declaration. */
  readonly js: string;
  readonly dts: string;
  readonly metadata: ModelMetadata;
  readonly report: CompileReport;
}

export const withDefaultLimits = (limits: Partial<Limits> = {}): Limits => ({ ...defaultLimits, ...limits });

/** The dims that the options give bounds for. */
export const symbolBounds = ({ dims = {} }: CompileOptions): SymbolBounds =>
  new Map(
    Object.entries(dims).flatMap(([name, dim]) => (typeof dim === "number" ? [] : [[name, dim] as const])),
  );

/** The features that code is made for, defaults included. Throws E_INPUT where they do not go together. */
export function featuresOf(options: CompileOptions): Features {
  const features: Features = { simd: true, relaxedSimd: false, threads: false, ...options.features };
  if (!features.simd && (features.relaxedSimd || features.threads)) {
    const other = features.relaxedSimd ? "relaxed SIMD" : "threads";
    throw new KilnError("E_INPUT", `scalar code is for hosts without SIMD, which have no ${other} either`);
  }
  if (options.strict && features.relaxedSimd) {
    throw new KilnError("E_INPUT", "strict rules out relaxed SIMD, whose rounding depends on the machine");
  }
  return features;
}
