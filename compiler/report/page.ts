/**
 * The report as one HTML file. It opens from disk, asks for nothing, and its content security policy allows only the
 * scripts and the style that it carries, by their hashes. What comes from the model is JSON in an element that no
 * browser runs, and the script shows it as text.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { ReportData } from "./data.js";
import { style } from "./style.js";

/** The modules of the page's script, each behind those that it imports. */
const modules = [
  "dom",
  "format",
  "list",
  "layout",
  "state",
  "details",
  "graph",
  "text",
  "kernels",
  "memory",
  "sizes",
  "main",
];

export async function reportPage(data: ReportData): Promise<string> {
  const scripts = [library(), await pageScript()];
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(hash).join(" ")}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kiln report</title>
<style>${style}</style>
</head>
<body>
<noscript>This report needs JavaScript, which it carries itself.</noscript>
<script type="application/json" id="data">${embeddedJson(data)}</script>
${scripts.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

/** JSON that cannot end the element that it lies in, nor begin a comment in it. */
export const embeddedJson = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c");

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** jsdiff, which makes the global `Diff`. */
function library(): string {
  const main = createRequire(import.meta.url).resolve("diff");
  const text = readFileSync(join(main.slice(0, main.lastIndexOf("libcjs")), "dist/diff.min.js"), "utf8");
  return inlined(text);
}

/** The modules as one script: each a function whose exports the later ones are given. */
async function pageScript(): Promise<string> {
  const parts: string[] = [];
  for (const name of modules) parts.push(asFunction(name, await javascript(name)));
  return inlined(`"use strict";\nconst modules = {};\n${parts.join("\n")}`);
}

function asFunction(name: string, code: string): string {
  const exported: string[] = [];
  const body = code
    .replace(/^import \{([^}]*)\} from "\.\/(.*)\.js";$/gm, "const {$1} = modules.$2;")
    .replace(/^export ((?:async )?function|const|class) (\w+)/gm, (_, kind, symbol) => {
      exported.push(symbol);
      return `${kind} ${symbol}`;
    })
    .replace(/^export \{\};$/gm, "");
  if (/^(import|export) /m.test(body))
    throw new Error(`browser/${name} imports or exports in a way of its own`);
  return `modules.${name} = (() => {\n${body}\nreturn { ${exported.join(", ")} };\n})();`;
}

/** What the build has made of a module; from the sources themselves where there is no build, as in tests. */
async function javascript(name: string): Promise<string> {
  const built = new URL(`browser/${name}.js`, import.meta.url);
  if (existsSync(built)) return readFileSync(built, "utf8");
  const { default: ts } = await import("typescript");
  const source = readFileSync(new URL(`browser/${name}.ts`, import.meta.url), "utf8");
  const { ScriptTarget, ModuleKind } = ts;
  const compilerOptions = {
    target: ScriptTarget.ES2022,
    module: ModuleKind.ESNext,
    verbatimModuleSyntax: true,
  };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

/** Our scripts have no need of these, and an HTML parser would stop at them. */
function inlined(script: string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error("a script of the report cannot be inlined");
  return script;
}
