/** Files that are given in place of a model by mistake: what they are, told by how they begin. */

import { KilnError } from "../diagnostics.js";

/** How files begin that are often given in place of a model, and what to say of them. */
const otherFiles: readonly { start: RegExp | string; what: string; hint?: string }[] = [
  {
    start: "version https://git-lfs",
    what: "a Git LFS pointer, not the model itself",
    hint: "run `git lfs pull`, or download the file it stands for",
  },
  {
    start: /^\s*<(!doctype|html|head|body|\?xml)/i,
    what: "a web page, not a model",
    hint: "a download that failed or needs a login often leaves one",
  },
  {
    start: "PK\x03\x04",
    what: "a zip archive (PyTorch's own format is one)",
    hint: "unpack it, or export the model to ONNX",
  },
  { start: "\x1f\x8b", what: "gzip-compressed", hint: "unpack it first" },
  { start: "\x28\xb5\x2f\xfd", what: "compressed with Zstandard", hint: "unpack it first" },
  { start: /^....ORTM/s, what: "an ORT format model", hint: "give the .onnx file that it was made from" },
  { start: /^....TFL3/s, what: "a TensorFlow Lite model", hint: "convert it to ONNX" },
  { start: "\x89HDF", what: "HDF5 (Keras saves models as that)", hint: "convert it to ONNX" },
  { start: "GGUF", what: "a GGUF model", hint: "give the model in ONNX" },
  { start: /^.{5}\0\0\0\{"/s, what: "a safetensors file: weights alone", hint: "export the model to ONNX" },
  { start: "\x80\x02", what: "a pickle of Python (PyTorch's old format)", hint: "export the model to ONNX" },
  { start: "\x80\x04\x95", what: "a pickle of Python", hint: "export the model to ONNX" },
  { start: "\0asm", what: "a WebAssembly module", hint: "give the .onnx file that it was made from" },
  { start: /^\s*[{[]\s*"/, what: "JSON, not a model" },
];

/** @throws KilnError E_DECODE, with what the file is and what to do, where it plainly is something else than a model */
export function refuseOtherFiles(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new KilnError("E_DECODE", "the file is empty");
  const start = startOf(bytes);
  for (const { start: pattern, what, hint } of otherFiles) {
    if (typeof pattern === "string" ? start.startsWith(pattern) : pattern.test(start)) {
      throw new KilnError("E_DECODE", `the file is ${what}`, hint === undefined ? {} : { hint });
    }
  }
}

/** How the file begins, for a person: as text where it is text, or else as hexadecimal bytes. */
export function beginningOf(bytes: Uint8Array): string {
  if (isText(bytes)) {
    const [line = ""] = startOf(bytes)
      .trim()
      .split(/[\r\n]/);
    return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}...` : line);
  }
  const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `the bytes ${start.join(" ")}`;
}

/** Printable ASCII and white space, as far as one looks. */
export const isText = (bytes: Uint8Array): boolean => /^[\t\n\r\x20-\x7e]+$/.test(startOf(bytes));

const startOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 64));
