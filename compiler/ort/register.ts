/**
 * `node --import onnx-kiln/ort/register app.js`: whatever in the app asks for an engine of onnxruntime, in a dependency
 * too, gets onnx-kiln/ort. For Node 22.15 and later, whose hooks are heard by `import` and `require` alike.
 */

import * as nodeModule from "node:module";

interface Resolution {
  readonly url: string;
  readonly format?: string;
  readonly shortCircuit?: boolean;
}
type Resolve = (specifier: string, context: unknown) => Resolution;
type RegisterHooks = (hooks: {
  resolve(specifier: string, context: unknown, next: Resolve): Resolution;
}) => void;

const engines = /^onnxruntime-(web|node|common)(\/|$)/;
const url = new URL("./index.js", import.meta.url).href;

// Not in the types of the oldest Node that Kiln supports, nor there.
const { registerHooks } = nodeModule as { registerHooks?: RegisterHooks };
if (registerHooks === undefined) {
  throw new Error(
    `onnx-kiln/ort/register needs Node 22.15 or later, this is ${process.version}: ` +
      'change the import to "onnx-kiln/ort", or alias it in a bundler',
  );
}
registerHooks({
  resolve: (specifier, context, next) =>
    engines.test(specifier) ? { url, format: "module", shortCircuit: true } : next(specifier, context),
});
