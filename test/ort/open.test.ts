/** Sessions where there is no compiler: where the compiled module is found, and what is said where it is not. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { InferenceSession, Tensor } from "../../runtime/ort/index.js";
import { dense } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";
import { serve, type TestServer } from "../runtime/server.js";

const onnx = buildModel(dense);
let wasm: Uint8Array;
let server: TestServer;
let requests: string[];

beforeAll(async () => {
  ({ wasm } = await compile(onnx));
  const split = await compile(onnx, { weights: "split" });
  const large = new Uint8Array(50_000_000);
  large.set(onnx);
  const files: Record<string, Uint8Array | string> = {
    "/module.onnx": wasm,
    "/module.wasm": wasm,
    "/beside.onnx": onnx,
    "/beside.wasm": wasm,
    "/only.wasm": wasm,
    "/split.onnx": split.wasm,
    "/split.weights": split.weights!,
    "/alone.onnx": large,
    "/page.onnx": "<!doctype html><title>An app</title>",
    "/page.wasm": "<!doctype html><title>An app</title>",
  };
  requests = [];
  server = await serve((request, response) => {
    requests.push(request.url!);
    const file = files[new URL(request.url!, "http://localhost").pathname];
    if (file === undefined) return void response.writeHead(404).end();
    const type = request.url!.includes(".wasm") ? "application/wasm" : "application/octet-stream";
    response.writeHead(200, { "content-type": type }).end(file);
  });
});
afterAll(() => server.close());

async function results(source: string | Uint8Array): Promise<number[]> {
  const session = await InferenceSession.create(source as string);
  const { y } = await session.run({ x: new Tensor("float32", [1, 2], [1, 2]) });
  await session.release();
  return [...(y!.data as Float32Array)];
}

describe("the compiled module", () => {
  test.each(["module.onnx", "module.wasm", "beside.onnx", "only.onnx", "split.onnx", "beside.onnx?v=2"])(
    "is found for %s",
    async (name) => {
      expect(await results(`${server.url}/${name}`)).toEqual([8, 0]);
    },
  );

  test("is taken as bytes", async () => {
    expect(await results(wasm)).toEqual([8, 0]);
    expect((await InferenceSession.create(wasm.slice().buffer)).outputNames).toEqual(["y"]);
  });

  test("at the model's own URL is asked for once", async () => {
    requests.length = 0;
    await results(`${server.url}/module.onnx`);
    expect(requests).toEqual(["/module.onnx"]);
  });
});

describe("the error says what to do", () => {
  const create = (source: string | Uint8Array) => InferenceSession.create(source as string);
  const command = /npx kiln compile model.onnx -o model.wasm/;

  test("where the bytes are an ONNX model", async () => {
    await expect(create(onnx)).rejects.toThrow(/the bytes of the model: not a compiled module.*ONNX model/);
    await expect(create(onnx)).rejects.toThrow(command);
  });

  test("where the URL has an ONNX model and nothing lies beside it", async () => {
    const error = await create(`${server.url}/alone.onnx`).catch((error: Error) => error);
    expect(error).toMatchObject({ code: "E_LOAD" });
    expect((error as Error).message).toMatch(
      /alone.onnx: not a compiled module.*alone.wasm: the server answered 404/,
    );
    expect((error as Error).message).toMatch(command);
  });

  test("where the server answers with a page, or with nothing", async () => {
    await expect(create(`${server.url}/page.onnx`)).rejects.toThrow(
      /page.onnx: .*HTML page.*page.wasm: .*HTML page/,
    );
    await expect(create(`${server.url}/nothing.onnx`)).rejects.toThrow(
      /nothing.onnx: the server answered 404.*nothing.wasm/,
    );
    await expect(create(`${server.url}/nothing`)).rejects.toThrow(/nothing: the server answered 404/);
  });
});
