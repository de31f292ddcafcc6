/** Errors that Kiln raises on purpose. Each has a stable code, and says where and what to do about it. */

export type ErrorCode =
  | "E_DECODE" // the bytes are not a valid ONNX model
  | "E_MODEL" // the model contradicts the ONNX specification
  | "E_UNSUPPORTED" // valid, but Kiln cannot compile it
  | "E_SHAPE" // shapes or types do not fit, or a dimension is unknown
  | "E_LIMIT" // a limit on size, memory, nodes or nesting was exceeded
  | "E_EXTERNAL_DATA" // external tensor data is missing, outside its folder or of the wrong size
  | "E_INPUT" // a feed, option or file given by the user does not fit
  | "E_PARSE" // IR text does not parse
  | "E_INTERNAL"; // a compiler invariant was broken: a bug in Kiln

export interface ErrorPlace {
  /** Name of the ONNX node (or of its first output where it has none). */
  node?: string;
  operator?: string;
  pass?: string;
  /** The way round, where there is one. */
  hint?: string;
}

export class KilnError extends Error {
  readonly code: ErrorCode;
  readonly place: ErrorPlace;

  constructor(code: ErrorCode, message: string, place: ErrorPlace = {}) {
    super(describe(message, place));
    this.name = "KilnError";
    this.code = code;
    this.place = place;
  }
}

function describe(message: string, place: ErrorPlace): string {
  const where = [
    place.node !== undefined ? `node "${place.node}"` : "",
    place.operator !== undefined ? `(${place.operator})` : "",
    place.pass !== undefined ? `in pass ${place.pass}` : "",
  ]
    .filter((part) => part !== "")
    .join(" ");
  const hint = place.hint !== undefined ? `\n  hint: ${place.hint}` : "";
  return `${where === "" ? "" : `${where}: `}${message}${hint}`;
}

/** One thing that keeps a model from being compiled; `check` lists them all at once. */
export interface UnsupportedNode {
  node: string;
  operator: string;
  domain: string;
  opset: number;
  reason: string;
}

/** Every unsupported node of a model, in one error. */
export class UnsupportedModelError extends KilnError {
  readonly nodes: readonly UnsupportedNode[];

  constructor(nodes: readonly UnsupportedNode[]) {
    const lines = nodes
      .slice(0, 20)
      .map((n) => `  node "${n.node}" (${n.operator}, opset ${n.opset}): ${n.reason}`);
    if (nodes.length > 20) lines.push(`  ... and ${nodes.length - 20} more`);
    super("E_UNSUPPORTED", `${nodes.length} node(s) cannot be compiled:\n${lines.join("\n")}`);
    this.name = "UnsupportedModelError";
    this.nodes = nodes;
  }
}

/** Raises E_INTERNAL unless the condition holds; for invariants, never for user input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new KilnError("E_INTERNAL", `invariant broken: ${message}`);
}
