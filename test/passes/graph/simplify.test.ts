import { describe, test } from "vitest";
import { simplify } from "../../../passes/graph/simplify.js";
import { expectPass, expectUnchanged } from "./text.js";

/** One operator on x and a constant, between operators that stay. */
const around = (middle: string[], result = "b"): string => `
      graph @g(%x: f32[2, 3]) -> (%y: f32[2, 3]) {
        %a: f32[2, 3] = Neg(%x)
${middle.map((line) => `        ${line}`).join("\n")}
        %y: f32[2, 3] = Relu(%${result})
        return %y
      }`;
const nothing = `
      graph @g(%x: f32[2, 3]) -> (%y: f32[2, 3]) {
        %a: f32[2, 3] = Neg(%x)
        %y: f32[2, 3] = Relu(%a)
        return %y
      }`;

describe("neutral operands", () => {
  const neutral = [
    ["f32[]", "1", "Mul(%a, %c)"],
    ["f32[]", "1", "Mul(%c, %a)"],
    ["f32[3]", "1, 1, 1", "Mul(%a, %c)"],
    ["f32[]", "1", "Div(%a, %c)"],
    ["f32[]", "1", "Pow(%a, %c)"],
    ["f32[]", "0", "Sub(%a, %c)"],
  ] as const;
  for (const [type, elements, node] of neutral) {
    test(`${node} with ${elements}`, () =>
      expectPass(
        simplify,
        around([`%c: ${type} = constant dense [${elements}]`, `%b: f32[2, 3] = ${node}`]),
        nothing,
      ));
  }

  const kept = [
    ["0 added: -0 + 0 is 0", "f32[]", "0", "Add(%a, %c)"],
    ["-0 subtracted: -0 - -0 is 0", "f32[]", "-0.0", "Sub(%a, %c)"],
    ["1 divided by x", "f32[]", "1", "Div(%c, %a)"],
    ["0 minus x", "f32[]", "0", "Sub(%c, %a)"],
    ["1 to the power x", "f32[]", "1", "Pow(%c, %a)"],
    ["not 1 everywhere", "f32[3]", "1, 1, 2", "Mul(%a, %c)"],
    ["0 as a factor: NaN and infinities stay what they are", "f32[]", "0", "Mul(%a, %c)"],
  ] as const;
  for (const [name, type, elements, node] of kept) {
    test(`but not ${name}`, () =>
      expectUnchanged(
        simplify,
        around([`%c: ${type} = constant dense [${elements}]`, `%b: f32[2, 3] = ${node}`]),
      ));
  }

  test("but not where they widen the result", () =>
    expectUnchanged(
      simplify,
      `
      graph @g(%x: f32[3]) -> (%y: f32[2, 3]) {
        %c: f32[2, 1] = constant dense [1, 1]
        %y: f32[2, 3] = Mul(%x, %c)
        return %y
      }`,
    ));

  test("0 added to integers", () =>
    expectPass(
      simplify,
      `
      graph @g(%x: i32[2]) -> (%y: i32[2]) {
        %a: i32[2] = Neg(%x)
        %c: i32[] = constant dense [0]
        %b: i32[2] = Add(%c, %a)
        %y: i32[2] = Neg(%b)
        return %y
      }`,
      `
      graph @g(%x: i32[2]) -> (%y: i32[2]) {
        %a: i32[2] = Neg(%x)
        %y: i32[2] = Neg(%a)
        return %y
      }`,
    ));

  test("give a graph's result their operand under its name", () =>
    expectPass(
      simplify,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %a: f32[2] = Neg(%x)
        %c: f32[] = constant dense [1]
        %y: f32[2] = Mul(%a, %c)
        return %y
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %y: f32[2] = Neg(%x)
        return %y
      }`,
    ));

  test("leave a name of its own to a result that is nothing but an input", () =>
    expectPass(
      simplify,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %c: f32[] = constant dense [1]
        %y: f32[2] = Mul(%x, %c)
        return %y
      }`,
      `
      graph @g(%x: f32[2]) -> (%y: f32[2]) {
        %y: f32[2] = Identity(%x)
        return %y
      }`,
    ));
});

describe("views", () => {
  test("that undo one another", () =>
    expectPass(
      simplify,
      around(["%t: f32[3, 2] = Transpose(%a) {perm=[1, 0]}", "%b: f32[2, 3] = Transpose(%t) {perm=[1, 0]}"]),
      `
      graph @g(%x: f32[2, 3]) -> (%y: f32[2, 3]) {
        %a: f32[2, 3] = Neg(%x)
        %t: f32[3, 2] = Transpose(%a) {perm=[1, 0]}
        %y: f32[2, 3] = Relu(%a)
        return %y
      }`,
    ));

  test("that follow one another: one transposition", () =>
    expectPass(
      simplify,
      `
      graph @g(%x: f32[2, 3, 4]) -> (%y: f32[4, 3, 2]) {
        %a: f32[3, 4, 2] = Transpose(%x) {perm=[1, 2, 0]} from ["a"]
        %y: f32[4, 3, 2] = Transpose(%a) {perm=[1, 0, 2]} from ["b"]
        return %y
      }`,
      `
      graph @g(%x: f32[2, 3, 4]) -> (%y: f32[4, 3, 2]) {
        %a: f32[3, 4, 2] = Transpose(%x) {perm=[1, 2, 0]} from ["a"]
        %y: f32[4, 3, 2] = Transpose(%x) {perm=[2, 1, 0]} from ["a", "b"]
        return %y
      }`,
    ));

  test("that follow one another: one reshape", () =>
    expectPass(
      simplify,
      `
      graph @g(%x: f32[2, 3]) -> (%y: f32[6]) {
        %axes: i64[1] = constant dense [0]
        %a: f32[1, 2, 3] = Unsqueeze(%x, %axes)
        %y: f32[6] = Reshape(%a, %s)
        return %y
      }`.replace("%y: f32[6] = Reshape", "%s: i64[1] = constant dense [-1]\n        %y: f32[6] = Reshape"),
      `
      graph @g(%x: f32[2, 3]) -> (%y: f32[6]) {
        %axes: i64[1] = constant dense [0]
        %a: f32[1, 2, 3] = Unsqueeze(%x, %axes)
        %y.shape: i64[1] = constant dense [6]
        %y: f32[6] = Reshape(%x, %y.shape)
        return %y
      }`,
    ));

  const idle = [
    ["Reshape", ["%s: i64[2] = constant dense [2, -1]", "%b: f32[2, 3] = Reshape(%a, %s)"]],
    ["Flatten", ["%b: f32[2, 3] = Flatten(%a) {axis=1}"]],
    ["Transpose", ["%b: f32[2, 3] = Transpose(%a) {perm=[0, 1]}"]],
    [
      "Slice",
      [
        "%s: i64[1] = constant dense [0]",
        "%e: i64[1] = constant dense [9]",
        "%b: f32[2, 3] = Slice(%a, %s, %e)",
      ],
    ],
  ] as const;
  for (const [name, lines] of idle) {
    test(`a ${name} that changes nothing`, () => expectPass(simplify, around([...lines]), nothing));
  }

  test("but not a Slice that walks backwards", () =>
    expectUnchanged(
      simplify,
      around([
        "%s: i64[1] = constant dense [-1]",
        "%e: i64[1] = constant dense [-9]",
        "%axes: i64[1] = constant dense [1]",
        "%steps: i64[1] = constant dense [-1]",
        "%b: f32[2, 3] = Slice(%a, %s, %e, %axes, %steps)",
      ]),
    ));

  test("but not a transposition that keeps the shape", () =>
    expectUnchanged(
      simplify,
      `
      graph @g(%x: f32[3, 3]) -> (%y: f32[3, 3]) {
        %y: f32[3, 3] = Transpose(%x) {perm=[1, 0]}
        return %y
      }`,
    ));
});
