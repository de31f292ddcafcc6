import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { buildModel } from "../onnx/build-model.js";
import { kiln, type Result, useFolder } from "./harness.js";
import { dense, negate, unknown } from "./models.js";

const folder = useFolder();

const inspectDense = (...flags: string[]): Promise<Result> =>
  kiln("inspect", folder.write("model.onnx", dense), ...flags);

/** Standard output of a command that succeeds without a word on stderr. */
async function shown(...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await inspectDense(...flags);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

describe("the summary", () => {
  test("tells operators and what they cost", async () => {
    const lines = (await shown()).split("\n");
    expect(lines).toEqual([
      expect.stringMatching(/^model {7}dense \(\d+ B\)$/),
      "producer    kiln-test",
      "opset       ai.onnx 17",
      "input       x: float32[1, 2]",
      "output      y: float32[1, 2]",
      "nodes       3",
      "parameters  6 (24 B)",
      "FLOPs       8",
      "",
      "operator  count  parameters  weights  FLOPs  results",
      "MatMul        1           4     16 B      8      8 B",
      "Add           1           2      8 B      0      8 B",
      "Relu          1           0      0 B      0      8 B",
      "total         3           6     24 B      8     24 B",
      "",
    ]);
  });

  test("as JSON", async () => {
    const { summary } = JSON.parse(await shown("--json"));
    expect(summary).toMatchObject({
      name: "dense",
      opsets: { "ai.onnx": 17 },
      inputs: [{ name: "x", type: "float32", dims: [1, 2] }],
      total: { count: 3, parameters: 6, weightBytes: 24, flops: 8, outputBytes: 24 },
    });
    expect(summary.operators[0]).toMatchObject({ operator: "MatMul", count: 1, flops: 8 });
  });

  test("is given for models that cannot be compiled, too", async () => {
    const open = await kiln("inspect", folder.write("open.onnx", negate));
    expect([open.code, open.stderr]).toEqual([
      0,
      expect.stringContaining('not known: give --dim "batch=N"\n'),
    ]);
    expect(open.stdout).toMatch(/^input {7}x: float32\[batch, 3\]$/m);
    expect(open.stdout).toMatch(/^Neg +1 +0 +0 B +0 +-$/m);
    const bad = await kiln("inspect", folder.write("bad.onnx", unknown));
    expect([bad.code, bad.stderr]).toEqual([
      0,
      expect.stringContaining("2 node(s) cannot be compiled; `kiln check`"),
    ]);
    expect(bad.stdout).toMatch(/^com\.example\.Frobnicate +1 +0 +0 B +- +-$/m);
    expect((await kiln("inspect", folder.path("open.onnx"), "--dim", "length=1")).code).toBe(1);
  });
});

describe("IR", () => {
  test("after one pass, which parses", async () => {
    const stdout = await shown("--print-ir-after", "import");
    expect(stdout).toMatch(/^\/\/ ----- 00 after import\ngraph @dense\(%x: f32\[1, 2\]\) -> /);
    expect(parseGraph(stdout).nodes.map(({ operator }) => operator)).toEqual(["MatMul", "Add", "Relu"]);
  });

  test("after several, all, or those that changed it", async () => {
    const heads = (stdout: string): string[] =>
      [...stdout.matchAll(/^\/\/ ----- (\d\d) after (\S+)$/gm)].map(([, index, name]) => `${index} ${name}`);
    const passes: { index: number; name: string }[] = JSON.parse(await shown("--list-passes", "--json"));
    const all = passes.map(({ index, name }) => `${String(index).padStart(2, "0")} ${name}`);
    expect(heads(await shown("--print-ir-after-all"))).toEqual(all);
    const fuse = all.find((head) => head.endsWith("fuse"))!;
    const lower = all.find((head) => head.endsWith("lower"))!;
    expect(heads(await shown("--print-ir-after", "lower", "--print-ir-after", "fuse"))).toEqual([
      fuse,
      lower,
    ]);
    const changed = heads(await shown("--print-ir-after-change"));
    expect(changed).toEqual(expect.arrayContaining(["00 import", fuse, lower]));
    expect(changed.length).toBeLessThan(all.length);
  });

  test("in files, where it changed", async () => {
    const dump = folder.path("a/ir");
    expect(await shown("--dump-ir", dump)).toBe("");
    const files = readdirSync(dump).sort();
    expect(files[0]).toBe("00-import.txt");
    expect(files).toContainEqual(expect.stringMatching(/^\d\d-fuse\.txt$/));
    expect(files).not.toContainEqual(expect.stringMatching(/eliminate-dead-code/));
    expect(readFileSync(`${dump}/00-import.txt`, "utf8")).toMatch(/^graph @dense.*\}\n$/s);
  });

  test("as JSON, with times", async () => {
    const { ir, passes } = JSON.parse(await shown("--print-ir-after", "fuse", "--pass-timing", "--json"));
    expect(ir).toEqual([
      { index: expect.any(Number), pass: "fuse", text: expect.stringContaining("kiln.Fusion") },
    ]);
    expect(passes[0]).toMatchObject({ name: "import", nodes: 3, ms: expect.any(Number) });
    expect(await shown("--pass-timing")).toMatch(/^ {4}total +[\d.]+ m?s$/m);
  });
});

describe("kernels", () => {
  test("are listed with their size and cost", async () => {
    expect(await shown("--kernels")).toMatch(/^kernel +calls {2}code bytes {2}FLOPs\nmatmul\S+ +1 +\d+ +8\n/);
    const { kernels } = JSON.parse(await shown("--kernels", "--json"));
    expect(kernels[0]).toMatchObject({ name: expect.stringMatching(/^matmul/), calls: 1, flops: 8 });
    expect(kernels[0].codeBytes).toBeGreaterThan(20);
  });

  test("are those of all features that code can be made for", async () => {
    for (const features of ["scalar", "threads", "relaxed-simd,threads"]) {
      expect(await shown("--kernels", "--features", features)).toMatch(/^kernel .*\nmatmul/);
    }
  });

  test("as Loop IR and as WebAssembly text, by a part of the name", async () => {
    expect(await shown("--loops", "matmul")).toMatch(/^kernel @matmul\S*\(.*\}\n$/s);
    expect(await shown("--wat", "atmu")).toMatch(/^ *\(func \$matmul\S* .*f32/s);
    const { loops, wat } = JSON.parse(await shown("--loops", "matmul", "--wat", "matmul", "--json"));
    expect([loops, wat]).toEqual([expect.stringMatching(/^kernel @/), expect.stringMatching(/^ *\(func /)]);
  });

  test("that are not there, or not one: the names are listed", async () => {
    for (const view of ["--wat", "--loops"]) {
      const { code, stdout, stderr } = await inspectDense(view, "conv");
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^error: "conv" is no kernel; the kernels:\n {2}matmul/);
      const several = await kiln("inspect", folder.path("model.onnx"), "-O0", view, "");
      expect(several.code).toBe(1);
      expect(several.stderr).toMatch(/^error: "" matches several kernels:\n( {2}\S+\n){3}$/);
    }
  });
});

describe("memory", () => {
  test("as a table", async () => {
    const stdout = await shown("--memory", "-O0");
    expect(stdout).toMatch(/^weights +\d+ B at 1024$/m);
    expect(stdout).toMatch(/^arena +\d+ B at \d+$/m);
    expect(stdout).toMatch(/^memory +65\.5 kB$/m);
    expect(stdout).toMatch(/^peak +call \d of \d: \S+$/m);
    expect(stdout).toMatch(/^address +bytes +kind +first +last +peak +buffer$/m);
    expect(stdout).toMatch(/^ +1024 +\d+ {2}constant {2,}\S+$/m);
    expect(stdout).toMatch(/^ +\d+ +8 {2}input +0 +\d/m);
  });

  test("of open sizes: that of an example, for the largest that bounds allow", async () => {
    const path = folder.write("open.onnx", negate);
    expect((await kiln("inspect", path, "--memory")).stdout).toMatch(/^an example, for +batch=1$/m);
    const { stdout } = await kiln("inspect", path, "--memory", "--json", "--dim", "batch=1..40");
    const { memory } = JSON.parse(stdout);
    expect(memory.exampleSizes).toEqual({ batch: 40 });
    expect(memory.buffers.map(({ bytes }: { bytes: number }) => bytes)).toContain(480);
    // What the module reserves for its bounds is what the example takes.
    const { report } = await compile(buildModel(negate), { dims: { batch: { min: 1, max: 40 } } });
    expect(memory.arena.byteLength).toBe(report.arenaBytes);
  });

  test("as JSON: no two buffers that live at once overlap", async () => {
    const { memory } = JSON.parse(await shown("--memory", "-O0", "--json"));
    expect(memory.memoryBytes).toBe(65536);
    const arena: { address: number; bytes: number; first: number; last: number; kind: string }[] =
      memory.buffers.filter(({ kind }: { kind: string }) => kind !== "constant");
    const ends = arena.map(({ address, bytes }) => address + bytes);
    expect(Math.max(...ends)).toBeLessThanOrEqual(memory.arena.address + memory.arena.byteLength);
    for (const a of arena) {
      for (const b of arena) {
        // In place, a result begins at the call at which its operand ends.
        const together = a !== b && a.first < b.last && b.first < a.last;
        if (together) expect(a.address + a.bytes <= b.address || b.address + b.bytes <= a.address).toBe(true);
      }
    }
  });
});

describe("the drawing", () => {
  test("of what is fused, as DOT on stdout", async () => {
    const lines = (await shown("--graph", "-")).split("\n");
    expect(lines[0]).toBe('digraph "dense" {');
    const contains = (text: string) => expect(lines).toContainEqual(expect.stringContaining(text));
    contains('input0 [label="x\\nf32[1, 2]", shape=ellipse');
    contains("subgraph cluster");
    contains('label="product, bias, positive"');
    contains('[label="MatMul\\nproduct", tooltip="product\\nf32[2, 2]"]');
    contains('[label="Relu\\npositive"');
    contains('  input0 -> node0 [label="f32[1, 2]"];');
    contains('-> output0 [label="f32[1, 2]"];');
    expect(lines.at(-2)).toBe("}");
  });

  test("in files, as SVG and as DOT", async () => {
    const svg = folder.path("out/graph.svg");
    const { code, stderr } = await inspectDense("--graph", svg);
    expect([code, stderr]).toEqual([0, `wrote ${svg}\n`]);
    const text = readFileSync(svg, "utf8");
    expect(text).toMatch(/<svg .*<\/svg>\n$/s);
    for (const label of ["MatMul", "product", "Relu", "f32[1, 2]"]) expect(text).toContain(label);
    await inspectDense("--graph", folder.path("graph.dot"));
    const page = folder.path("page.html");
    for (const flags of [
      ["--html", page],
      ["--graph", svg],
    ]) {
      expect(JSON.parse((await inspectDense(...flags, "--json")).stdout)).toEqual({ files: [flags[1]] });
    }
    expect(readFileSync(folder.path("graph.dot"), "utf8")).toMatch(/^digraph "dense" \{\n.*\n\}\n$/s);
  });

  test("of names that mean something to Graphviz or XML", async () => {
    const name = 'a"]; <b>\\N & \u0001 -> c';
    const hostile = {
      ...dense,
      name,
      nodes: dense.nodes.map((node) => ({ ...node, name: `${name}${node.op}` })),
    };
    const model = folder.write("hostile.onnx", hostile);
    expect((await kiln("inspect", model, "--graph", folder.path("x.svg"))).code).toBe(0);
    const text = readFileSync(folder.path("x.svg"), "utf8");
    expect(text).toContain("a&quot;]; &lt;b&gt;\\N &amp; \\u0001");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no control character may be left
    expect(text).not.toMatch(/<b>|\u0001/);
  });

  test("of a large graph, what is fused as one node", async () => {
    const chain = Array.from({ length: 450 }, (_, i) => ({
      op: i % 3 === 0 ? "Softmax" : "Neg",
      name: `n${i}`,
      inputs: [i === 0 ? "x" : `v${i - 1}`],
      outputs: [i === 449 ? "y" : `v${i}`],
    }));
    const model = folder.write("large.onnx", { ...negate, nodes: chain });
    const { stdout } = await kiln("inspect", model, "--dim", "batch=1", "-O1", "--graph", "-");
    expect(stdout).not.toContain("subgraph");
    expect(stdout).toMatch(/\[label="\S+ \+ \S+.*\\nn\d+, n\d+/);
  });
});

test("several views one after the other", async () => {
  const stdout = await shown("--kernels", "--memory");
  expect(stdout).toMatch(/^kernel .*\n\nweights .*\n\naddress /ms);
  expect(Object.keys(JSON.parse(await shown("--kernels", "--memory", "--json")))).toEqual([
    "kernels",
    "memory",
  ]);
});
