import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import { writeNpy } from "../../compiler/cli/npy.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { kiln, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";

const folder = useFolder();
// Cold starts run what is built, not the sources.
const short = ["--duration", "0", "--warmup", "1", "--cold-starts", "0", "-q"];

test("a model under Kiln and its rival", async () => {
  const model = folder.write("<dense>.onnx", dense);
  const page = folder.path("new/page.html");
  const { code, stdout } = await kiln("bench", model, ...short, "--json", "--html", page);
  expect(code).toBe(0);
  const report = JSON.parse(stdout);
  expect(report.engines[0]).toMatchObject({ label: "kiln plain", threads: 1, isKiln: true });
  expect(report.engines[0].difference.relative).toBeLessThan(1e-5);
  const labels: string[] = [...report.engines, ...report.missing].map(({ label }) => label);
  for (const label of [/^kiln relaxed-simd$/, /^onnxruntime-web/, /^onnxruntime-node/]) {
    expect(labels.some((one) => label.test(one))).toBe(true);
  }
  // Relaxed SIMD, on two threads, with a rival of as many.
  const threaded = report.engines.filter(({ threads }: { threads: number }) => threads === 2);
  expect(labels).toContain("kiln threads");
  const rivals = hasRelaxedSimd() ? ["kiln threads", expect.stringMatching(/^onnxruntime-web/)] : [];
  expect(threaded.map(({ label }: { label: string }) => label)).toEqual(rivals);
  const html = readFileSync(page, "utf8");
  expect(html).toContain("&#60;dense&#62;");
  expect(html).not.toMatch(/<dense>|<script|https?:/);
});

test("as text, of the variants that are asked for", async () => {
  const model = folder.write("model.onnx", dense);
  const { code, stdout } = await kiln("bench", model, ...short, "--variants", "plain");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^kiln plain +[\d.]+ ms/m);
  expect(stdout).not.toContain("kiln relaxed-simd");
});

test("kernels of the fastest variant", async () => {
  const model = folder.write("model.onnx", dense);
  const page = folder.path("kernels.html");
  const flags = [...short, "--variants", "plain", "--profile", "--html", page];
  const { code, stdout } = await kiln("bench", model, ...flags);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^kernels of kiln plain\n+kernel +calls +time/m);
  expect(stdout).toMatch(/^matmul_\S+ +1 +/m);
  expect(readFileSync(page, "utf8")).toMatch(/<th scope="row">matmul_/);
  const { profile, engines } = JSON.parse((await kiln("bench", model, ...flags, "--json")).stdout);
  expect(profile).toMatchObject({ label: "kiln plain", kernels: expect.any(Array) });
  expect(engines[0].label).toBe("kiln plain");
});

test("open sizes, of the files that are given: no work is counted, and it says so", async () => {
  const model = folder.write("model.onnx", negate);
  const x = folder.write("x.npy", writeNpy(tensorOf("float32", [2, 3], [1, 2, 3, 4, 5, 6])));
  const flags = ["--input", x, "--variants", "plain", "--profile"];
  const { code, stdout, stderr } = await kiln("bench", model, ...flags, ...short.slice(0, -1));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^kiln plain +[\d.]+ ms/m);
  expect(
    stderr.match(/^warning: the shape of input "x" is open: FLOPs and bytes .* not counted/gm),
  ).toHaveLength(1);
});

test("what is no model, and a page that cannot be written, before anything is measured", async () => {
  const text = await kiln("bench", folder.write("notes.onnx", "hello world"));
  expect([text.code, text.stderr]).toEqual([1, expect.stringContaining("the file is no ONNX model")]);
  const model = folder.write("model.onnx", dense);
  const inFile = await kiln("bench", model, "--html", `${model}/page.html`);
  expect([inFile.code, inFile.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: cannot write .*page\.html/),
  ]);
});

test("variants that there are not, and results that are not near enough", async () => {
  const model = folder.write("model.onnx", dense);
  const unknown = await kiln("bench", model, "--variants", "plane");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there is no variant "plane"')]);
  const strict = await kiln("bench", model, ...short, "--variants", "plain", "--tolerance", "-1");
  expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining("nothing was timed")]);
});
