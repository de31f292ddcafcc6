/** Types of a model's inputs: declared dims bound to the sizes that the user gives. */

import { KilnError } from "../diagnostics.js";
import { type Dim, dimSymbols, symbolDim } from "../ir/dim.js";
import type { DimBounds } from "../ir/dim-bounds.js";
import { dtypeFromOnnx } from "../ir/dtype.js";
import type { TensorType } from "../ir/graph.js";
import type { Limits } from "../limits.js";
import type { OnnxDim, OnnxValueInfo } from "./model.js";
import { dataTypeName } from "./schema.js";

export interface InputSizes {
  /** Sizes of named dims, or bounds of dims that stay open. */
  readonly dims?: Readonly<Record<string, number | DimBounds>> | undefined;
  /** Shapes of inputs, in place of what the model declares. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** An input that Kiln can take, or the reason why it cannot. */
export type InputType = { readonly type: TensorType } | { readonly reason: string };

type DeclaredShape = { readonly name: string; readonly dims: readonly (number | string)[] | null };

/**
 * The type of every input. Dims that nobody binds stay symbols; a dim without a name is called `<input>.<axis>`.
 * @throws KilnError E_INPUT where sizes are given for unknown names or do not fit the model
 */
export function inputTypes(inputs: readonly OnnxValueInfo[], sizes: InputSizes): InputType[] {
  const declared = inputs.map(declaredShape);
  const bindings = new DimBindings(declared, sizes.dims ?? {});
  for (const [name, shape] of Object.entries(sizes.inputShapes ?? {})) {
    const input = declared.find((one) => one.name === name);
    if (input === undefined) {
      refuse(
        `there is no input "${name}"`,
        `the model's inputs are ${list(declared.map((one) => one.name))}`,
      );
    }
    bindings.bindShape(input, shape);
  }
  return inputs.map(({ name, type }, i) => {
    if (type?.kind !== "tensor") {
      return { reason: type === undefined ? "its type is not declared" : kindReason(type.kind) };
    }
    const dtype = dtypeFromOnnx(type.elemType);
    if (dtype === undefined) {
      return { reason: `element type ${dataTypeName(type.elemType)} is not supported` };
    }
    const { dims } = declared[i]!;
    const shape = dims === null ? sizes.inputShapes?.[name] : dims.map((dim) => bindings.resolve(dim));
    if (shape === undefined) {
      const hint = `give it with --input-shape "${name}:1x3x224x224"`;
      throw new KilnError("E_SHAPE", `the number of dims of input "${name}" is unknown`, { hint });
    }
    return { type: { dtype, shape } };
  });
}

/** @throws KilnError E_LIMIT where too many dims are left open */
export function checkSymbols(types: readonly InputType[], { symbols }: Limits): void {
  const dims = types.flatMap((input) => ("reason" in input ? [] : input.type.shape));
  const { size } = new Set(dims.flatMap((dim) => [...dimSymbols(dim)]));
  if (size <= symbols) return;
  throw new KilnError("E_LIMIT", `the inputs have ${size} open dims, more than the limit of ${symbols}`);
}

const kindReason = (kind: string): string => `${/^o/.test(kind) ? "an" : "a"} ${kind} is not supported`;

/** Dims by size or name: what the model leaves open is named after the input. */
function declaredShape({ name, type }: OnnxValueInfo): DeclaredShape {
  if (type?.kind !== "tensor" || type.dims === null) return { name, dims: null };
  // Names that begin with @ or ~ are those of elements of tensors (see `integerSymbol`).
  const isName = (dim: string) => dim !== "" && !/^[@~]/.test(dim);
  const open = (dim: OnnxDim) => dim === null || (typeof dim === "string" ? !isName(dim) : dim < 0);
  return { name, dims: type.dims.map((dim, axis) => (open(dim) ? `${name}.${axis}` : dim!)) };
}

/** Names of the dims that the inputs leave open. */
export const openDims = (inputs: readonly OnnxValueInfo[]): ReadonlySet<string> =>
  dimNames(inputs.map(declaredShape));

const dimNames = (declared: readonly DeclaredShape[]): ReadonlySet<string> =>
  new Set(declared.flatMap(({ dims }) => dims ?? []).filter((dim) => typeof dim === "string"));

class DimBindings {
  private readonly sizes = new Map<string, number>();

  constructor(declared: readonly DeclaredShape[], given: Readonly<Record<string, number | DimBounds>>) {
    const known = dimNames(declared);
    for (const [name, size] of Object.entries(given)) {
      if (!known.has(name)) {
        const hint = known.size > 0 ? `the model's dims are ${list([...known])}` : "all its dims are fixed";
        refuse(`there is no dim "${name}"`, hint);
      }
      if (typeof size === "object") checkBounds(name, size);
      else if (isSize(size)) this.sizes.set(name, size);
      else refuse(`dim "${name}" cannot be ${size}`, "sizes are whole numbers");
    }
  }

  bindShape(input: DeclaredShape, shape: readonly number[]): void {
    const { name, dims } = input;
    const pair = `the shape [${shape.join(", ")}] given for input "${name}"`;
    if (!shape.every(isSize)) refuse(`${pair} has a dim that is no size`, "sizes are whole numbers");
    if (dims === null) return;
    const fits = dims.length === shape.length && dims.every((dim, axis) => this.bind(dim, shape[axis]!));
    if (!fits) refuse(`${pair} does not fit the declared [${this.describe(dims)}]`);
  }

  resolve(dim: number | string): Dim {
    return typeof dim === "number" ? dim : (this.sizes.get(dim) ?? symbolDim(dim));
  }

  /** False where the dim already has another size. */
  private bind(dim: number | string, size: number): boolean {
    if (typeof dim === "number") return dim === size;
    const bound = this.sizes.get(dim);
    if (bound === undefined) this.sizes.set(dim, size);
    return bound === undefined || bound === size;
  }

  private describe(dims: readonly (number | string)[]): string {
    const bound = (dim: number | string) => typeof dim === "string" && this.sizes.has(dim);
    return dims.map((dim) => (bound(dim) ? `${dim}=${this.sizes.get(dim as string)}` : `${dim}`)).join(", ");
  }
}

function checkBounds(name: string, { min, max }: DimBounds): void {
  if (isSize(min) && isSize(max) && min <= max && max < 2 ** 31) return;
  refuse(`dim "${name}" cannot have the bounds ${min}..${max}`, "give the smallest and the largest size");
}

const isSize = (size: number): boolean => Number.isInteger(size) && size >= 0;

const list = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ") || "none";

function refuse(reason: string, hint?: string): never {
  throw new KilnError("E_INPUT", reason, hint === undefined ? {} : { hint });
}
