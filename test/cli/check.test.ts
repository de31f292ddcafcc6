import { expect, test } from "vitest";
import { kiln, useFolder } from "./harness.js";
import { dense, negate, unknown } from "./models.js";

const folder = useFolder();

test("a model that can be compiled", async () => {
  const model = folder.write("model.onnx", dense);
  expect(await kiln("check", model)).toEqual({ code: 0, stdout: "all 3 nodes are supported\n", stderr: "" });
  const { stdout } = await kiln("check", model, "--json");
  expect(JSON.parse(stdout)).toEqual({ supported: true, nodes: 3, unsupported: [] });
});

test("every node that cannot be compiled, at once", async () => {
  const model = folder.write("model.onnx", unknown);
  const { code, stdout, stderr } = await kiln("check", model);
  expect(code).toBe(1);
  expect(stdout.split("\n")).toEqual([
    "node    operator                opset  reason",
    expect.stringMatching(
      /^first {3}com\.example\.Frobnicate {6}3 {2}the operator of domain com\.example is not /,
    ),
    expect.stringMatching(/^second {2}Quux {23}17 {2}the operator is not supported$/),
    "",
  ]);
  expect(stderr).toBe("error: 2 of 4 nodes cannot be compiled\n");
});

test("the same as JSON", async () => {
  const model = folder.write("model.onnx", unknown);
  const { code, stdout, stderr } = await kiln("check", model, "--json");
  expect([code, stderr]).toEqual([1, ""]);
  expect(JSON.parse(stdout)).toEqual({
    supported: false,
    nodes: 4,
    unsupported: [
      { node: "first", operator: "Frobnicate", domain: "com.example", opset: 3, reason: expect.any(String) },
      { node: "second", operator: "Quux", domain: "", opset: 17, reason: expect.any(String) },
    ],
  });
});

test("dims that stay open need no flags", async () => {
  const model = folder.write("model.onnx", negate);
  const open = await kiln("check", model);
  expect([open.code, open.stdout]).toEqual([0, "the only node is supported\n"]);
  expect(open.stderr).toBe("");
  expect((await kiln("check", model, "--dim", "batch=2")).stderr).toBe("");
  expect((await kiln("check", model, "--input-shape", "x:2x3")).stderr).toBe("");
  const bounds = await kiln("check", model, "--dim", "batch=1..2");
  expect([bounds.code, bounds.stderr]).toEqual([0, ""]);
});
