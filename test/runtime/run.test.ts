import { expect, test } from "vitest";
import { load, Tensor } from "../../runtime/index.js";
import { doublingModule } from "./module.js";

test("a module is loaded and run", async () => {
  const model = await load(doublingModule());
  const { y } = await model.run({ x: new Tensor("float32", [1, 2, 3, 4], [2, 2]) });
  expect(y?.dims).toEqual([2, 2]);
  expect(y?.data).toEqual(Float32Array.of(2, 4, 6, 8));
});
