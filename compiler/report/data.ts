/** What the HTML report is made from. It travels as JSON; the page's script reads the same types. */

import type { ProfiledCall } from "../../runtime/metadata.js";

export interface ReportData {
  readonly name: string;
  /** What the head of the page says: what it is, and its value. */
  readonly facts: readonly (readonly [string, string])[];
  /** Lines of all texts, each once; texts are lists of their places. */
  readonly lines: readonly string[];
  readonly stages: readonly StageData[];
  readonly calls: readonly CallData[];
  readonly kernels: readonly KernelData[];
  readonly memory: MemoryData;
  readonly weights: readonly { readonly name: string; readonly bytes: number }[];
  readonly profile: ProfileSummary | null;
}

export interface StageData {
  readonly name: string;
  readonly ir: "graph" | "loop";
  readonly ms: number;
  /** Nodes of a graph, calls of a program. */
  readonly nodes: number;
  /** The IR after the stage; null where it is that of the stage before. */
  readonly text: readonly number[] | null;
  /** The graph after the stage, where that is a graph and has changed. */
  readonly graph: GraphData | null;
}

export interface GraphData {
  readonly nodes: readonly NodeData[];
  /** Places of two nodes, and the type of the value between them. */
  readonly edges: readonly (readonly [number, number, string])[];
}

export interface NodeData {
  readonly kind: "node" | "input" | "output";
  readonly operator: string;
  readonly source: readonly string[];
  readonly types: readonly string[];
  /** Weights that it reads. */
  readonly constants: readonly string[];
  /** The operators of a fusion. */
  readonly inner: readonly { readonly operator: string; readonly source: readonly string[] }[];
  /** The calls of the program that compute it. */
  readonly calls: readonly number[];
}

export interface CallData extends ProfiledCall {
  /** Mean time in a run; null where there is no profile. */
  readonly ms: number | null;
}

export interface KernelData {
  readonly name: string;
  /** No call of its own: others run it, and have its FLOPs. */
  readonly isPart: boolean;
  readonly codeBytes: number;
  readonly flops: number;
  readonly loops: readonly number[];
  readonly wat: readonly number[];
}

export interface MemoryData {
  readonly buffers: readonly BufferData[];
  readonly weightBytes: number;
  readonly arenaAddress: number;
  readonly arenaBytes: number;
  readonly arenaLowerBound: number;
  readonly unsharedBytes: number;
  readonly memoryBytes: number;
  /** The call at which the most bytes are live. */
  readonly peak: number;
  /** Sizes are open, so that addresses are known only when the model runs: these are those of one run. */
  readonly isOpen: boolean;
  /** Open dims of the inputs, and what they are in that run. */
  readonly sizes: readonly (readonly [string, number])[];
}

export interface BufferData {
  readonly name: string;
  readonly kind: string;
  readonly address: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface ProfileSummary {
  readonly runMs: number;
  readonly kernelMs: number;
  readonly runs: number;
  readonly roofline: readonly (readonly [string, string])[];
  /** What kernels are measured against. */
  readonly roof: { readonly gflops: number; readonly gigabytesPerSecond: number };
  readonly kernels: readonly {
    readonly kernel: string;
    readonly calls: number;
    readonly ms: number;
    readonly share: number;
    readonly gflops: number;
    readonly gigabytesPerSecond: number;
    readonly bytes: number;
    /** FLOPs for each byte. */
    readonly intensity: number;
    readonly bound: string;
    readonly ofRoof: number;
  }[];
}
