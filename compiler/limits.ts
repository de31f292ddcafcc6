/** Bounds that hold while a model is compiled, so that a hostile one ends in an error and not in a hang. */
export interface Limits {
  /** Nodes in the model after functions are inlined, subgraphs included. */
  nodes: number;
  /** Depth of nested subgraphs, functions and protobuf messages. */
  nesting: number;
  /** Bytes of constants that folding may create, in total. */
  foldedBytes: number;
  /** Elements of any one tensor. */
  tensorElements: number;
  /** Bytes of linear memory of the compiled module. */
  memoryBytes: number;
}

export const defaultLimits: Limits = {
  nodes: 200_000,
  nesting: 64,
  foldedBytes: 512 * 1024 * 1024,
  tensorElements: 2 ** 30,
  memoryBytes: 2 ** 32 - 65536,
};
