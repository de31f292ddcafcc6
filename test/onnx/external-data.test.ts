/** External tensor data: resolved once, never from outside the model's folder, and never beyond the end of a file. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits as limits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { checkLocation, type ExternalDataResolver } from "../../compiler/onnx/external-data.js";
import { fileExternalData } from "../../compiler/onnx/external-data-files.js";
import type { OnnxTensor } from "../../compiler/onnx/model.js";
import { decodeTensorProto } from "../../compiler/onnx/tensor.js";
import { buildModel, buildTensor, type TensorSpec } from "./build-model.js";
import { expectError } from "./raises.js";

function external(entries: Record<string, string>, dims = [2]) {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return { proto: { dims, dataType: 1, dataLocation: 1, externalData } };
}

async function decode(
  initializers: Record<string, TensorSpec>,
  externalData?: ExternalDataResolver,
): Promise<ReadonlyMap<string, OnnxTensor>> {
  const bytes = buildModel({ initializers, nodes: [] });
  return (await decodeModel(bytes, { limits, externalData })).graph.initializers;
}

const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

describe("resolving", () => {
  test("each location is asked for once, and tensors are views of what it gave", async () => {
    const asked: string[] = [];
    const tensors = await decode(
      {
        a: external({ location: "data/w.bin", offset: "0", length: "8" }),
        b: external({ location: "data/w.bin", offset: "8" }),
        c: external({ location: "other.bin" }, [1]),
      },
      async (location) => {
        asked.push(location);
        return floats;
      },
    );
    expect(asked).toEqual(["data/w.bin", "other.bin"]);
    expect(tensors.get("a")).toEqual(tensorOf("float32", [2], [1, 2]));
    expect(tensors.get("b")).toEqual(tensorOf("float32", [2], [3, 4]));
    expect(tensors.get("c")).toEqual(tensorOf("float32", [1], [1]));
    const b = tensors.get("b")!;
    expect(b.dtype !== "string" && b.data.buffer).toBe(floats.buffer);
  });

  test("tensors of attributes, subgraphs and functions are resolved too", async () => {
    const tensor = external({ location: "w" });
    const node = { op: "Constant", attributes: { value: { tensor } } };
    const inner = { nodes: [{ ...node, outputs: ["i"] }], outputs: { i: ["float32"] as const } };
    const bytes = buildModel({
      opset: { "": 17, f: 1 },
      nodes: [
        { ...node, outputs: ["a"] },
        { op: "Loop", inputs: ["a"], outputs: ["b"], attributes: { body: inner } },
        { op: "F", domain: "f", outputs: ["c"] },
      ],
      functions: [
        { domain: "f", name: "F", inputs: [], outputs: ["o"], nodes: [{ ...node, outputs: ["o"] }] },
      ],
    });
    const model = await decodeModel(bytes, { limits, externalData: () => floats });
    const expected = { kind: "tensor", value: tensorOf("float32", [2], [1, 2]) };
    expect(model.graph.nodes[0]!.attributes.get("value")).toEqual(expected);
    expect(model.graph.nodes[2]!.attributes.get("value")).toEqual(expected);
    const body = model.graph.nodes[1]!.attributes.get("body")!;
    expect(body.kind === "graph" && body.value.nodes[0]!.attributes.get("value")).toEqual(expected);
  });

  test("every failure names the tensor and the location", async () => {
    const w = external({ location: "w.bin" });
    const named = (rest: RegExp) => new RegExp(`tensor "w".*"w\\.bin".*${rest.source}`);
    await expectError(() => decode({ w }), "E_EXTERNAL_DATA", named(/nothing resolves.*\n.*externalData/));
    const failing = () => Promise.reject(new Error("404"));
    await expectError(() => decode({ w }, failing), "E_EXTERNAL_DATA", named(/404/));
    const wrong = (() => "text") as unknown as ExternalDataResolver;
    await expectError(() => decode({ w }, wrong), "E_EXTERNAL_DATA", named(/Uint8Array/));
    await expectError(() => decode({ w: external({}) }), "E_EXTERNAL_DATA", /tensor "w".*no location/);
    await expectError(() => decodeTensorProto(buildTensor(w)), "E_EXTERNAL_DATA", /w\.bin/);
  });

  test.each([
    [{ offset: "12" }, /bytes 12 to 20 of "w\.bin", which has 16/],
    [{ offset: "17" }, /which has 16/],
    [{ length: "4" }, /needs 8 bytes, but declares bytes 0 to 4/],
    [{ offset: "-4" }, /offset "-4"/],
    [{ offset: "1e1" }, /offset "1e1"/],
    [{ offset: "9007199254740993" }, /offset/],
    [{ length: "" }, /length ""/],
    [{ offset: " 4" }, /offset " 4"/],
  ])("range %j is refused", async (range, message) => {
    const w = external({ location: "w.bin", ...range });
    await expectError(() => decode({ w }, () => floats), "E_EXTERNAL_DATA", message);
  });

  test("a huge shape is refused whatever the file holds", async () => {
    const w = external({ location: "w.bin" }, [2 ** 20, 2 ** 20]);
    await expectError(() => decode({ w }, () => floats), "E_LIMIT");
  });
});

const escapes = [
  "",
  "/etc/passwd",
  "../secret.bin",
  "data/../../secret.bin",
  "data/..",
  "..",
  "C:/secret.bin",
  "c:secret.bin",
  "\\\\server\\share\\secret.bin",
  "..\\secret.bin",
  "//server/share/secret.bin",
  "w.bin\0.txt",
  ".\t./secret.bin",
  "%2e%2E/secret.bin",
  ".%2e/secret.bin",
  "https://example.com/secret.bin",
  "file:///etc/passwd",
  " /etc/passwd",
];

describe("locations", () => {
  test.each(escapes)("%j is refused before the host sees it", async (location) => {
    await expectError(() => checkLocation(location), "E_EXTERNAL_DATA");
    const never = () => expect.unreachable();
    await expectError(() => decode({ w: external({ location }) }, never), "E_EXTERNAL_DATA", /tensor "w"/);
  });

  test.each(["w.bin", "./w.bin", "data/w.bin", "..data/w..bin", "a b/ü.bin", "model.onnx_data", "..."])(
    "%j is allowed",
    (location) => {
      expect(() => checkLocation(location)).not.toThrow();
    },
  );
});

describe("files", () => {
  let base: string;
  let model: string;

  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), "kiln-external-"));
    mkdirSync(join(base, "model/data"), { recursive: true });
    mkdirSync(join(base, "model-2"));
    mkdirSync(join(base, "cache"));
    model = join(base, "model/m.onnx");
    writeFileSync(join(base, "model/data/w.bin"), floats);
    for (const outside of ["secret.bin", "cache/blob", "model-2/w.bin"])
      writeFileSync(join(base, outside), floats);
    symlinkSync(join(base, "model/data/w.bin"), join(base, "model/inside"));
    symlinkSync(join(base, "secret.bin"), join(base, "model/outside"));
    symlinkSync(join(base, "model-2/w.bin"), join(base, "model/sibling"));
    symlinkSync(join(base, "cache/blob"), join(base, "model/cached"));
    symlinkSync(base, join(base, "model/parent"));
    symlinkSync(join(base, "model/loop"), join(base, "model/loop"));
  });
  afterAll(() => rmSync(base, { recursive: true }));

  test("are read from the model's folder, through links that stay in it", () => {
    const read = fileExternalData(model);
    expect(read("data/w.bin")).toEqual(floats);
    expect(read("./inside")).toEqual(floats);
  });

  test.each(["outside", "sibling", "parent/secret.bin", "cached"])(
    "a link out of it is refused: %s",
    async (to) => {
      await expectError(
        () => fileExternalData(model)(to),
        "E_EXTERNAL_DATA",
        /leads out of the model's folder/,
      );
    },
  );

  test("another root may be allowed, and only that one", async () => {
    const read = fileExternalData(model, { root: join(base, "cache") });
    expect(read("cached")).toEqual(floats);
    await expectError(() => read("outside"), "E_EXTERNAL_DATA");
    await expectError(() => read("../cache/blob"), "E_EXTERNAL_DATA");
  });

  test("what is no regular file is refused, without waiting for it", async () => {
    execFileSync("/usr/bin/env", ["mkfifo", join(base, "model/pipe")]);
    const read = fileExternalData(model);
    await expectError(() => read("pipe"), "E_EXTERNAL_DATA", /not a regular file/);
    await expectError(() => read("data"), "E_EXTERNAL_DATA", /not a regular file/);
    await expectError(() => read("loop"), "E_EXTERNAL_DATA", /cannot be read/);
    await expectError(() => read("missing.bin"), "E_EXTERNAL_DATA", /"missing\.bin" cannot be read/);
    await expectError(() => read("."), "E_EXTERNAL_DATA");
  });

  test("all escapes are refused here as well", async () => {
    for (const location of escapes)
      await expectError(() => fileExternalData(model)(location), "E_EXTERNAL_DATA");
  });

  test("a model with its data in a file decodes", async () => {
    const tensors = await decode({ w: external({ location: "data/w.bin" }, [4]) }, fileExternalData(model));
    expect(tensors.get("w")).toEqual(tensorOf("float32", [4], [1, 2, 3, 4]));
  });
});
