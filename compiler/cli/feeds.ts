/** The inputs of a run: from files, or made up. */

import type { TensorInfo, TensorLike } from "../../runtime/index.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { runtimeTensor } from "./elements.js";
import { CommandError, usageError } from "./failure.js";
import type { Assignment } from "./flags.js";
import { isFile } from "./magic.js";
import { readBytes } from "./model-file.js";
import { readAs, readNpy } from "./npy.js";
import { readPicture } from "./picture.js";
import { type PictureFlags, pictureElements } from "./picture-tensor.js";
import { randomElements } from "./random.js";

export interface FeedFlags extends PictureFlags {
  input?: readonly Assignment[];
  /** False: an input that is not given is an error. */
  random?: boolean;
  seed?: number;
}

export interface PreparedFeeds {
  readonly feeds: Record<string, TensorLike>;
  /** Names of the inputs that were made up. */
  readonly random: readonly string[];
}

export async function prepareFeeds(inputs: readonly TensorInfo[], flags: FeedFlags): Promise<PreparedFeeds> {
  const files = filesByInput(inputs, flags.input ?? []);
  const missing = inputs.filter(({ name }) => !files.has(name)).map(({ name }) => name);
  if (flags.random === false && missing.length > 0) {
    throw new CommandError(`no value for input ${missing.map((name) => `"${name}"`).join(", ")}`, {
      hint: "give one with --input NAME=FILE, or leave --no-random out",
    });
  }
  const entries: [string, TensorLike][] = [];
  for (const [i, input] of inputs.entries()) {
    const file = files.get(input.name);
    const feed =
      file !== undefined ? await readFeed(input, file, flags) : makeUpFeed(input, seedOf(flags, i));
    entries.push([input.name, runtimeTensor(feed)]);
  }
  return { feeds: Object.fromEntries(entries), random: missing };
}

/** Inputs draw from streams of their own, so that giving one leaves the others as they were. */
const seedOf = ({ seed = 0 }: FeedFlags, input: number): number => seed + 0x9e3779b9 * input;

/** Raises a usage error for a name that is no input, or given twice. */
function filesByInput(
  inputs: readonly TensorInfo[],
  assignments: readonly Assignment[],
): Map<string, string> {
  const names = inputs.map(({ name }) => `"${name}"`).join(", ");
  const files = new Map<string, string>();
  for (const { name = inputs.length === 1 ? inputs[0]!.name : undefined, file } of assignments) {
    if (name === undefined) {
      throw usageError(
        `--input ${file} does not say which input it is for`,
        `write NAME=${file}; inputs: ${names}`,
      );
    }
    if (!inputs.some((input) => input.name === name)) {
      throw usageError(`the model has no input "${name}"`, `its inputs: ${names || "none"}`);
    }
    if (files.has(name)) throw usageError(`--input gives "${name}" twice`);
    files.set(name, file);
  }
  return files;
}

function makeUpFeed(input: TensorInfo, seed: number): TensorData {
  const { type: dtype } = input;
  const dims = fixedDims(input);
  return { dtype, dims, data: randomElements(dtype, elementCount(dims), seed) };
}

/** Raises CommandError where dims are open: the input then says nothing of the size of what it is given. */
function fixedDims({ name, dims }: TensorInfo): readonly number[] {
  const open = dims.filter((dim) => typeof dim === "string");
  if (open.length === 0) return dims as readonly number[];
  throw new CommandError(`the shape of input "${name}" is open: [${dims.join(", ")}]`, {
    hint: `give a value with --input ${name}=FILE.npy, or compile for one size: --input-shape ${name}:SHAPE or --dim ${open[0]}=N`,
  });
}

async function readFeed(input: TensorInfo, path: string, flags: FeedFlags): Promise<TensorData> {
  const bytes = await readBytes(path);
  if (isFile("png", bytes) || isFile("jpeg", bytes)) {
    const dims = fixedDims(input);
    const data = pictureElements(await readPicture(bytes, path), input, flags);
    return { dtype: input.type, dims, data };
  }
  if (!isFile("npy", bytes)) throw new CommandError(`cannot read ${path}: neither .npy nor PNG nor JPEG`);
  const value = readAs(input.type, readNpy(bytes, path));
  const { dtype, dims } = value;
  if (dtype !== input.type || !fits(dims, input.dims)) {
    const wanted = `input "${input.name}" wants ${input.type}[${input.dims.join(", ")}]`;
    throw new CommandError(`${path} holds ${dtype}[${dims.join(", ")}], but ${wanted}`);
  }
  return value;
}

/** An open dim, which is a name, takes any size; whether those of several inputs agree, the runtime sees. */
const fits = (dims: readonly number[], wanted: TensorInfo["dims"]): boolean =>
  dims.length === wanted.length && wanted.every((dim, i) => typeof dim === "string" || dim === dims[i]);
