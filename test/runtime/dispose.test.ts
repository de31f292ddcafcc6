import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { load } from "../../runtime/index.js";
import { failure } from "./errors.js";
import { loadInspected } from "./inspect.js";
import { doublingModule } from "./module.js";

const x = Float32Array.of(1, 2, 3, 4);

test("a disposed model refuses to run, and may be disposed again", async () => {
  const model = await load(doublingModule());
  const { y } = model.runSync({ x });
  model.dispose();
  model.dispose();
  expect(await failure(() => model.runSync({ x }))).toBe('E_DISPOSED: model "test" was disposed');
  expect(await failure(() => model.run({ x }))).toBe('E_DISPOSED: model "test" was disposed');
  expect(y!.data).toEqual(Float32Array.of(2, 4, 6, 8));
  expect(model.inputs).toHaveLength(1);
});

test("Symbol.dispose disposes, for `using`", async () => {
  const model = await load(doublingModule());
  model[Symbol.dispose]();
  expect(await failure(() => model.runSync({ x }))).toMatch(/^E_DISPOSED/);
});

test("models of one module share nothing", async () => {
  const module = await WebAssembly.compile(doublingModule());
  const [first, second] = await Promise.all([load(module), load(module)]);
  first!.dispose();
  expect(second!.runSync({ x }).y!.data).toEqual(Float32Array.of(2, 4, 6, 8));
});

test("dispose lets the memory be collected while the model itself is held", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const { model, memory } = await loadWatched();
  model.runSync({ x });
  await collect(gc, memory);
  expect(memory.deref() === undefined).toBe(false);
  model.dispose();
  await collect(gc, memory);
  expect(memory.deref() === undefined).toBe(true);
  expect(model.outputs).toHaveLength(1);
});

/** A model, and its linear memory held weakly. In a function of its own, so that nothing of it stays on the stack. */
async function loadWatched() {
  const { model, memory } = await loadInspected(doublingModule());
  return { model, memory: new WeakRef(memory.buffer) };
}

/** Runs the collector in fresh tasks: a WeakRef is kept until its task ends. */
async function collect(gc: () => void, ref: WeakRef<object>): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    gc();
    if (!ref.deref()) return;
  }
}
