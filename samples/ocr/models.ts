/** Runs one network: a tensor in, its first output out. Whatever can do this can drive the OCR pipeline. */
export type RunModel = (
  input: Float32Array,
  dims: number[],
) => Promise<{ data: Float32Array; dims: readonly number[] }>;

/** The three networks of PP-OCRv4. Each takes pictures as [1, 3, height, width], of its fixed size. */
export interface OcrModels {
  /** Probability of text at each pixel, [1, 1, height, width]. */
  detection: RunModel;
  /** Probabilities that a line is upright and that it is upside down, [1, 2]. */
  direction: RunModel;
  /** Probability of each character class for steps of 8 pixels, [1, width / 8, classes]. */
  recognition: RunModel;
}

export type ModelName = keyof OcrModels;

/** What it took to compile and run one of the networks. */
export interface ModelFigures {
  model: ModelName;
  inputDims: number[];
  compileMs: number;
  codeBytes: number;
  weightBytes: number;
  arenaBytes: number;
  arenaLowerBoundBytes: number;
  /** Milliseconds of every run so far. */
  runMs: number[];
}

interface ModelFile {
  file: string;
  /** Height and width of the input in pixels. The networks take others too; one compiled module takes one. */
  height: number;
  width: number;
}

export const modelFiles: Record<ModelName, ModelFile> = {
  detection: { file: "ch_PP-OCRv4_det_infer.onnx", height: 640, width: 640 },
  direction: { file: "ch_ppocr_mobile_v2.0_cls_infer.onnx", height: 48, width: 192 },
  recognition: { file: "ch_PP-OCRv4_rec_infer.onnx", height: 48, width: 480 },
};

/** The input of all three networks has this name. */
export const inputName = "x";

export function inputDims(model: ModelName): number[] {
  return [1, 3, modelFiles[model].height, modelFiles[model].width];
}

/**
 * The characters that the classes of the recognition network stand for. Class 0 is the blank of CTC, the last
 * one is the space, and those between are the lines of the key file.
 */
export const alphabetOf = (keys: string): string[] => ["", ...keys.replace(/\n$/, "").split("\n"), " "];
