/**
 * The generated loader: an ES module that lies beside the .wasm and knows its tensors, and the declaration that lets
 * TypeScript check what `run` is given. How it gets at the module is what hosts differ in. Bundlers find the .wasm by the
 * literal `new URL("./...", import.meta.url)`; there is no dynamic import and no eval, so that it works in service workers
 * and edge runtimes too.
 */

import type { ModelMetadata, TensorBinding } from "../runtime/metadata.js";
import { KilnError } from "./diagnostics.js";

/** How a loader gets at its module: each way suits the hosts that `hosts` names. */
export type Host = "web" | "node" | "worker" | "esm-source" | "inline";

/** Every host with what it is for, as the command line shows them. */
export const hosts: Readonly<Record<Host, string>> = {
  web: "fetched from its URL: browsers, Node, Deno, Bun, bundlers",
  node: "read from disk: Node, Deno, Bun",
  worker: "imported, compiled: Cloudflare Workers and other edge runtimes",
  "esm-source": "imported in the source phase: Node 24, Deno",
  inline: "as text in the loader, which is then the only file",
};

export interface LoaderOptions {
  /** Default "web". */
  readonly host?: Host | undefined;
  /** The module's bytes, which "inline" puts in the loader. */
  readonly wasm?: Uint8Array | undefined;
}

/**
 * Source of `name.mjs` and its declaration for a module stored as `fileName` ("name.wasm"; a bare "name" means the
 * same). Pure: the same metadata give the same text. Throws KilnError E_INPUT where the host does not fit.
 */
export function generateLoader(
  metadata: ModelMetadata,
  fileName: string,
  { host = "web", wasm }: LoaderOptions = {},
): { js: string; dts: string } {
  const name = fileName.replace(/\.wasm$/, "");
  if (!Object.hasOwn(hosts, host)) {
    throw new KilnError("E_INPUT", `unknown host ${quote(host)}: expected ${Object.keys(hosts).join(", ")}`);
  }
  if (host === "inline" && !metadata.weights.embedded) {
    throw new KilnError("E_INPUT", "an inline loader is one file, so the weights cannot be split");
  }
  const access = accessOf[host](name, wasm);
  return { js: loaderModule(metadata, name, access), dts: loaderTypes(metadata, name, host) };
}

/** The text by which a loader gets at its files: what it imports or defines, and expressions for both files. */
interface Access {
  readonly head: string;
  readonly module: string;
  /** Absent where the user has to say where the weights are. */
  readonly weights?: string;
}

const accessOf: Readonly<Record<Host, (name: string, wasm?: Uint8Array) => Access>> = {
  web: (name) => ({ head: "", module: fileUrl(`${name}.wasm`), weights: fileUrl(`${name}.weights`) }),
  node: (name) => ({
    head: 'import { readFile } from "node:fs/promises";\n',
    module: `(await readFile(${fileUrl(`${name}.wasm`)}))`,
    weights: `(await readFile(${fileUrl(`${name}.weights`)}))`,
  }),
  worker: (name) => ({ head: `import module from ${specifier(`${name}.wasm`)};\n`, module: "module" }),
  "esm-source": (name) => ({
    head: `import source module from ${specifier(`${name}.wasm`)};\n`,
    module: "module",
    weights: fileUrl(`${name}.weights`),
  }),
  inline: (_name, wasm) => {
    if (wasm === undefined) throw new KilnError("E_INPUT", "an inline loader needs the module's bytes");
    return { head: `${decoder}\nconst base64 =\n  "${toBase64(wasm)}";\n`, module: "decode(base64)" };
  },
};

/** Not `Uint8Array.from(text, ...)`, which takes seconds for a large module. */
const decoder = `function decode(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
`;

function toBase64(bytes: Uint8Array): string {
  // A multiple of three, so that the parts join without padding; fewer than an engine takes as arguments.
  const part = 3 * 4096;
  let text = "";
  for (let at = 0; at < bytes.length; at += part) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + part)));
  }
  return text;
}

function loaderModule(metadata: ModelMetadata, name: string, { head, module, weights }: Access): string {
  const list = (bindings: readonly TensorBinding[]) =>
    bindings.map((b) => `    ${quote(facts(b))},\n`).join("");
  const split =
    metadata.weights.embedded || weights === undefined ? "" : `\n    weights: rest.weights ?? ${weights},`;
  const isAsync = module.includes("await ") || split.includes("await ");
  return `${header(metadata, name)}${head}import { load as loadModel } from "${runtimeOf(metadata)}";

export const metadata = {
  name: ${quote(metadata.name)},
  inputs: [
${list(metadata.inputs)}  ],
  outputs: [
${list(metadata.outputs)}  ],
};

export ${isAsync ? "async " : ""}function load(options = {}) {
  const { source, ...rest } = options;
  return loadModel(source ?? ${module}, {
    ...rest,${split}
  });
}
`;
}

function loaderTypes(metadata: ModelMetadata, name: string, host: Host): string {
  const needsWeights = host === "worker" && !metadata.weights.embedded;
  const { inputs, outputs } = metadata;
  const members = (bindings: readonly TensorBinding[], type: "Feed" | "Tensor") =>
    bindings.map((b) => `  ${quote(b.name)}: ${type}<${quote(b.type)}, ${tuple(b)}>;\n`).join("");
  const list = (bindings: readonly TensorBinding[]) =>
    bindings
      .map(
        (b) =>
          `{ readonly name: ${quote(b.name)}; readonly type: ${quote(b.type)}; readonly dims: ${tuple(b)} }`,
      )
      .map((type) => `\n    ${type},`)
      .join("");
  return `${header(metadata, name)}${typeImports(metadata)}

/** What \`run\` takes, by name of the input. */
export type Inputs = {
${members(inputs, "Feed")}};

/** What \`run\` gives, by name of the output. */
export type Outputs = {
${members(outputs, "Tensor")}};

export interface Options extends LoadOptions {
  /** In place of the .wasm file beside this module: its bytes, a Response, or a compiled WebAssembly.Module. */
  source?: ModuleSource;
${needsWeights ? `  /** This host has no file beside the module: say where the weights are. */\n  weights: NonNullable<LoadOptions["weights"]>;\n` : ""}}

export declare const metadata: {
  readonly name: ${quote(metadata.name)};
  readonly inputs: readonly [${list(inputs)}
  ];
  readonly outputs: readonly [${list(outputs)}
  ];
};

/** Loads the model; rejects with a KilnRuntimeError when that fails. */
export declare function load(options${needsWeights ? "" : "?"}: Options): Promise<${metadata.calls ? "ProfiledModel" : "Model"}<Inputs, Outputs>>;
`;
}

const header = ({ producer, name }: ModelMetadata, file: string): string =>
  `// Generated by ${plain(producer)} from the model ${quote(name)}; keep it beside ${plain(file)}.wasm.\n`;

/** A module that is profiled has `profile()`, which the usual runtime does without. */
const runtimeOf = ({ calls }: ModelMetadata): string =>
  calls ? "onnx-kiln/runtime/profile" : "onnx-kiln/runtime";

const typeImports = (metadata: ModelMetadata): string =>
  metadata.calls
    ? `import type { Feed, LoadOptions, ModuleSource, Tensor } from "onnx-kiln/runtime";
import type { ProfiledModel } from "${runtimeOf(metadata)}";`
    : 'import type { Feed, LoadOptions, Model, ModuleSource, Tensor } from "onnx-kiln/runtime";';

const facts = ({ name, type, dims }: TensorBinding) => ({ name, type, dims });

const tuple = ({ dims }: TensorBinding): string =>
  `readonly [${dims.map((dim) => (typeof dim === "number" ? dim : "number")).join(", ")}]`;

/** The URL expression that bundlers look for; the name is escaped where it has a meaning in URLs. */
const fileUrl = (name: string): string => `new URL(${specifier(name)}, import.meta.url)`;

const specifier = (name: string): string => quote(`./${encodeURIComponent(name)}`);

/** JSON that is also safe in a comment: model names come from outside, and U+2028 ends a line there. */
const quote = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u2028\u2029]/g, (c) => (c === "\u2028" ? "\\u2028" : "\\u2029"));

const plain = (text: string): string => quote(text).slice(1, -1);
