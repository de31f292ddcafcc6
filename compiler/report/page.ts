/**
 * The report as one HTML file. It opens from disk, asks for nothing, and its content security policy allows only the
 * scripts and the style that it carries, by their hashes. What comes from the model is JSON in an element that no
 * browser runs, and the script shows it as text.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { joinModules } from "../join-modules.js";
import type { ReportData } from "./data.js";
import { style } from "./style.js";

export async function reportPage(data: ReportData): Promise<string> {
  const modules = await joinModules(new URL("browser/", import.meta.url), "main");
  const scripts = [library(), inlined(`"use strict";\n${modules}`)];
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

/** Our scripts have no need of these, and an HTML parser would stop at them. */
function inlined(script: string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error("a script of the report cannot be inlined");
  return script;
}
