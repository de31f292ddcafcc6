import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import { compile } from "../../compiler/index.js";
import type { ReportData } from "../../compiler/report/data.js";
import { load } from "../../runtime/profile.js";
import { buildModel } from "../onnx/build-model.js";
import { kiln, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";

const folder = useFolder();
const short = ["--duration", "0", "--warmup", "1", "-q"];

/** The same kernel twice, on other nodes, and node names that no name of a function may have. */
const hostile = {
  ...dense,
  nodes: dense.nodes.map((node) => ({ ...node, name: `</script>"${node.name}\n$(x)` })),
};

test("one name for a kernel: profile, IR, report and the module's name section", async () => {
  const path = folder.write("model.onnx", hostile);
  const { code, stdout } = await kiln("profile", path, ...short, "--json");
  expect(code).toBe(0);
  const { kernels, calls, runMs, kernelMs, timeline } = JSON.parse(stdout);
  const names = kernels.map(({ kernel }: { kernel: string }) => kernel).sort();
  expect(names.length).toBeGreaterThan(0);
  expect(kernelMs).toBeLessThanOrEqual(runMs);
  expect(timeline).toHaveLength(calls.length);
  expect(calls[0].nodes[0]).toContain("</script>");
  expect(calls[0].operators).toEqual(["MatMul", "Add", "Relu"]);
  expect(calls[0].outputs).toEqual(["f32[1, 2]"]);

  let ir = "";
  const onPass = ({ after }: { after: string }): void => {
    ir = after;
  };
  const options = { profile: true, onPass };
  const { wasm, report } = await compile(buildModel(hostile), options);
  const printed = [...ir.matchAll(/^ *kernel @(\S+)\(/gm)].map((match) => match[1]).sort();
  expect(printed).toEqual(names);
  expect(report.kernels.map(({ name }) => name).sort()).toEqual(names);
  const section = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  const [bytes] = WebAssembly.Module.customSections(section, "name");
  const text = new TextDecoder("latin1").decode(bytes);
  for (const name of names) expect(text).toContain(name);

  const html = folder.path("report.html");
  expect((await kiln("inspect", path, ...short, "--html", html, "--profile")).code).toBe(0);
  const [data] = /(?<=id="data">).*?(?=<\/script>)/s.exec(readFileSync(html, "utf8"))!;
  const shown = JSON.parse(data) as ReportData;
  expect(shown.profile!.kernels.map(({ kernel }) => kernel).sort()).toEqual(names);
  expect(shown.kernels.map(({ name }) => name).sort()).toEqual(names);
  for (const { name, loops, wat } of shown.kernels) {
    expect(shown.lines[loops[0]!]).toContain(`kernel @${name}(`);
    expect(shown.lines[wat[0]!]).toContain(`(func $${name} `);
  }
});

test.skipIf(hasRelaxedSimd())("relaxed SIMD where the engine has none", async () => {
  const path = folder.write("model.onnx", dense);
  for (const command of ["profile", "tune"]) {
    const { code, stderr } = await kiln(command, path, "--features", "relaxed-simd");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/has no relaxed SIMD.*\n {2}hint: Node 22/)]);
  }
});

test("as a table, by kernel or by call, and as a trace", async () => {
  const path = folder.write("model.onnx", dense);
  const trace = folder.path("trace.json");
  const byKernel = await kiln("profile", path, ...short, "--trace", trace);
  expect(byKernel.stdout).toMatch(
    /^kernel +calls +time +share +GFLOP\/s +bytes +GB\/s +FLOP\/byte +bound by/,
  );
  expect((await kiln("profile", path, ...short, "--calls")).stdout).toMatch(/product, bias, positive/);
  const { traceEvents } = JSON.parse(readFileSync(trace, "utf8"));
  const slices = traceEvents.filter(({ cat }: { cat?: string }) => cat === "kernel");
  expect(slices[0]).toMatchObject({ ph: "X", pid: 1, tid: 1, args: { op: "MatMul + Add + Relu" } });
  expect(slices[0].args.shapes).toMatch(/f32\[1, 2\], .* -> f32\[1, 2\]/);
  expect(slices[0].args.node).toBe("product, bias, positive");
  const [run] = traceEvents.filter(({ cat }: { cat?: string }) => cat === "run");
  const last = slices.at(-1);
  expect(last.ts + last.dur).toBeLessThanOrEqual(run.dur + 1e-6);
});

test("a module compiled with profile has profile(), also with open dims; others say that they have not", async () => {
  const { wasm, js, dts } = await compile(buildModel(negate), { profile: true });
  expect(js).toContain('from "onnx-kiln/runtime/profile"');
  expect(dts).toContain("Promise<ProfiledModel<Inputs, Outputs>>");
  using model = await load(wasm);
  const x = { type: "float32", data: new Float32Array(6), dims: [2, 3] } as const;
  const { calls, runs, kernels } = model.profile({ x }, { warmup: 0, seconds: 0 });
  expect(runs).toBe(1);
  expect(kernels.map(({ kernel }) => kernel)).toEqual(calls.map(({ kernel }) => kernel));
  expect(Array.from(model.runSync({ x }).y!.data as Float32Array)).toEqual(Array(6).fill(-0));
  const plain = await compile(buildModel(negate));
  expect(plain.js).not.toContain("profile");
  await expect(load(plain.wasm)).rejects.toThrow("compiled without profile");
});
