/** Sessions over loaded models. What differs between hosts is how a model is opened. */

import type { Model } from "../model.js";
import type { Tensor as KilnTensor, TensorInfo } from "../tensor.js";
import { createArguments, isTensor, runArguments } from "./arguments.js";
import { checkOptions } from "./options.js";
import type { InferenceSession, InferenceSessionFactory } from "./session.js";
import { Tensor } from "./tensor.js";

/** Loads the model at a URL or path, or of these bytes. */
export type OpenModel = (
  source: string | Uint8Array,
  options: InferenceSession.SessionOptions,
) => Promise<Model>;

export function createSessionClass(openModel: OpenModel): InferenceSessionFactory {
  return class Session implements InferenceSession {
    private isProfiling: boolean;

    private constructor(
      private readonly model: Model,
      { enableProfiling = false }: InferenceSession.SessionOptions,
    ) {
      this.isProfiling = enableProfiling;
    }

    static async create(...given: unknown[]): Promise<InferenceSession> {
      const { source, options } = createArguments(given);
      checkOptions(options);
      return new Session(await openModel(source, options), options);
    }

    get inputNames(): readonly string[] {
      return this.model.inputs.map(({ name }) => name);
    }

    get outputNames(): readonly string[] {
      return this.model.outputs.map(({ name }) => name);
    }

    get inputMetadata(): readonly InferenceSession.ValueMetadata[] {
      return this.model.inputs.map(describe);
    }

    get outputMetadata(): readonly InferenceSession.ValueMetadata[] {
      return this.model.outputs.map(describe);
    }

    // Nothing is awaited before the run: feeds may be reused as soon as this returns.
    async run(feeds: InferenceSession.FeedsType, ...rest: unknown[]): Promise<InferenceSession.ReturnType> {
      const { fetches, options } = runArguments(this, feeds, rest);
      if (options.terminate) throw new Error("the run was terminated: its options say `terminate`");
      const inputs = this.model.inputs.map((input) => [input.name, asDeclared(input, feeds[input.name]!)]);
      const started = performance.now();
      const results = this.model.runSync({ ...feeds, ...Object.fromEntries(inputs) });
      if (this.isProfiling) performance.measure("kiln: run", { start: started });
      return Object.fromEntries(
        Object.entries(fetches).map(([name, given]) => [
          name,
          given ? fill(name, given, results[name]!) : tensorOf(results[name]!),
        ]),
      );
    }

    async release(): Promise<void> {
      this.model.dispose();
    }

    startProfiling(): void {
      this.isProfiling = true;
    }

    endProfiling(): void {
      this.isProfiling = false;
    }
  };
}

const describe = ({ name, type, dims }: TensorInfo): InferenceSession.ValueMetadata => ({
  name,
  isTensor: true,
  type: type as Tensor.Type,
  shape: dims,
});

const tensorOf = ({ type, data, dims }: KilnTensor): Tensor =>
  new Tensor(type as Tensor.Type, data as Tensor.DataType, dims);

/** The feed; one element is a scalar for an input that is declared as one, whatever its rank: onnxruntime does not look. */
function asDeclared({ name, dims }: TensorInfo, feed: Tensor) {
  if (!isTensor(feed)) throw new TypeError(`input '${name}' must be a Tensor`);
  if (feed.location === "none") throw new Error(`the tensor for input '${name}' is disposed`);
  const { type, data } = feed;
  const isScalar = dims.length === 0 && feed.dims.every((dim) => dim === 1);
  return { type, data, dims: isScalar ? [] : feed.dims } as KilnTensor;
}

/** Writes the result to the tensor that the caller has prepared for it, which is given back. */
function fill(name: string, target: Tensor, { type, data, dims }: KilnTensor): Tensor {
  if (target.type !== type || `${target.dims}` !== `${dims}`) {
    throw new Error(
      `output '${name}' is ${type} of shape [${dims}], which does not fit the tensor given for it: ` +
        `${target.type} of shape [${target.dims}]`,
    );
  }
  // As bytes: the elements of a float16 tensor may be numbers here and bits there.
  bytesOf(target.data as Float32Array).set(bytesOf(data as Float32Array));
  return target;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
