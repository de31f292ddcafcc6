import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { FunctionSpec, GraphSpec, ModelSpec } from "../onnx/build-model.js";
import { kiln, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";

const folder = useFolder();

/** Exponentials are rounded one way or the other, so that not one bit parts before them. */
const exponential: ModelSpec = {
  name: "exponential",
  inputs: { x: ["float32", [4096]] },
  outputs: { y: ["float32", [4096]] },
  nodes: [
    { op: "Neg", name: "negative", inputs: ["x"], outputs: ["n"] },
    { op: "Exp", inputs: ["n"], outputs: ["e\n</script>"] },
    { op: "Relu", name: "positive", inputs: ["e\n</script>"], outputs: ["y"] },
    { op: "Neg", name: "unread", inputs: ["n"], outputs: ["z"] },
  ],
};

test("results that agree: of the outputs, of every node, also as JSON", async () => {
  const path = folder.write("model.onnx", dense);
  const outputs = await kiln("diff", path, "-q");
  expect([outputs.code, outputs.stdout]).toEqual([
    0,
    "1 output compared with onnxruntime-web, 0 of them part\n",
  ]);
  const { code, stdout } = await kiln("diff", path, "-q", "--layerwise", "--json");
  expect(code).toBe(0);
  const { equal, first, layers } = JSON.parse(stdout);
  expect([equal, first]).toEqual([true, null]);
  expect(layers.map(({ node }: { node: string }) => node)).toEqual(["product", "bias", "positive"]);
});

test("the first node at which they part, and exit code 1", async () => {
  const path = folder.write("model.onnx", exponential);
  const exact = ["--rtol", "0", "--atol", "0", "-q"];
  const { code, stdout } = await kiln("diff", path, "--layerwise", ...exact, "--json");
  expect(code).toBe(1);
  const { first, layers } = JSON.parse(stdout);
  expect(first).toMatchObject({ node: "e\n</script>", operator: "Exp", parts: true, dims: [4096] });
  expect(first.relative).toBeLessThan(1e-6);
  // What nothing reads is not compared.
  expect(layers.map(({ value }: { value: string }) => value)).toEqual(["n", "e\n</script>", "y"]);
  const text = await kiln("diff", path, "--layerwise", ...exact);
  expect(text.stdout).toContain("3 values compared with onnxruntime-web, 2 of them part");
  expect(text.stdout).toMatch(/first at node ".*" \(Exp\)/s);
  expect((await kiln("diff", path, "--layerwise", "-q")).code).toBe(0);
});

test("a flag that does not fit, and a model whose sizes are open", async () => {
  const path = folder.write("model.onnx", negate);
  const engine = await kiln("diff", path, "--against", "other");
  expect([engine.code, engine.stderr]).toEqual([2, expect.stringContaining("onnxruntime-web")]);
  const bound = await kiln("diff", path, "--layerwise", "--dim", "batch=2", "-q");
  expect([bound.code, bound.stdout]).toEqual([0, expect.stringContaining("0 of them part")]);
  const open = await kiln("diff", path, "-q");
  expect([open.code, open.stderr]).toEqual([1, expect.stringContaining("batch")]);
});

test("inside of functions, those that they call too, and of branches", async () => {
  const float = (...dims: number[]) => ["float32", dims] as ["float32", number[]];
  const twice: FunctionSpec = {
    ...{ domain: "f", name: "Twice", inputs: ["a"], outputs: ["c"] },
    nodes: [
      { op: "Neg", name: "inner", inputs: ["a"], outputs: ["b"] },
      { op: "Add", inputs: ["b", "b"], outputs: ["c"] },
    ],
  };
  const outer: FunctionSpec = {
    ...{ domain: "f", name: "Outer", inputs: ["a"], outputs: ["d"], opset: { "": 17, f: 1 } },
    nodes: [
      { op: "Twice", domain: "f", name: "first", inputs: ["a"], outputs: ["b"] },
      { op: "Exp", name: "power", inputs: ["b"], outputs: ["c"] },
      { op: "Twice", domain: "f", name: "second", inputs: ["c"], outputs: ["d"] },
    ],
  };
  const branch = (op: string): GraphSpec => ({
    outputs: { r: float(2) },
    nodes: [{ op, inputs: ["d"], outputs: ["r"] }],
  });
  const path = folder.write("model.onnx", {
    ...{ inputs: { x: float(2), on: ["bool", []] }, outputs: { y: float(2) }, opset: { "": 17, f: 1 } },
    functions: [twice, outer],
    nodes: [
      { op: "Outer", domain: "f", name: "call", inputs: ["x"], outputs: ["d"] },
      {
        ...{ op: "If", name: "branch", inputs: ["on"], outputs: ["y"] },
        attributes: { then_branch: branch("Relu"), else_branch: branch("Abs") },
      },
    ],
  });
  for (const against of ["onnxruntime-web", "onnxruntime-node"]) {
    const { code, stdout, stderr } = await kiln("diff", path, "--against", against, "--layerwise", "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const { layers, uncomputed, unseen } = JSON.parse(stdout);
    expect([uncomputed, unseen]).toEqual([1, []]);
    expect(layers.map(({ node }: { node: string }) => node)).toEqual([
      "call/first/inner",
      "call/first",
      "call/power",
      "call/second/inner",
      "call",
      "branch/else_branch/r",
      "branch",
    ]);
  }
});

test("the other engine is given external data, too", async () => {
  const location = "weights/b.bin";
  const externalData = [{ key: "location", value: location }];
  const b = { proto: { dims: [2], dataType: 1, dataLocation: 1, externalData } };
  const path = folder.write("model.onnx", { ...dense, initializers: { ...dense.initializers, b } });
  mkdirSync(folder.path("weights"));
  writeFileSync(folder.path(location), new Uint8Array(Float32Array.of(1, 1).buffer));
  for (const against of ["onnxruntime-web", "onnxruntime-node"]) {
    const { code, stdout, stderr } = await kiln("diff", path, "--layerwise", "--against", against, "-q");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(`3 values compared with ${against}, 0 of them part\n`);
  }
});
