/**
 * Cases of ONNX's backend suite that Kiln refuses, and why. A case that is listed here and passes fails the run, so
 * the list stays true.
 */

const strings = [
  "ai_onnx_ml_label_encoder_string_int",
  "ai_onnx_ml_label_encoder_string_int_no_default",
  "ai_onnx_ml_label_encoder_tensor_mapping",
  "ai_onnx_ml_label_encoder_tensor_value_only_mapping",
  "regex_full_match_basic",
  "regex_full_match_email_domain",
  "regex_full_match_empty",
  "string_concat",
  "string_concat_broadcasting",
  "string_concat_empty_string",
  "string_concat_utf8",
  "string_concat_zero_dimensional",
  "string_split_basic",
  "string_split_consecutive_delimiters",
  "string_split_empty_string_delimiter",
  "string_split_empty_tensor",
  "string_split_maxsplit",
  "string_split_no_delimiter",
  "strnormalizer_export_monday_casesensintive_lower",
  "strnormalizer_export_monday_casesensintive_nochangecase",
  "strnormalizer_export_monday_casesensintive_upper",
  "strnormalizer_export_monday_empty_output",
  "strnormalizer_export_monday_insensintive_upper_twodim",
  "strnormalizer_nostopwords_nochangecase",
];

const imageFiles = [
  "bmp_rgb",
  "jpeg2k_rgb",
  "jpeg_bgr",
  "jpeg_grayscale",
  "jpeg_rgb",
  "png_rgb",
  "pnm_rgb",
  "tiff_rgb",
  "webp_rgb",
];

const because = (reason: string, names: readonly string[]): [string, string][] =>
  names.map((name) => [`test_${name}`, reason]);

export const unsupported: ReadonlyMap<string, string> = new Map([
  ...because("strings are not supported", strings),
  ...because(
    "image files are not decoded",
    imageFiles.map((kind) => `image_decoder_decode_${kind}`),
  ),
]);
