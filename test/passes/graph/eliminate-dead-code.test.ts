import { test } from "vitest";
import { eliminateDeadCode } from "../../../passes/graph/eliminate-dead-code.js";
import { expectPass, expectUnchanged } from "./text.js";

test("nodes that nobody reads go, and then those that only they read", () =>
  expectPass(
    eliminateDeadCode,
    `
    graph @g(%x: f32[2]) -> (%y: f32[2]) {
      %a: f32[2] = Neg(%x)
      %b: f32[2] = Exp(%a)
      %y: f32[2] = Relu(%x)
      return %y
    }`,
    `
    graph @g(%x: f32[2]) -> (%y: f32[2]) {
      %y: f32[2] = Relu(%x)
      return %y
    }`,
  ));

test("a node stays for one of its results", () =>
  expectUnchanged(
    eliminateDeadCode,
    `
    graph @g(%x: f32[4]) -> (%b: f32[2]) {
      %n: i64[2] = constant dense [2, 2]
      %a: f32[2], %b: f32[2] = Split(%x, %n) {axis=0}
      return %b
    }`,
  ));

test("inputs stay, and so do operands of outputs", () =>
  expectUnchanged(
    eliminateDeadCode,
    `
    graph @g(%x: f32[2], %unused: f32[3]) -> (%y: f32[2], %a: f32[2]) {
      %a: f32[2] = Neg(%x)
      %y: f32[2] = Relu(%a)
      return %y, %a
    }`,
  ));
