/** The session of onnxruntime-common as a type, and a constructor of sessions that take compiled modules. */

import { openModule } from "./open.js";
import { createSessionClass } from "./session-class.js";
import type { Tensor } from "./tensor.js";

/** A tensor: other values, such as sequences, do not go in and out. */
export type OnnxValue = Tensor;
export type OnnxValueDataLocation = Tensor.DataLocation;

export type FileUrlOrPath = string;
export type FileBlob = Blob;
export type FileData = Uint8Array | ArrayBufferLike;
export type FileType = FileUrlOrPath | FileBlob | FileData;
export interface ExternalDataFileDescription {
  data: FileType;
  path: string;
}
export type ExternalDataFileType = ExternalDataFileDescription | FileUrlOrPath;
export interface OnnxModelOptions {
  /** Files with the model's external data: needed where the model is given as bytes, or by a URL. */
  externalData?: readonly ExternalDataFileType[];
}

export declare namespace InferenceSession {
  type OnnxValueMapType = { readonly [name: string]: OnnxValue };
  type NullableOnnxValueMapType = { readonly [name: string]: OnnxValue | null };
  type FeedsType = OnnxValueMapType;
  /** Names of outputs, or tensors to write them to (null for new ones). All outputs where absent. */
  type FetchesType = readonly string[] | NullableOnnxValueMapType;
  type ReturnType = OnnxValueMapType;

  /** How a session computes. What is not described has no meaning in Kiln, and is accepted. */
  interface SessionOptions extends OnnxModelOptions {
    /** There are "wasm" and "cpu", which mean the same; others are refused where neither of these is asked for. */
    executionProviders?: readonly ExecutionProviderConfig[];
    /** Threads of this session, in place of `env.wasm.numThreads`. */
    intraOpNumThreads?: number;
    interOpNumThreads?: number;
    /** Values of open dims, by name. For models that are compiled here. */
    freeDimensionOverrides?: { readonly [dimensionName: string]: number };
    /** "disabled" to "all" are levels 0 to 3 of the compiler. */
    graphOptimizationLevel?: "disabled" | "basic" | "extended" | "layout" | "all";
    enableCpuMemArena?: boolean;
    enableMemPattern?: boolean;
    executionMode?: "sequential" | "parallel";
    /** Refused: Kiln makes no ONNX model. */
    optimizedModelFilePath?: string;
    /** As if `startProfiling` were called at once. */
    enableProfiling?: boolean;
    profileFilePrefix?: string;
    logId?: string;
    logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
    logVerbosityLevel?: number;
    /** Only "cpu" and "cpu-pinned". */
    preferredOutputLocation?:
      | OnnxValueDataLocation
      | { readonly [outputName: string]: OnnxValueDataLocation };
    enableGraphCapture?: boolean;
    extra?: Record<string, unknown>;
  }

  interface ExecutionProviderOption {
    readonly name: string;
  }
  type ExecutionProviderName = "wasm" | "cpu";
  type ExecutionProviderConfig =
    | ExecutionProviderOption
    | { readonly name: string; readonly [option: string]: unknown }
    | ExecutionProviderName
    | string;

  interface RunOptions {
    logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
    logVerbosityLevel?: number;
    /** Ends the run before it begins. */
    terminate?: boolean;
    tag?: string;
    extra?: Record<string, unknown>;
  }

  interface ValueMetadataBase {
    readonly name: string;
  }
  interface NonTensorValueMetadata extends ValueMetadataBase {
    readonly isTensor: false;
  }
  interface TensorValueMetadata extends ValueMetadataBase {
    readonly isTensor: true;
    readonly type: Tensor.Type;
    /** A string among the dims names one that is open. */
    readonly shape: ReadonlyArray<number | string>;
  }
  type ValueMetadata = NonTensorValueMetadata | TensorValueMetadata;
}

export interface InferenceSession {
  /**
   * Runs the model; results belong to the caller. Calls are carried out in turn, each before it returns, so feeds may
   * be reused at once. Rejects where a feed is missing, unknown, or of another type or shape.
   */
  run(
    feeds: InferenceSession.FeedsType,
    options?: InferenceSession.RunOptions,
  ): Promise<InferenceSession.ReturnType>;
  run(
    feeds: InferenceSession.FeedsType,
    fetches: InferenceSession.FetchesType,
    options?: InferenceSession.RunOptions,
  ): Promise<InferenceSession.ReturnType>;
  /** Lets go of the model; the session cannot run any more. */
  release(): Promise<void>;
  /** From here on every run is a measure of the host's User Timing, which profilers show and `performance` lists. */
  startProfiling(): void;
  endProfiling(): void;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly InferenceSession.ValueMetadata[];
  readonly outputMetadata: readonly InferenceSession.ValueMetadata[];
}

export interface InferenceSessionFactory {
  create(uri: string, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  create(buffer: ArrayBufferLike, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  create(
    buffer: ArrayBufferLike,
    byteOffset: number,
    byteLength?: number,
    options?: InferenceSession.SessionOptions,
  ): Promise<InferenceSession>;
  create(buffer: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
}

export const InferenceSession: InferenceSessionFactory = createSessionClass(openModule);
