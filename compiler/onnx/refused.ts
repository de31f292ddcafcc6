/** Operators that Kiln knows and refuses for good: why, and what to do instead. */

interface Refusal {
  readonly reason: string;
  readonly hint?: string;
}

const strings: Refusal = {
  reason: "the operator works on strings, and modules compute with numbers only",
  hint: "do this part outside of the model, and give it numbers",
};
const maps: Refusal = {
  reason: "the operator works on maps, and modules compute with tensors only",
  hint: "export the model without it: its input tensor says the same",
};

const refusals: ReadonlyMap<string, Refusal> = new Map<string, Refusal>([
  ["StringNormalizer", strings],
  ["StringConcat", strings],
  ["StringSplit", strings],
  ["RegexFullMatch", strings],
  ["ai.onnx.ml.CategoryMapper", strings],
  ["ai.onnx.ml.CastMap", maps],
  ["ai.onnx.ml.DictVectorizer", maps],
  ["ai.onnx.ml.ZipMap", maps],
  [
    "ImageDecoder",
    {
      reason: "the operator reads image files",
      hint: "decode the image first, and give the model its pixels",
    },
  ],
  [
    "ai.onnx.preview.training.Gradient",
    {
      reason:
        "the operator asks for gradients of the graph around it, which are not a part of compiled models",
    },
  ],
]);

/** Why an operator is refused, with the way round; undefined where nothing is known of it. */
export function refusalOf(name: string): string | undefined {
  const refusal = refusals.get(name);
  if (refusal === undefined) return undefined;
  return refusal.hint === undefined ? refusal.reason : `${refusal.reason} (${refusal.hint})`;
}
