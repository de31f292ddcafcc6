/** Sessions in Node: the same calls on onnxruntime-web and on onnx-kiln/ort have the same outcome. */

import * as rival from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import { dense, negate } from "../cli/models.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { kiln, useEngines } from "./engines.js";
import { type Engine, type Outcome, outcome } from "./outcomes.js";

type Session = rival.InferenceSession;
type Feeds = Record<string, rival.Tensor>;

useEngines();

/** A step of a recurrent network: y = x + h, hn = 2 * h, for any batch; `scale` is a scalar. */
const recurrent: ModelSpec = {
  inputs: { x: ["float32", ["batch", 3]], h: ["float32", ["batch", 3]], scale: ["float32", []] },
  outputs: { y: ["float32", ["batch", 3]], hn: ["float32", ["batch", 3]] },
  nodes: [
    { op: "Add", inputs: ["x", "h"], outputs: ["y"] },
    { op: "Mul", inputs: ["h", "scale"], outputs: ["hn"] },
  ],
};

const feedsOf = ({ Tensor }: Engine, batch = 1): Feeds => ({
  x: new Tensor("float32", new Float32Array(3 * batch).fill(1), [batch, 3]),
  h: new Tensor("float32", new Float32Array(3 * batch).fill(0.5), [batch, 3]),
  // Of one dimension, though the model has a scalar: onnxruntime does not look.
  scale: new Tensor("float32", [2]),
});

type Code = (session: Session, feeds: Feeds, engine: Engine) => unknown;

/** The outcome of both engines, ours first. */
async function both(code: Code, model = buildModel(recurrent)): Promise<[Outcome, Outcome]> {
  const run = (engine: Engine) =>
    outcome(async () => {
      const session = await engine.InferenceSession.create(model, { logSeverityLevel: 4 });
      return code(session, feedsOf(engine), engine);
    });
  return [await run(kiln), await run(rival)];
}

describe("a run", () => {
  test.each<[string, Code]>([
    ["gives all outputs", (session, feeds) => session.run(feeds)],
    [
      "gives the outputs that are asked for, in that order",
      async (session, feeds) => Object.keys(await session.run(feeds, ["hn", "y"])),
    ],
    ["takes names as an object", (session, feeds) => session.run(feeds, { hn: null })],
    ["takes options in place of names", (session, feeds) => session.run(feeds, { tag: "one" })],
    ["takes options after names", (session, feeds) => session.run(feeds, ["y"], { tag: "one" })],
    [
      "takes names that it does not have for options",
      (session, feeds) => session.run(feeds, { nothing: null }),
    ],
    ["takes another batch", (session, _feeds, engine) => session.run(feedsOf(engine, 4))],
    ["takes an empty batch", (session, _feeds, engine) => session.run(feedsOf(engine, 0))],
    [
      "takes results as feeds",
      async (session, feeds) => {
        const { hn } = await session.run(feeds);
        return session.run({ ...feeds, h: hn! });
      },
    ],
    [
      "gives results that later runs leave alone",
      async (session, feeds) => {
        const first = await session.run(feeds);
        (feeds.x!.data as Float32Array).fill(7);
        await session.run(feeds);
        return first;
      },
    ],
  ])("%s", async (_name, code) => {
    const [ours, theirs] = await both(code);
    expect(ours).toEqual(theirs);
    expect(ours.value).toBeDefined();
  });

  test("reads its feeds before it returns, and many may be under way", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const feeds = feedsOf(kiln);
    const runs = [1, 2, 3].map((value) => {
      (feeds.x!.data as Float32Array).fill(value);
      return session.run(feeds);
    });
    const results = await Promise.all(runs);
    expect(results.map(({ y }) => y!.data[0])).toEqual([1.5, 2.5, 3.5]);
  });

  test("writes to the tensors that are given for outputs", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const y = new kiln.Tensor("float32", new Float32Array(3), [1, 3]);
    const results = await session.run(feedsOf(kiln), { y, hn: null });
    expect(results.y).toBe(y);
    expect([...y.data]).toEqual([1.5, 1.5, 1.5]);
    expect([...results.hn!.data]).toEqual([1, 1, 1]);
  });

  test("takes tensors of onnxruntime-common", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const y = new rival.Tensor("float32", new Float32Array(3), [1, 3]);
    const results = await session.run(feedsOf(rival), { y });
    expect(results.y).toBe(y);
    expect([...y.data]).toEqual([1.5, 1.5, 1.5]);
  });

  test.each<[string, Code]>([
    ["a missing feed", (session, { x }) => session.run({ x: x! })],
    ["feeds that are null", (session) => session.run(null as never)],
    ["feeds that are an array", (session) => session.run([] as never)],
    ["feeds that are a tensor", (session, { x }) => session.run(x as never)],
    ["an output that there is not", (session, feeds) => session.run(feeds, ["z"])],
    ["no outputs", (session, feeds) => session.run(feeds, [])],
    ["outputs that are numbers", (session, feeds) => session.run(feeds, [1] as never)],
    ["outputs that are null", (session, feeds) => session.run(feeds, null as never)],
    ["outputs that are a number", (session, feeds) => session.run(feeds, 1 as never)],
    ["outputs that are a tensor", (session, feeds) => session.run(feeds, feeds.x as never)],
    ["options that are a number", (session, feeds) => session.run(feeds, ["y"], 1 as never)],
  ])("refuses %s", async (_name, code) => {
    const [ours, theirs] = await both(code);
    expect(ours).toEqual(theirs);
    expect(ours.error).toBeDefined();
  });

  test.each<[string, RegExp, Code]>([
    [
      "a feed that there is not",
      /has no input "z"; its inputs: "x", "h", "scale"/,
      (session, feeds) => session.run({ ...feeds, z: feeds.x! }),
    ],
    [
      "another type",
      /input "x": expected type float32, got int32/,
      (session, feeds, { Tensor }) => session.run({ ...feeds, x: new Tensor("int32", [1, 2, 3], [1, 3]) }),
    ],
    [
      "strings",
      /input "x": expected type float32, got string/,
      (session, feeds, { Tensor }) =>
        session.run({ ...feeds, x: new Tensor("string", ["a", "b", "c"], [1, 3]) }),
    ],
    [
      "another rank",
      /input "x": expected shape \[batch=1,3\], got \[3\]|got \[3\]/,
      (session, feeds) => session.run({ ...feeds, x: feeds.x!.reshape([3]) }),
    ],
    [
      "another size",
      /input "x": expected shape .* got \[3,1\]/,
      (session, feeds) => session.run({ ...feeds, x: feeds.x!.reshape([3, 1]) }),
    ],
    [
      "a disposed feed",
      /input 'x' is disposed/,
      (session, feeds) => {
        feeds.x!.dispose();
        return session.run(feeds);
      },
    ],
    [
      "an output tensor of another shape",
      /output 'y' is float32 of shape \[1,3\]/,
      (session, feeds, { Tensor }) => session.run(feeds, { y: new Tensor("float32", [1, 2], [1, 2]) }),
    ],
    [
      "an output tensor of another type",
      /output 'y' is float32 of shape/,
      (session, feeds, { Tensor }) => session.run(feeds, { y: new Tensor("int32", [1, 2, 3], [1, 3]) }),
    ],
    [
      "to run once it is terminated",
      /terminate/,
      (session, feeds) => session.run(feeds, { terminate: true }),
    ],
    [
      "to run once it is released",
      /was disposed/,
      async (session, feeds) => {
        await session.release();
        return session.run(feeds);
      },
    ],
  ])("refuses %s, in words of its own", async (_name, message, code) => {
    const [ours, theirs] = await both(code);
    expect(ours.error).toBe(theirs.error);
    expect(ours.message).toMatch(message);
  });

  test("refuses elements without a shape, and null", async () => {
    const session = await kiln.InferenceSession.create(buildModel(dense));
    await expect(session.run({ x: Float32Array.of(1, 2) as never })).rejects.toThrow(
      "input 'x' must be a Tensor",
    );
    await expect(session.run({ x: null as never })).rejects.toThrow("input 'x' must be a Tensor");
  });
});

test("all element types go in and out as they do with onnxruntime", async () => {
  const types = ["float32", "float64", "float16", "int8", "int16", "int32", "int64"] as const;
  const others = ["uint8", "uint16", "uint32", "uint64", "bool"] as const;
  const all = [...types, ...others];
  const model = buildModel({
    inputs: Object.fromEntries(all.map((type) => [`in_${type}`, [type, ["n"]]])),
    outputs: Object.fromEntries(all.map((type) => [`out_${type}`, [type, ["n"]]])),
    nodes: all.map((type) => ({ op: "Identity", inputs: [`in_${type}`], outputs: [`out_${type}`] })),
  });
  const dataOf = (type: (typeof all)[number]): unknown =>
    type === "float16"
      ? Uint16Array.of(0x3c00, 0xc000, 0x7c00)
      : type === "bool"
        ? [true, false, true]
        : [1, 0, 100];
  const [ours, theirs] = await both(
    (session, _feeds, { Tensor }) =>
      session.run(
        Object.fromEntries(all.map((type) => [`in_${type}`, new Tensor(type, dataOf(type) as never, [3])])),
      ),
    model,
  );
  expect(ours).toEqual(theirs);
  expect(Object.keys(ours.value as object)).toHaveLength(all.length);
});

describe("a session", () => {
  test("tells names and metadata", async () => {
    const [ours, theirs] = await both((session) => {
      const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
      return { inputNames, outputNames, inputMetadata, outputMetadata };
    });
    expect(ours).toEqual(theirs);
  });

  test("leaves out inputs that have a value", async () => {
    const model = buildModel({
      ...dense,
      irVersion: 3,
      inputs: { ...dense.inputs, w: ["float32", [2, 2]], b: ["float32", [2]] },
    });
    const [ours, theirs] = await both((session) => session.inputNames, model);
    expect(ours).toEqual(theirs);
  });

  test("takes values of open dims", async () => {
    const run = (engine: Engine) =>
      outcome(async () => {
        const options = { freeDimensionOverrides: { batch: 2, of_another_model: 3 } };
        const session = await engine.InferenceSession.create(buildModel(negate), options);
        return [session.inputMetadata, session.outputMetadata];
      });
    expect(await run(kiln)).toEqual(await run(rival));
  });

  test("measures runs between startProfiling and endProfiling", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const count = () => performance.getEntriesByName("kiln: run").length;
    session.startProfiling();
    await session.run(feedsOf(kiln));
    session.endProfiling();
    await session.run(feedsOf(kiln));
    expect(count()).toBe(1);
  });

  test("is the same for all levels of optimization", async () => {
    for (const graphOptimizationLevel of ["disabled", "basic", "extended", "all"] as const) {
      const session = await kiln.InferenceSession.create(buildModel(dense), { graphOptimizationLevel });
      const { y } = await session.run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
      expect([...y!.data], graphOptimizationLevel).toEqual([8, 0]);
    }
  });
});
