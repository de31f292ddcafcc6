import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { fuse } from "../../passes/graph/fuse.js";
import { vectorize } from "../../passes/loop/vectorize.js";
import { kiln, useFolder } from "./harness.js";
import { dense, negate } from "./models.js";

const folder = useFolder();
afterEach(() => {
  vi.restoreAllMocks();
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith("kiln-replay_")) rmSync(join(tmpdir(), name));
  }
});

/** Weights of more elements than the IR's text has room for. */
const wide = {
  ...dense,
  inputs: { x: ["float32", [1, 8]] as ["float32", number[]] },
  initializers: {
    w: tensorOf(
      "float32",
      [8, 2],
      Array.from({ length: 16 }, (_, i) => i / 4),
    ),
    b: tensorOf("float32", [2], [1, 1]),
  },
};

const crash = (): never => {
  throw new TypeError("a bug that a test has put there");
};

test.each([
  ["graph", fuse, "fuse"],
  ["loop", vectorize, "vectorize"],
] as const)("a crash of a %s pass is replayed from the IR before it", async (_, pass, name) => {
  const model = folder.write("replay <x>.onnx", wide);
  vi.spyOn(pass, "run").mockImplementation(crash);
  const { code, stderr } = await kiln("compile", model, "-o", folder.path("out"), "--strict");
  expect(code).toBe(1);
  expect(stderr).toContain("a bug that a test has put there");
  const path = /^ {2}kiln replay (\S+)$/m.exec(stderr)![1]!;
  const text = readFileSync(path, "utf8");
  const head = JSON.parse(/^\/\/ kiln-reproducer: (.*)$/m.exec(text)![1]!);
  expect(head).toMatchObject({ version: expect.any(String), options: { strict: true } });
  expect(head.pipeline[0]).toBe(name);
  expect(head.pipeline.at(-1)).toBe("emit");

  const again = await kiln("replay", path);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("a bug that a test has put there")]);
  vi.restoreAllMocks();
  const mended = await kiln("replay", path);
  expect([mended.code, mended.stderr]).toEqual([0, ""]);
  expect(mended.stdout).toMatch(new RegExp(`^no crash: ${name}, .*, emit$`, "m"));
  // The IR may be made smaller by hand.
  writeFileSync(path, text.replace(/ from \[.*\]/g, ""));
  expect((await kiln("replay", path)).code).toBe(0);
});

test("open dims, and what is no reproducer or no bug", async () => {
  const model = folder.write("replay_open.onnx", negate);
  vi.spyOn(vectorize, "run").mockImplementation(crash);
  const { stderr } = await kiln("compile", model, "-o", folder.path("out"), "--dim", "batch=1..4", "-q");
  const [, path] = /kiln replay (\S+)/.exec(stderr)!;
  vi.restoreAllMocks();
  expect((await kiln("replay", path!)).code).toBe(0);
  const other = await kiln("replay", folder.write("x.txt", "graph @g"));
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("not a reproducer of Kiln")]);
  const refused = await kiln("compile", folder.write("y.onnx", new Uint8Array([1, 2, 3])));
  expect(refused.stderr).not.toContain("replay");
});
