/**
 * External tensor data: tensors that a model keeps in other files. A location comes from the model, so it is hostile
 * until shown otherwise; the host resolves it to bytes only after `checkLocation`, and each location only once.
 */

import { KilnError } from "../diagnostics.js";
import {
  type AttributeProto,
  EXTERNAL,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type StringStringEntryProto,
  type TensorProto,
} from "./schema.js";

/** Gives the bytes of a file that the model names; the location is relative to the model and has been checked. */
export type ExternalDataResolver = (location: string) => Uint8Array | Promise<Uint8Array>;

/** The external files of a model, by location. */
export type ExternalFiles = ReadonlyMap<string, Uint8Array>;

// URL parsers read %2e as a dot, and drop tabs and line breaks: a host may resolve the location either way.
const parentSegment = /^(\.|%2e){2}$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const controlCharacter = /[\u0000-\u001f\u007f]/;
const schemeOrDrive = /^[a-z][a-z0-9+.-]*:/i;

/**
 * Refuses a location that could lead out of the model's folder, as a path on any system or as a relative URL.
 * Symbolic links are the resolver's business (see `fileExternalData`).
 * @throws KilnError E_EXTERNAL_DATA
 */
export function checkLocation(location: string): void {
  const segments = location.split("/");
  const fault =
    location === "" || location !== location.trim()
      ? "is empty or padded with spaces"
      : controlCharacter.test(location)
        ? "contains a control character"
        : location.includes("\\")
          ? "contains a backslash"
          : location.startsWith("/")
            ? "is absolute"
            : schemeOrDrive.test(location)
              ? "has a drive or URL scheme"
              : segments.some((segment) => parentSegment.test(segment))
                ? "leads out of the model's folder"
                : undefined;
  if (fault !== undefined) {
    throw new KilnError("E_EXTERNAL_DATA", `location ${JSON.stringify(location)} ${fault}`, {
      hint: "external data has a path relative to the model, without '..' and with '/' between folders",
    });
  }
}

/** True where the tensor's elements are in another file. */
export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === EXTERNAL;
}

/**
 * Resolves every location that the model's tensors name, each once.
 * @throws KilnError E_EXTERNAL_DATA, naming the tensor and its location
 */
export async function resolveExternalData(
  model: ModelProto,
  resolve: ExternalDataResolver | undefined,
): Promise<ExternalFiles> {
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensorsOfModel(model)) {
    if (!isExternal(tensor)) continue;
    const location = entry(tensor.externalData, "location");
    if (location === undefined) throw broken(tensor, "has no location");
    if (files.has(location)) continue;
    files.set(location, await resolveOne(tensor, location, resolve));
  }
  return files;
}

async function resolveOne(
  tensor: TensorProto,
  location: string,
  resolve: ExternalDataResolver | undefined,
): Promise<Uint8Array> {
  if (resolve === undefined) {
    throw broken(tensor, `is in ${JSON.stringify(location)}, which nothing resolves`, {
      hint: "give the compile option externalData",
    });
  }
  let bytes: unknown;
  try {
    checkLocation(location);
    bytes = await resolve(location);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw broken(tensor, `cannot be read from ${JSON.stringify(location)}: ${reason}`);
  }
  if (!(bytes instanceof Uint8Array)) {
    throw broken(tensor, `is in ${JSON.stringify(location)}, for which externalData gave no Uint8Array`);
  }
  // A plain view even of a Buffer, so that every view taken of it is one too.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The part of an external file that holds the tensor: `byteLength` bytes, as its shape demands.
 * @throws KilnError E_EXTERNAL_DATA where the declared range is not in the file or not of that length
 */
export function externalBytes(tensor: TensorProto, files: ExternalFiles, byteLength: number): Uint8Array {
  const location = entry(tensor.externalData, "location") ?? "";
  const bytes = files.get(location);
  if (bytes === undefined) throw broken(tensor, `is in ${JSON.stringify(location)}, which was not resolved`);
  const offset = byteCount(tensor, "offset") ?? 0;
  const length = byteCount(tensor, "length") ?? byteLength;
  const where = `bytes ${offset} to ${offset + length} of ${JSON.stringify(location)}`;
  if (length !== byteLength) throw broken(tensor, `needs ${byteLength} bytes, but declares ${where}`);
  if (offset > bytes.length || length > bytes.length - offset) {
    throw broken(tensor, `needs ${where}, which has ${bytes.length}`);
  }
  return bytes.subarray(offset, offset + length);
}

function byteCount(tensor: TensorProto, key: string): number | undefined {
  const text = entry(tensor.externalData, key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw broken(tensor, `has the ${key} ${JSON.stringify(text)}, which is no byte count`);
  }
  return value;
}

function entry(entries: readonly StringStringEntryProto[], key: string): string | undefined {
  return entries.find((candidate) => candidate.key === key)?.value;
}

function broken(tensor: TensorProto, what: string, place: { hint?: string } = {}): KilnError {
  const location = entry(tensor.externalData, "location") ?? "";
  const named = what.includes(JSON.stringify(location)) ? what : `in ${JSON.stringify(location)} ${what}`;
  return new KilnError("E_EXTERNAL_DATA", `external data of tensor "${tensor.name ?? ""}" ${named}`, place);
}

/** Every TensorProto of the model, sparse tensors' parts and function bodies included. */
function* tensorsOfModel(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) yield* tensorsOfGraph(model.graph);
  for (const fn of model.functions) {
    for (const attribute of fn.attributeProto) yield* tensorsOfAttribute(attribute);
    for (const node of fn.node) yield* tensorsOfNode(node);
  }
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const sparse of graph.sparseInitializer) yield* tensorsOfSparse(sparse);
  for (const node of graph.node) yield* tensorsOfNode(node);
}

function* tensorsOfNode(node: NodeProto): Generator<TensorProto> {
  for (const attribute of node.attribute) yield* tensorsOfAttribute(attribute);
}

function* tensorsOfAttribute(attribute: AttributeProto): Generator<TensorProto> {
  const { t, tensors, sparseTensor, sparseTensors, g, graphs } = attribute;
  if (t !== undefined) yield t;
  yield* tensors;
  if (sparseTensor !== undefined) yield* tensorsOfSparse(sparseTensor);
  for (const sparse of sparseTensors) yield* tensorsOfSparse(sparse);
  if (g !== undefined) yield* tensorsOfGraph(g);
  for (const graph of graphs) yield* tensorsOfGraph(graph);
}

function* tensorsOfSparse({ values, indices }: SparseTensorProto): Generator<TensorProto> {
  if (values !== undefined) yield values;
  if (indices !== undefined) yield indices;
}
