import { describe, test } from "vitest";
import { foldConstants } from "../../../passes/graph/fold-constants.js";
import { expectPass, expectUnchanged } from "./text.js";

describe("nodes of constants", () => {
  test("become constants, and so do those that read them", () =>
    expectPass(
      foldConstants,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = constant dense [1, 2]
        %b: f32[] = constant dense [0.5]
        %c: f32[2] = Mul(%a, %b)
        %d: f32[2] = Neg(%c)
        %y: f32[2] = Add(%x, %d)
        return %y
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %d: f32[2] = constant dense [-0.5, -1]
        %y: f32[2] = Add(%x, %d)
        return %y
      }`,
    ));

  test("that are results become constants of the same name", () =>
    expectPass(
      foldConstants,
      `
      graph @g() -> (%y: f32[2]) {
        %a: f32[2] = constant dense [1, 0]
        %y: f32[2] = Neg(%a)
        return %y
      }`,
      `
      graph @g() -> (%y: f32[2]) {
        %y: f32[2] = constant dense [-1, -0.0]
        return %y
      }`,
    ));

  test("round to their type", () =>
    expectPass(
      foldConstants,
      `
      graph @g() -> (%y: f32[1]) {
        %a: f32[1] = constant dense [16777216]
        %b: f32[1] = constant dense [1]
        %y: f32[1] = Add(%a, %b)
        return %y
      }`,
      `
      graph @g() -> (%y: f32[1]) {
        %y: f32[1] = constant dense [16777216]
        return %y
      }`,
    ));

  test("of 32-bit integers wrap", () =>
    expectPass(
      foldConstants,
      `
      graph @g() -> (%y: i32[1]) {
        %a: i32[1] = constant dense [2147483647]
        %b: i32[1] = constant dense [1]
        %y: i32[1] = Add(%a, %b)
        return %y
      }`,
      `
      graph @g() -> (%y: i32[1]) {
        %y: i32[1] = constant dense [-2147483648]
        return %y
      }`,
    ));
});

test("elements that shape arithmetic knows need no constant input", () =>
  expectPass(
    foldConstants,
    `
    graph @g(%x: f32[2, 3]) -> (%y: f32[3, 2]) {
      %s: i64[2] elements [3, 2] = Shape(%x)
      %y: f32[3, 2] = Reshape(%x, %s)
      return %y
    }`,
    `
    graph @g(%x: f32[2, 3]) -> (%y: f32[3, 2]) {
      %s: i64[2] = constant dense [3, 2]
      %y: f32[3, 2] = Reshape(%x, %s)
      return %y
    }`,
  ));

describe("nodes that stay", () => {
  test("have an input that is not known", () =>
    expectUnchanged(
      foldConstants,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = constant dense [1, 2]
        %y: f32[2] = Mul(%a, %x)
        return %y
      }`,
    ));

  test("would go beyond the limit on folded bytes", () =>
    expectPass(
      foldConstants,
      `
      graph @g() -> (%y: f32[2], %z: f32[3]) {
        %a: f32[2] = constant dense [1, 2]
        %y: f32[2] = Neg(%a)
        %b: f32[3] = constant dense [1, 2, 3]
        %z: f32[3] = Neg(%b)
        return %y, %z
      }`,
      `
      graph @g() -> (%y: f32[2], %z: f32[3]) {
        %b: f32[3] = constant dense [1, 2, 3]
        %z: f32[3] = Neg(%b)
        %y: f32[2] = constant dense [-1, -2]
        return %y, %z
      }`,
      { limits: { foldedBytes: 19 } },
    ));

  test("have integers that numbers cannot hold", () =>
    expectUnchanged(
      foldConstants,
      `
      graph @g() -> (%y: i64[]) {
        %a: i64[] = constant dense [9007199254740993]
        %b: i64[] = constant dense [1]
        %y: i64[] = Add(%a, %b)
        return %y
      }`,
    ));
});

test("reductions fold such integers exactly: their own kernels are interpreted", () =>
  expectPass(
    foldConstants,
    `
    graph @g() -> (%y: i64[]) {
      %a: i64[2] = constant dense [9007199254740993, 1]
      %y: i64[] = ReduceSum(%a) {keepdims=0}
      return %y
    }`,
    `
    graph @g() -> (%y: i64[]) {
      %y: i64[] = constant dense [9007199254740994]
      return %y
    }`,
  ));
