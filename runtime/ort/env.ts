/** Settings for all sessions: the `env` of onnxruntime-common, and what is Kiln's own under `kiln`. */

export declare namespace Env {
  type WasmPathPrefix = string;
  interface WasmFilePaths {
    wasm?: URL | string;
    mjs?: URL | string;
  }
  type WasmPrefixOrFilePaths = WasmPathPrefix | WasmFilePaths;
  /** `numThreads` means what it says; the others are accepted, and say nothing to Kiln, which has no engine to fetch. */
  interface WebAssemblyFlags {
    /** Threads of a session: of a module that was compiled for them, and of models that are compiled here. */
    numThreads?: number;
    simd?: boolean | "fixed" | "relaxed";
    trace?: boolean;
    initTimeout?: number;
    wasmPaths?: WasmPrefixOrFilePaths;
    wasmBinary?: ArrayBufferLike | Uint8Array;
    proxy?: boolean;
  }
  /** Accepted; Kiln does not compute on the GPU. */
  interface WebGLFlags {
    contextId?: "webgl" | "webgl2";
    readonly context: WebGLRenderingContext;
    matmulMaxBatchSize?: number;
    textureCacheMode?: "initializerOnly" | "full";
    pack?: boolean;
    async?: boolean;
  }
  /** Accepted; Kiln does not compute on the GPU. */
  interface WebGpuFlags {
    profilingMode?: "off" | "default";
    profiling: { mode?: "off" | "default"; ondata?: (data: WebGpuProfilingData) => void };
    powerPreference?: "low-power" | "high-performance";
    forceFallbackAdapter?: boolean;
    adapter: unknown;
    get device(): Promise<unknown>;
    set device(value: unknown);
    validateInputContent?: boolean;
  }
  interface WebGpuProfilingDataV1TensorMetadata {
    dims: readonly number[];
    dataType: string;
  }
  interface WebGpuProfilingDataV1 {
    version: 1;
    inputsMetadata: readonly WebGpuProfilingDataV1TensorMetadata[];
    outputsMetadata: readonly WebGpuProfilingDataV1TensorMetadata[];
    kernelId: number;
    kernelType: string;
    kernelName: string;
    programName: string;
    startTime: number;
    endTime: number;
  }
  type WebGpuProfilingData = WebGpuProfilingDataV1;

  /** What concerns Kiln alone: how models are compiled in Node. */
  interface KilnFlags {
    /**
     * Where compiled models are kept; `false` keeps none. By default the folder that the environment variable
     * KILN_CACHE names (none where it is empty) or, without it, `onnx-kiln` in the system's folder for caches.
     */
    cacheFolder?: string | false;
    /** As for `compile`: `{ relaxedSimd: true }` for engines that have it. Threads follow `wasm.numThreads`. */
    features?: { relaxedSimd?: boolean; simd?: boolean };
    /** As for `compile`: no algorithm that changes rounding noticeably. */
    strict?: boolean;
  }
}

export interface Env {
  /** "info" and "verbose" tell when a model is compiled, which takes seconds. Default "warning". */
  logLevel?: "verbose" | "info" | "warning" | "error" | "fatal";
  debug?: boolean;
  trace?: boolean;
  /** The version of onnxruntime-common whose interface this is. */
  readonly versions: {
    readonly common: string;
    readonly web?: string;
    readonly node?: string;
    readonly "react-native"?: string;
  };
  readonly wasm: Env.WebAssemblyFlags;
  readonly webgl: Env.WebGLFlags;
  readonly webgpu: Env.WebGpuFlags;
  readonly kiln: Env.KilnFlags;
  [name: string]: unknown;
}

type LogLevel = NonNullable<Env["logLevel"]>;

const levels: readonly LogLevel[] = ["verbose", "info", "warning", "error", "fatal"];
const version = "1.30.0";

class Settings {
  // Those that onnxruntime-web has once it is initialised; there are apps that read them.
  readonly wasm: Env.WebAssemblyFlags = { initTimeout: 0, proxy: false, trace: false };
  readonly webgl = {} as Env.WebGLFlags;
  readonly webgpu = { profiling: {} } as Env.WebGpuFlags;
  readonly kiln: Env.KilnFlags = {};
  readonly versions = { common: version, web: version };
  private level: LogLevel = "warning";

  get logLevel(): LogLevel {
    return this.level;
  }

  set logLevel(level: LogLevel | undefined) {
    if (level === undefined) return;
    if (!levels.includes(level)) throw new Error(`Unsupported logging level: ${level}`);
    this.level = level;
  }
}

export const env = new Settings() as unknown as Env;

/** Whether messages of this level are wanted. */
export const isLogged = (level: LogLevel): boolean =>
  levels.indexOf(level) >= levels.indexOf(env.logLevel ?? "warning");
