import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-web";
import { beforeAll, expect, test } from "vitest";
import { compareText } from "../../samples/ocr/accuracy.js";
import { readAlphabet, readModel } from "../../samples/ocr/model-files.js";
import { inputName, type ModelName, type OcrModels, type RunModel } from "../../samples/ocr/models.js";
import { decodePicture } from "../../samples/ocr/picture.js";
import { readPicture, textOf } from "../../samples/ocr/pipeline.js";

// The pipeline with onnxruntime-web as its engine: what goes wrong here is wrong in the sample, not in Kiln.

const pictures = join(import.meta.dirname, "../../samples/ocr/pictures");

async function openModel(model: ModelName): Promise<RunModel> {
  const session = await ort.InferenceSession.create(await readModel(model));
  return async (input, dims) => {
    const results = await session.run({ [inputName]: new ort.Tensor("float32", input, dims) });
    const output = results[session.outputNames[0]!]!;
    return { data: output.data as Float32Array, dims: output.dims };
  };
}

let models: OcrModels;
let alphabet: string[];

beforeAll(async () => {
  ort.env.wasm.numThreads = 1;
  models = {
    detection: await openModel("detection"),
    direction: await openModel("direction"),
    recognition: await openModel("recognition"),
  };
  alphabet = await readAlphabet();
});

test("reads at least 98% of the characters in the pictures", async () => {
  const expected: Record<string, string[]> = JSON.parse(
    await readFile(join(pictures, "expected.json"), "utf8"),
  );
  expect((await readdir(pictures)).filter((name) => name.endsWith(".png")).sort()).toEqual(
    Object.keys(expected).sort(),
  );
  let characters = 0;
  let errors = 0;
  const texts: Record<string, string[]> = {};
  for (const [name, lines] of Object.entries(expected)) {
    const picture = decodePicture(await readFile(join(pictures, name)));
    const read = textOf(await readPicture(picture, models, alphabet));
    texts[name] = read;
    const comparison = compareText(lines, read);
    characters += comparison.characters;
    errors += comparison.errors;
  }
  expect(errors / characters, JSON.stringify(texts, null, 1)).toBeLessThanOrEqual(0.02);
});
