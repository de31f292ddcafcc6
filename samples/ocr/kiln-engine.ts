import { compile } from "onnx-kiln";
import { load } from "onnx-kiln/runtime";
import { readModel } from "./model-files.js";
import {
  inputDims,
  inputName,
  type ModelFigures,
  type ModelName,
  type OcrModels,
  type RunModel,
} from "./models.js";

/** Compiles the three networks for their fixed input sizes, and loads them. `onStart` is told of each in turn. */
export async function compileModels(
  onStart: (model: ModelName) => void,
): Promise<{ models: OcrModels; figures: ModelFigures[] }> {
  const figures: ModelFigures[] = [];
  const open = async (model: ModelName) => {
    onStart(model);
    const compiled = await compileModel(model);
    figures.push(compiled.figures);
    return compiled.run;
  };
  const models = {
    detection: await open("detection"),
    direction: await open("direction"),
    recognition: await open("recognition"),
  };
  return { models, figures };
}

async function compileModel(name: ModelName): Promise<{ run: RunModel; figures: ModelFigures }> {
  const dims = inputDims(name);
  const { wasm, report } = await compile(await readModel(name), { inputShapes: { [inputName]: dims } });
  const model = await load(wasm);
  const runMs: number[] = [];
  const run: RunModel = async (data, dims) => {
    const start = performance.now();
    const results = model.runSync({ [inputName]: { type: "float32", data, dims } });
    runMs.push(performance.now() - start);
    const output = results[model.outputs[0]!.name]!;
    return { data: output.data as Float32Array, dims: output.dims };
  };
  const { compileMs, codeBytes, weightBytes, arenaBytes, arenaLowerBoundBytes } = report;
  const figures = { model: name, inputDims: dims, compileMs, codeBytes, weightBytes };
  return { run, figures: { ...figures, arenaBytes, arenaLowerBoundBytes, runMs } };
}
