/** If and Loop: nodes with regions of their own. */

import { KilnError } from "../diagnostics.js";
import { type Dim, dimSymbols, equalDims, isStatic, productOfDims, symbolDim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { createNode, type Graph, printType, type TensorType, Value } from "../ir/graph.js";
import { tensorOf } from "../ir/tensor.js";
import type { ImportBuilder } from "./import-builder.js";
import { ChoiceNeeded, type Choices, firstLine } from "./import-choices.js";
import { EitherRank, type Known } from "./import-scope.js";
import type { OnnxGraph, OnnxNode, OnnxValueInfo } from "./model.js";

/** What the importer does for regions. */
export interface RegionImporter {
  readonly builder: ImportBuilder;
  readonly choices: Choices;
  /** A name that no value has. */
  name(hint: string): string;
  /** Imports nodes into a graph of its own. What they use of the graph around becomes an input behind those given. */
  region(name: string, source: OnnxGraph, parts: RegionParts): Body;
}

interface RegionParts {
  readonly inputs: readonly Value[];
  /** Values by the names that the nodes know them by; `capture` brings one of the graph around into the region. */
  readonly bind: (capture: (value: Value) => Value, builder: ImportBuilder) => ReadonlyMap<string, Value>;
  /** The region's outputs. */
  readonly finish: (get: (name: string) => Value, builder: ImportBuilder) => Value[];
}

export const refuse = (reason: string): never => {
  throw new KilnError("E_UNSUPPORTED", reason);
};

export function graphAttribute(node: OnnxNode, name: string): OnnxGraph {
  const found = node.attributes.get(name);
  if (found?.kind === "graph") return found.value;
  throw new KilnError("E_MODEL", `attribute ${name} is not a graph`, {
    node: node.name,
    operator: node.opType,
  });
}

/**
 * An `If` whose condition is known only at run time.
 *
 * @param takesEither whether results that differ in rank are given as such
 * @throws ChoiceNeeded where one of the arms has to be chosen
 */
export function importBranch(
  importer: RegionImporter,
  node: OnnxNode,
  condition: Value,
  occurrence: number,
  takesEither: boolean,
): Known[] {
  const { builder } = importer;
  const [whenTrue, whenFalse] = importArms(importer, node, occurrence);
  const lengthened = alignRanks(builder, whenTrue.graph, whenFalse.graph);
  if (lengthened.size > 0 && !takesEither) throw new ChoiceNeeded(occurrence);
  const inner = new Set([...definedSymbols(whenTrue.graph), ...definedSymbols(whenFalse.graph)]);
  const types = whenTrue.graph.outputs.map(({ type }, i) => {
    const other = whenFalse.graph.outputs[i];
    if (other === undefined || other.dtype !== type.dtype) {
      throw new KilnError("E_MODEL", `its branches differ in the type of output ${i}`, { node: node.name });
    }
    return { type, other: other.type };
  });
  const result = createNode({
    operator: "kiln.Branch",
    inputs: [condition, ...whenTrue.captured, ...whenFalse.captured],
    types: types.map(({ type }) => type),
    names: types.map(() => importer.name(node.outputs[0] ?? node.name)),
    attributes: { thenInputs: whenTrue.captured.length },
    regions: [whenTrue.graph, whenFalse.graph],
    source: [node.name],
  });
  result.outputs.forEach((output, i) => {
    const { type, other } = types[i]!;
    const shape = type.shape.map((dim, axis) => {
      const isOne =
        equalDims(dim, other.shape[axis]!) && ![...dimSymbols(dim)].some((name) => inner.has(name));
      return isOne ? dim : symbolDim(`@${output.name}.${axis}`);
    });
    output.type = { dtype: type.dtype, shape };
  });
  return builder
    .addControl(result)
    .map((value, i): Known => (lengthened.has(i) ? new EitherRank(value) : value));
}

/** Both arms as regions. Where the shapes in one of them cannot fit, the other is the only choice. */
function importArms(importer: RegionImporter, node: OnnxNode, occurrence: number): [Body, Body] {
  const { choices } = importer;
  const importArm = (attribute: string): Body | KilnError => {
    const source = graphAttribute(node, attribute);
    try {
      return importer.region(`${node.name}.${attribute}`, source, {
        inputs: [],
        bind: () => new Map(),
        finish: (get) => source.outputs.map(({ name }) => get(name)),
      });
    } catch (error) {
      if (choices.isContradiction(error)) return error;
      throw error;
    }
  };
  const whenTrue = importArm("then_branch");
  const whenFalse = importArm("else_branch");
  if (whenTrue instanceof KilnError) {
    if (whenFalse instanceof KilnError) throw whenTrue;
    throw new ChoiceNeeded(occurrence, { arm: "else", because: firstLine(whenTrue) });
  }
  if (whenFalse instanceof KilnError) {
    throw new ChoiceNeeded(occurrence, { arm: "then", because: firstLine(whenFalse) });
  }
  return [whenTrue, whenFalse];
}

/** Gives outputs of lower rank ones in front; tells which outputs there were. */
function alignRanks(builder: ImportBuilder, whenTrue: Graph, whenFalse: Graph): Set<number> {
  const lengthened = new Set<number>();
  whenTrue.outputs.forEach(({ rank }, i) => {
    const other = whenFalse.outputs[i];
    if (other === undefined || other.rank === rank) return;
    const arm = other.rank < rank ? whenFalse : whenTrue;
    const axes = Array.from({ length: Math.abs(other.rank - rank) }, (_, axis) => axis);
    const inner = builder.forRegion(arm);
    arm.outputs[i] = inner.op("Unsqueeze", [arm.outputs[i]!, inner.ints(axes)]);
    lengthened.add(i);
  });
  return lengthened;
}

/** Symbols that get their values inside a graph, whose meaning ends with it. */
export function definedSymbols(graph: Graph, into = new Set<string>()): Set<string> {
  for (const node of graph.nodes) {
    if (node.operator === "kiln.Elements") {
      for (const name of node.attributes.symbols as string[])
        into.add(node.attributes.natural === 1 ? name : `~${name}`);
    }
    for (const region of node.regions) definedSymbols(region, into);
    if (node.operator.startsWith("kiln.Branch") || node.operator === "kiln.Loop") {
      for (const { shape } of node.outputs) {
        for (const dim of shape) for (const name of dimSymbols(dim)) if (name.startsWith("@")) into.add(name);
      }
    }
  }
  return into;
}

/** A loop to be made, whichever operator asks for it. */
interface LoopPlan {
  /** The bound of the passes; null where there is none. */
  readonly passes: Value | null;
  /** Whether the first pass is made; null where it is for certain. */
  readonly condition: Value | null;
  readonly initial: readonly Value[];
  /** The results of the body that are collected, as the model declares them. */
  readonly collected: readonly OnnxValueInfo[];
  /** Makes the region, given the types that carried values have in it. */
  readonly body: (types: readonly TensorType[]) => Body;
}

export interface Body {
  /** Inputs: pass, condition, carried, captured. Outputs: condition, carried, elements of lists. */
  readonly graph: Graph;
  readonly captured: readonly Value[];
}

const mostWidenings = 8;

/** Makes the loop; gives the carried values after the last pass, then the lists. */
export function makeLoop(importer: RegionImporter, node: OnnxNode, plan: LoopPlan): Value[] {
  const { builder } = importer;
  const count = plan.initial.length;
  const symbols = new Map<string, string>();
  let types = plan.initial.map(({ type }): TensorType => ({ dtype: type.dtype, shape: type.shape }));
  let body = plan.body(types);
  for (let round = 0; ; round++) {
    const widened = widen(importer, node, types, body.graph, symbols);
    if (widened === null) break;
    if (round === mostWidenings) refuse("the shapes that it carries do not settle");
    types = widened;
    body = plan.body(types);
  }
  const [condition, ...results] = body.graph.outputs;
  requireSingle(node, condition!, "bool", "the condition of its body");
  const lists = results.slice(count);
  const inner = definedSymbols(body.graph);
  const endsEarly = !isTrue(condition!) || (plan.condition !== null && !isTrue(plan.condition));
  if (plan.passes === null && lists.length > 0)
    refuse("it collects values over a number of passes without a bound");
  const bound = plan.passes === null ? null : passBound(builder, plan.passes);
  const passesName = endsEarly && lists.length > 0 ? `@${importer.name(`${node.name}.passes`)}` : null;
  const passes: Dim = passesName !== null ? symbolDim(passesName) : (bound?.dim ?? 0);
  const listSymbols: string[] = [];
  const listSizes: number[] = [];
  const listTypes = lists.map(({ type }, i): TensorType => {
    const shape = type.shape.map((dim, axis): Dim => {
      if (![...dimSymbols(dim)].some((name) => inner.has(name) || symbols.has(name))) return dim;
      const symbol = `@${importer.name(`${node.name}.collected`)}`;
      listSymbols.push(`${i}.${axis + 1}=${symbol}`);
      listSizes.push(declaredSize(plan.collected[i], axis));
      return symbolDim(symbol);
    });
    return { dtype: type.dtype, shape: [passes, ...shape] };
  });
  const made = createNode({
    operator: "kiln.Loop",
    inputs: [bound?.value ?? null, plan.condition, ...plan.initial, ...body.captured],
    types: [...types, ...listTypes],
    names: [...types, ...listTypes].map(() => importer.name(node.outputs[0] ?? node.name)),
    attributes: {
      carried: count,
      symbols: [...symbols].map(([symbol, place]) => `${place}=${symbol}`),
      listSymbols,
      listSizes,
      ...(passesName !== null && { passes: passesName }),
    },
    regions: [body.graph],
    source: [node.name],
  });
  return builder.addControl(made);
}

/**
 * The size that a dim of a list has where no pass decides it. The specification does not say; onnxruntime takes what
 * the model declares, and 0 where that is no number.
 */
function declaredSize(declared: OnnxValueInfo | undefined, axis: number): number {
  const dim = declared?.type?.kind === "tensor" ? declared.type.dims?.[axis] : undefined;
  return typeof dim === "number" ? Math.min(Math.max(dim, 0), 2 ** 31 - 1) : 0;
}

/** The types of carried values with symbols for the dims that a pass changes; null where none is left. */
function widen(
  importer: RegionImporter,
  node: OnnxNode,
  types: readonly TensorType[],
  body: Graph,
  symbols: Map<string, string>,
): TensorType[] | null {
  let changed = false;
  const inner = definedSymbols(body);
  const widened = types.map((type, i) => {
    const after = body.outputs[i + 1]!.type;
    if (after.dtype !== type.dtype) {
      throw new KilnError("E_MODEL", `it carries ${type.dtype}, then ${after.dtype}`, { node: node.name });
    }
    if (after.shape.length !== type.shape.length) refuse(`the rank of carried value ${i} changes`);
    const shape = type.shape.map((dim, axis): Dim => {
      const own = symbols.get(isStatic(dim) ? "" : dim.text.replaceAll('"', ""));
      const isSame =
        equalDims(dim, after.shape[axis]!) && ![...dimSymbols(dim)].some((name) => inner.has(name));
      if (own !== undefined || isSame) return dim;
      changed = true;
      const symbol = `@${importer.name(`${node.name}.carried`)}`;
      symbols.set(symbol, `${i}.${axis}`);
      return symbolDim(symbol);
    });
    return { dtype: type.dtype, shape };
  });
  return changed ? widened : null;
}

const isTrue = ({ constant }: Value): boolean => constant !== null && Number(constant.data[0]) === 1;

/** Conditions and bounds are single elements of one type. */
export function requireSingle(node: OnnxNode, value: Value, dtype: DType, what: string): void {
  const count = productOfDims(value.shape);
  if (value.dtype === dtype && (count === 1 || !isStatic(count))) return;
  const reason = `${what} is ${printType(value.type)}, not one ${dtype}`;
  throw new KilnError("E_MODEL", reason, { node: node.name, operator: node.opType });
}

/** The bound as a value and as a dim. Bounds that stand for "any number" are none. */
function passBound(builder: ImportBuilder, passes: Value): { value: Value; dim: Dim } | null {
  const scalar = passes.rank === 0 ? passes : builder.op("Reshape", [passes, builder.ints([])]);
  if (scalar.constant !== null) {
    const count = Number(scalar.constant.data[0]);
    return { value: scalar, dim: Math.min(Math.max(count, 0), 2 ** 31 - 1) };
  }
  if (scalar.elements !== null) return { value: scalar, dim: scalar.elements[0]! };
  const positive = builder.op("Max", [scalar, builder.constant(tensorOf("int64", [], [0]))]);
  const named = builder.symbols(positive, true);
  return { value: named, dim: named.elements![0]! };
}

export function importLoop(
  importer: RegionImporter,
  node: OnnxNode,
  inputs: readonly (Value | null)[],
): Value[] {
  const source = graphAttribute(node, "body");
  const [given, condition, ...initial] = inputs;
  if (given != null) requireSingle(node, given, "int64", "its trip count");
  if (condition != null) requireSingle(node, condition, "bool", "its condition");
  const isEndless = given?.constant != null && Number(given.constant.data[0]) > 2 ** 31 - 1;
  const names = source.inputs.map(({ name }) => name);
  const values = initial.map((value, i) => value ?? refuse(`carried value ${i} has no first value`));
  if (names.length !== values.length + 2) {
    throw new KilnError("E_MODEL", `its body takes ${names.length} inputs, not ${values.length + 2}`, {
      node: node.name,
    });
  }
  return makeLoop(importer, node, {
    passes: isEndless ? null : (given ?? null),
    condition: condition ?? null,
    initial: values,
    collected: source.outputs.slice(1 + values.length),
    body: (types) => {
      const parameters = parametersOf(importer, names, types);
      return importer.region(`${node.name}.body`, source, {
        inputs: [...parameters.values()],
        bind: () => parameters,
        finish: (get) => source.outputs.map(({ name }) => get(name)),
      });
    },
  });
}

function parametersOf(
  importer: RegionImporter,
  names: readonly string[],
  types: readonly TensorType[],
): Map<string, Value> {
  const all: TensorType[] = [{ dtype: "int64", shape: [] }, { dtype: "bool", shape: [] }, ...types];
  return new Map(names.map((name, i) => [name, new Value(importer.name(name), all[i]!)]));
}
