import { describe, test } from "vitest";
import { eliminateCommonSubexpressions } from "../../../passes/graph/eliminate-common-subexpressions.js";
import { expectPass, expectUnchanged } from "./text.js";

describe("equal nodes", () => {
  test("are computed once, and what reads them as well", () =>
    expectPass(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = Neg(%x) from ["first"]
        %b: f32[2] = Neg(%x) from ["second"]
        %c: f32[2] = Relu(%a)
        %d: f32[2] = Relu(%b)
        %y: f32[2] = Add(%c, %d)
        return %y
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = Neg(%x) from ["first", "second"]
        %c: f32[2] = Relu(%a)
        %y: f32[2] = Add(%c, %c)
        return %y
      }`,
    ));

  test("may read constants of equal bytes", () =>
    expectPass(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %one: f32[2] = constant dense [1, 2]
        %a: f32[2] = Add(%x, %one)
        %two: f32[2] = constant dense [1, 2]
        %b: f32[2] = Add(%x, %two)
        %y: f32[2] = Mul(%a, %b)
        return %y
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %one: f32[2] = constant dense [1, 2]
        %a: f32[2] = Add(%x, %one)
        %y: f32[2] = Mul(%a, %a)
        return %y
      }`,
    ));

  test("that are both results keep both names", () =>
    expectPass(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2], %z: f32[2]) {
        %y: f32[2] = Neg(%x) from ["n"]
        %z: f32[2] = Neg(%x) from ["m"]
        return %y, %z
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2], %z: f32[2]) {
        %y: f32[2] = Neg(%x) from ["n", "m"]
        %z: f32[2] = Identity(%y) from ["m"]
        return %y, %z
      }`,
    ));

  test("of which the second is a result give it the name", () =>
    expectPass(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%z: f32[2]) {
        %a: f32[2] = Neg(%x)
        %z: f32[2] = Neg(%x)
        return %z
      }`,
      `
      graph @g(%x: f32[2]) -> (%z: f32[2]) {
        %z: f32[2] = Neg(%x)
        return %z
      }`,
    ));
});

describe("nodes that stay", () => {
  test("differ in the order of their inputs", () =>
    expectUnchanged(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2], %z: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = Sub(%x, %z)
        %b: f32[2] = Sub(%z, %x)
        %y: f32[2] = Mul(%a, %b)
        return %y
      }`,
    ));

  test("differ in attributes, be it 0 and -0", () =>
    expectUnchanged(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = LeakyRelu(%x) {alpha=0}
        %b: f32[2] = LeakyRelu(%x) {alpha=-0.0}
        %y: f32[2] = Div(%a, %b)
        return %y
      }`,
    ));

  test("differ in constants, be it 0 and -0, or in type", () =>
    expectUnchanged(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[1]) -> (%a: f32[1], %b: f32[1], %c: f32[1], %d: f32[1, 1]) {
        %zero: f32[1] = constant dense [0]
        %a: f32[1] = Add(%x, %zero)
        %minus: f32[1] = constant dense [-0.0]
        %b: f32[1] = Add(%x, %minus)
        %scalar: f32[] = constant dense [0]
        %c: f32[1] = Add(%x, %scalar)
        %matrix: f32[1, 1] = constant dense [0]
        %d: f32[1, 1] = Add(%x, %matrix)
        return %a, %b, %c, %d
      }`,
    ));

  test("differ in an absent input", () =>
    expectUnchanged(
      eliminateCommonSubexpressions,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %low: f32[] = constant dense [0]
        %a: f32[2] = Clip(%x, %low, _)
        %b: f32[2] = Clip(%x, _, %low)
        %y: f32[2] = Mul(%a, %b)
        return %y
      }`,
    ));
});
