/** Types of `import loadModel from "./model.onnx?kiln"`: `/// <reference types="onnx-kiln/vite/client" />`. */

declare module "*.onnx?kiln" {
  import type { LoadOptions, Model, Source } from "onnx-kiln/runtime";

  /** Loads the model. `source` is for a module that comes from elsewhere. */
  export function load(options?: LoadOptions & { readonly source?: Source }): Promise<Model>;
  export const metadata: {
    readonly name: string;
    readonly inputs: Model["inputs"];
    readonly outputs: Model["outputs"];
  };
  export default load;
}
