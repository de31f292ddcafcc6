/**
 * What an operator is. Everything Kiln knows of an operator is declared in one record: its versions and attributes
 * (read by the importer and the documentation), type and shape inference, evaluation on known tensors (constant
 * folding and tests), and how it becomes code.
 *
 * Code comes from exactly one facet:
 *   pointwise   one result element from the elements at the same (broadcast) place
 *   injective   one result element from elements at computed places (data movement)
 *   view        the input's memory seen with other strides; falls back to `injective` where it cannot be
 *   lower       kernels of its own
 *   expand      other operators, put in its place when the model is imported
 */

import { type ErrorPlace, KilnError } from "../diagnostics.js";
import { type Dim, equalDims, isStatic } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Attributes, AttributeValue, Node, TensorType, Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import type { Border, Target } from "../lowering/scope.js";
import type { Strided } from "../lowering/strided.js";
import type { GraphBuilder } from "./builder.js";
import { decodeElements } from "./numbers.js";
import type { Reach } from "./reach.js";

// ---------------------------------------------------------------------------------------------- attributes

export type AttributeKind = "int" | "float" | "string" | "ints" | "floats" | "strings" | "tensor";

interface KindTypes {
  int: number;
  float: number;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
  strings: readonly string[];
  tensor: TensorData;
}

export interface AttributeSpec<K extends AttributeKind = AttributeKind, Optional extends boolean = boolean> {
  readonly kind: K;
  readonly optional: Optional;
  readonly default?: KindTypes[K];
}

export type AttributeSchema = Readonly<Record<string, AttributeSpec>>;

type AttributeType<S> =
  S extends AttributeSpec<infer K, infer Optional>
    ? Optional extends true
      ? KindTypes[K] | undefined
      : KindTypes[K]
    : never;

/** The attributes of a node as its operator's code sees them: typed, defaults filled in. */
export type AttributesOf<S extends AttributeSchema> = { readonly [N in keyof S]: AttributeType<S[N]> };

/** An attribute with a default, one that must be there (`required`), or one that may be absent (`optional`). */
const maker =
  <K extends AttributeKind>(kind: K) =>
  (value: KindTypes[K]): AttributeSpec<K, false> => ({ kind, optional: false, default: value });

export const attribute = {
  int: maker("int"),
  /** Attributes are float32 in a model, so their defaults are as well. */
  float: (value: number) => maker("float")(Math.fround(value)),
  string: maker("string"),
  ints: maker("ints"),
  floats: maker("floats"),
  strings: maker("strings"),
  required: <K extends AttributeKind>(kind: K): AttributeSpec<K, false> => ({ kind, optional: false }),
  optional: <K extends AttributeKind>(kind: K): AttributeSpec<K, true> => ({ kind, optional: true }),
};

// ---------------------------------------------------------------------------------------------- contexts

/** A node as seen by inference: inputs with types, and known elements where there are any. */
export interface NodeView<S extends AttributeSchema = AttributeSchema> {
  readonly node: Node;
  readonly attributes: AttributesOf<S>;
  /** The i-th input; an E_MODEL error where it is absent. */
  input(i: number): Value;
  /** The i-th input, or null where it is absent. */
  optional(i: number): Value | null;
  readonly inputCount: number;
  /** Elements of the i-th input as dims: constants or shape arithmetic; null where they are not known. */
  elements(i: number): readonly Dim[] | null;
  /** As `elements`, but an error naming the input where they are not known at compile time. */
  requireElements(i: number): readonly Dim[];
  /** The same of an input that must hold integers: shapes, axes, amounts. */
  requireIntegers(i: number): readonly Dim[];
  /**
   * Says that two dims must be equal: an error where they are known not to be, a check at run time where that is open.
   */
  requireEqual(a: Dim, b: Dim, reason: string): void;
  /** Raises an error that names the node. */
  fail(reason: string, code?: "E_MODEL" | "E_SHAPE" | "E_UNSUPPORTED" | "E_LIMIT", hint?: string): never;
}

/** Access to the elements of a node's inputs while code for one result element is made. */
export interface ElementContext<S extends AttributeSchema = AttributeSchema> extends NodeView<S> {
  /** The element of the i-th input at these indices (one for each of its dims). */
  load(i: number, indices: readonly Expr[]): Expr;
  /** A dim as an i32 expression: a constant where it is static. */
  dim(dim: Dim): Expr;
}

export interface EvaluationContext<S extends AttributeSchema = AttributeSchema> {
  readonly attributes: AttributesOf<S>;
  readonly node: Node;
  /** The node as inference sees it, for what both must agree on. */
  readonly view: NodeView<S>;
  /** Null where the input is absent. */
  readonly inputs: readonly (TensorData | null)[];
  input(i: number): TensorData;
  /** The inferred output types, all static. */
  readonly outputs: readonly { dtype: DType; dims: readonly number[] }[];
  /** See `EvaluationOptions`: for evaluation that interprets kernels. */
  readonly onLoop?: ((passes: number) => void) | undefined;
}

// ---------------------------------------------------------------------------------------------- facets

export interface PointwiseFacet<S extends AttributeSchema> {
  /** The result element from the operands' elements, scalar or vector. Operands have the inputs' dtypes. */
  emit(args: readonly Expr[], context: NodeView<S>): Expr;
  /**
   * The same on JavaScript numbers, correct after rounding to the result's dtype. It may be given only where that
   * holds; folding skips integers beyond 2^53.
   */
  evaluate(
    args: readonly number[],
    context: { attributes: AttributesOf<S>; dtypes: readonly DType[] },
  ): number;
}

/** What the elements of an input must be for the node to have a result. */
export interface ElementCheck {
  readonly input: number;
  /** What the elements are: "index", "axis". */
  readonly what: string;
  /** What is wrong where one is out of range; made of `what` and the ranges where absent. */
  readonly message?: string;
  /**
   * Least value of an element, and the end of its values. Where there are several, they are for the places along the
   * input's last dim, one each.
   */
  readonly ranges: readonly { readonly least: Dim; readonly end: Dim }[];
}

export interface OperatorVersion {
  readonly since: number;
  /** The attributes of this version, where they differ from the current ones. */
  readonly attributes?: AttributeSchema;
  /** The inputs of this version, where they differ from the current ones. */
  readonly inputs?: readonly string[];
  /** Rewrites a node of this version to current operators; absent where the node is current as it stands. */
  readonly upgrade?: (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode) => Value[];
}

/** A graph that a node has as an attribute. */
export interface GraphBody {
  readonly inputCount: number;
  /** Puts the graph's nodes behind those at hand, with these values as its inputs, and gives its outputs. */
  readonly inline: (inputs: readonly Value[]) => Value[];
}

/** A node on its way into the graph, as `upgrade` and `expand` see it. Attributes are complete. */
export interface ImportedNode<S extends AttributeSchema = AttributeSchema> {
  readonly attributes: AttributesOf<S>;
  readonly name: string;
  readonly outputCount: number;
  /** The graphs that the node has as attributes, by the names in `graphs`. */
  readonly bodies: ReadonlyMap<string, GraphBody>;
  /** Raises an error that names the node; E_MODEL unless another code is given. */
  fail(reason: string, code?: "E_MODEL" | "E_SHAPE" | "E_UNSUPPORTED" | "E_LIMIT", hint?: string): never;
}

/** An old version with attributes (and inputs) of its own, typed for its rewrite to current operators. */
export function oldVersion<const S extends AttributeSchema>(
  since: number,
  attributes: S,
  upgrade: (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode<S>) => Value[],
  inputs?: readonly string[],
): OperatorVersion {
  return {
    since,
    attributes,
    upgrade,
    ...(inputs !== undefined && { inputs }),
  } as unknown as OperatorVersion;
}

export interface OperatorFacets<S extends AttributeSchema> {
  readonly name: string;
  /** ONNX domain; "" is ai.onnx, "kiln" holds operators that only passes make. */
  readonly domain?: string;
  readonly summary: string;
  /** Names of the inputs, `?` behind optional ones, `...` behind a variadic last one. */
  readonly inputs: readonly string[];
  /** Element types of the first input that are taken; all where absent. */
  readonly types?: readonly DType[];
  readonly attributes: S;
  readonly versions: readonly OperatorVersion[];
  /** Types of the outputs. Raises E_SHAPE or E_MODEL where the inputs do not fit. */
  readonly infer: (context: NodeView<S>) => TensorType[];
  /** Elements of the first output as dims, for shape arithmetic. */
  readonly elements?: (context: NodeView<S>) => readonly Dim[] | null;
  /** Null where the result cannot be had exactly here (integers beyond 2^53): it is then left to run time. */
  readonly evaluate?: (context: EvaluationContext<S>) => TensorData[] | null;
  /** What must hold of elements that are known at run time only. */
  readonly checks?: (context: NodeView<S>) => readonly ElementCheck[];
  /** Multiply-adds count two. */
  readonly flops?: (context: NodeView<S>) => number;

  readonly pointwise?: PointwiseFacet<S>;
  readonly injective?: (context: ElementContext<S>, indices: readonly Expr[]) => Expr;
  /** Where the `output`-th result lies in the memory of the first input. */
  readonly view?: (context: NodeView<S>, input: Strided, output: number) => Strided | null;
  readonly lower?: (context: LoweringContext<S>) => void;
  /** The elements of its results are elements of its inputs, as those of `injective` and `view` always are. */
  readonly moves?: true;
  /** The kernels of `lower` can apply pointwise operators to their results before these are stored. */
  readonly epilogue?: boolean;
  /** The kernels of `lower` read their first input through `load`, so pointwise producers can be part of them. */
  readonly prologue?: boolean;
  /** Physical order of dims that the kernels want of each input and make of the output. */
  readonly layout?: (context: NodeView<S>) => LayoutWish;
  /** Zeros that the kernels read around their first input, so that its producer can leave room for them. */
  readonly border?: (context: NodeView<S>, target: Target) => Border | null;
  /** How far the result's places see, where parts of it can be made of parts of the inputs; pointwise ones need none. */
  readonly reach?: (context: NodeView<S>) => Reach | null;
  /** Attributes that are graphs, for `expand` to put in place. None of them need be there. */
  readonly graphs?: readonly string[];
  /** For operators that only exist as others. */
  readonly expand?: (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode<S>) => Value[];
}

export type LayoutChoice = "row-major" | "channels-last" | "any";

export interface LayoutWish {
  readonly inputs: readonly LayoutChoice[];
  /** "follow": that of the first input. */
  readonly output: "row-major" | "channels-last" | "follow";
}

/** An operator with its attribute types forgotten, as the registry keeps it. */
export type Operator = Omit<OperatorFacets<AttributeSchema>, "domain"> & { readonly domain: string };

/** Declares an operator. The attribute schema gives the types of `attributes` in every facet. */
export function defineOperator<const S extends AttributeSchema>(facets: OperatorFacets<S>): Operator {
  return { domain: "", ...facets } as unknown as Operator;
}

type ExpansionFacets<S extends AttributeSchema> = Pick<
  OperatorFacets<S>,
  "name" | "domain" | "summary" | "inputs" | "types" | "attributes" | "graphs" | "versions"
> & { readonly expand: NonNullable<OperatorFacets<S>["expand"]> };

/** Declares an operator that is made of others when it is imported, so that no node of a graph ever has it. */
export function defineExpansion<const S extends AttributeSchema>(facets: ExpansionFacets<S>): Operator {
  const infer = () => {
    throw new KilnError(
      "E_INTERNAL",
      `${facets.name} stands in a graph, where others should be in its place`,
    );
  };
  return defineOperator<S>({ ...facets, infer });
}

// ---------------------------------------------------------------------------------------------- node view

/** Two dims of a node that must be equal when it runs. */
export interface DimConstraint {
  readonly a: Dim;
  readonly b: Dim;
  readonly reason: string;
}

/** Raised where shapes depend on elements that nobody knows; the importer then makes symbols of them. */
export class UnknownElementsError extends KilnError {
  constructor(
    /** Number of the input. */
    readonly input: number,
    reason: string,
    place: ErrorPlace,
  ) {
    super("E_UNSUPPORTED", reason, place);
  }
}

/**
 * Fills in defaults and checks kinds; errors name the node.
 *
 * @param constraints takes what must be checked at run time
 */
export function viewNode(operator: Operator, node: Node, constraints?: DimConstraint[]): NodeView {
  const name = node.source[0] ?? node.outputs[0]?.name ?? "";
  const fail = (
    reason: string,
    code: "E_MODEL" | "E_SHAPE" | "E_UNSUPPORTED" | "E_LIMIT" = "E_MODEL",
    hint?: string,
  ): never => {
    throw new KilnError(code, reason, {
      node: name,
      operator: node.operator,
      ...(hint !== undefined && { hint }),
    });
  };
  const view: NodeView = {
    node,
    attributes: completeAttributes(operator.attributes, node.attributes, fail) as NodeView["attributes"],
    inputCount: node.inputs.length,
    input: (i) => node.inputs[i] ?? fail(`input ${i} (${operator.inputs[i] ?? ""}) is missing`),
    optional: (i) => node.inputs[i] ?? null,
    elements: (i) => elementsOf(node.inputs[i] ?? null),
    requireElements: (i) => {
      const elements = elementsOf(view.input(i));
      if (elements !== null) return elements;
      const reason = `input ${operator.inputs[i] ?? i} ("${view.input(i).name}") must be known at compile time`;
      throw new UnknownElementsError(i, reason, {
        node: name,
        operator: node.operator,
        hint: "fold it before exporting, or bind the dims it is computed from",
      });
    },
    requireIntegers: (i) => {
      const { dtype } = view.input(i);
      if (dtype !== "int32" && dtype !== "int64") {
        fail(`input ${operator.inputs[i] ?? i} holds ${dtype}, not int64 or int32`);
      }
      return view.requireElements(i);
    },
    requireEqual: (a, b, reason) => {
      if (equalDims(a, b)) return;
      if (isStatic(a) && isStatic(b)) fail(reason, "E_SHAPE");
      constraints?.push({ a, b, reason });
    },
    fail,
  };
  return view;
}

/** Raises E_UNSUPPORTED unless the operator takes a first input of this type. */
export function checkType(
  { types }: Pick<Operator, "types">,
  first: Value | null | undefined,
  fail: NodeView["fail"],
): void {
  if (types === undefined || first == null || types.includes(first.dtype)) return;
  fail(`does not take ${first.dtype}`, "E_UNSUPPORTED");
}

/** Known elements of an integer tensor: those of a constant, or those that shape arithmetic found. */
export function elementsOf(value: Value | null): readonly Dim[] | null {
  if (value === null) return null;
  if (value.elements !== null) return value.elements;
  const data = value.constant;
  if (data === null || data.data.length > 4096) return null;
  return Array.from(decodeElements(data));
}

export function completeAttributes(
  schema: AttributeSchema,
  given: Readonly<Record<string, AttributeValue | undefined>>,
  fail: (reason: string) => never,
): Attributes {
  const complete: Record<string, AttributeValue> = {};
  for (const [name, spec] of Object.entries(schema)) {
    const value = given[name] ?? spec.default;
    if (value !== undefined) complete[name] = value;
    else if (!spec.optional) fail(`attribute ${name} is missing`);
  }
  return complete;
}
