/** Bounds that hold while a model is compiled, so that a hostile one ends in an error and not in a hang. */
export interface Limits {
  /** Nodes in the model after functions are inlined, subgraphs included. */
  nodes: number;
  /** Depth of nested subgraphs, functions and protobuf messages. */
  nesting: number;
  /** Bytes of constants that folding may create, in total. */
  foldedBytes: number;
  /** Operations on elements that folding may take, in total, beside four for each byte of the model. */
  foldedOperations: number;
  /** Elements of any one tensor. */
  tensorElements: number;
  /** Dims of any one tensor: kernels have a loop for each. */
  rank: number;
  /** Dims of the inputs that are left open. */
  symbols: number;
  /** Bytes of linear memory of the compiled module. */
  memoryBytes: number;
}

export const defaultLimits: Limits = {
  nodes: 200_000,
  nesting: 64,
  foldedBytes: 512 * 1024 * 1024,
  foldedOperations: 2 ** 27,
  tensorElements: 2 ** 30,
  rank: 64,
  symbols: 1024,
  memoryBytes: 2 ** 32 - 65536,
};
