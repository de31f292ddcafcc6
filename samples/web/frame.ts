/** What the sample pages have around what each of them shows: their head, and the way from one to the other. */

import { createHash } from "node:crypto";

export interface SamplePage {
  /** Of its URL. */
  readonly path: string;
  readonly title: string;
  /** What it shows, in the folder of the samples: the inside of its `main`. */
  readonly file: string;
  /** Path of its script in the URL; none where it needs none. */
  readonly script?: string;
}

export const samplePages: readonly SamplePage[] = [
  { path: "/", title: "Samples", file: "web/index.html" },
  { path: "/ocr/", title: "Read text", file: "ocr/page.html", script: "/samples/ocr/page.js" },
  { path: "/vad/", title: "Hear speech", file: "vad/page.html", script: "/samples/vad/page.js" },
  { path: "/zoo/", title: "Compare networks", file: "web/zoo.html", script: "/samples/web/zoo-page.js" },
];

/** Where scripts find what they import by the name of the package. */
const importMap = JSON.stringify({ imports: { "onnx-kiln/runtime": "/runtime/index.js" } });

/** Import maps have to be in the page: the policy names this one by its hash. */
export const importMapHash = `'sha256-${createHash("sha256").update(importMap).digest("base64")}'`;

/** The whole page around the inside of its `main`. */
export function framed({ path, title, script }: SamplePage, main: string): string {
  const links = samplePages.map((page) => {
    const current = page.path === path ? ' aria-current="page"' : "";
    return `<a href="${page.path}"${current}>${page.title}</a>`;
  });
  const scripts =
    script === undefined
      ? ""
      : `<script type="importmap">${importMap}</script>\n<script type="module" src="${script}"></script>\n`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${path === "/" ? "Kiln samples" : `${title} - Kiln samples`}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
${scripts}</head>
<body>
<header>
<nav aria-label="Samples">
${links.join("\n")}
</nav>
</header>
<main>
${main}</main>
</body>
</html>
`;
}
