/** The structural comparison of graphs: what it overlooks, and what it says of each kind of difference. */

import { describe, expect, test } from "vitest";
import { equalGraphs } from "../../compiler/ir/compare.js";
import { parseGraph } from "../../compiler/ir/parse.js";

const base = `
graph @main(%x: f32[2, N], %c: bool[]) -> (%y: f32[2, N]) {
  %k: f32[2] = constant dense [1, -0.0]
  %s: i64[2] elements [2, N] = Shape(%x) from ["shape"]
  %n: f32[2, N]{1,0} = Neg(%x, %k, _) {axis=1, mode="a", t=f32[1] dense [0.5]} from ["neg", "neg2"]
  %y: f32[2, N] = If(%c, %n, %s) {f=[0]}
    graph @then(%p: f32[2, N]) -> (%q: f32[2, N]) {
      %q: f32[2, N] = Abs(%p)
      return %q
    }
  return %y
}`;

/** The difference after one change of the text, both ways round in the same place. */
function difference(from: string, to: string): string | null {
  const changed = base.replace(from, () => to);
  expect(changed).not.toBe(base);
  // The header's outputs may be left out, so a change need not be made twice.
  const withoutHeader = (text: string) => parseGraph(text.replace(/ -> \(%y[^{]*\{/, " {"));
  return equalGraphs(withoutHeader(base), withoutHeader(changed));
}

describe("equal", () => {
  test("whatever the names of values and graphs, and however constants are shared", () => {
    const renamed = base
      .replaceAll("%x", "%in")
      .replaceAll("%q", "%else")
      .replaceAll("%k", '%"a b"')
      .replace("@main", "@other")
      .replace("@then", "@body");
    expect(equalGraphs(parseGraph(base), parseGraph(renamed))).toBeNull();
    const use = (inputs: string, constants: string) =>
      parseGraph(`graph @g() { ${constants} A(${inputs}) return }`);
    const one = "%a: f32[1] = constant dense [1]";
    expect(equalGraphs(use("%a, %a", one), use("%a, %b", `${one} ${one.replace("%a", "%b")}`))).toBeNull();
  });

  test("with attributes in another order, and with a row-major layout spelled out or not", () => {
    expect(difference('axis=1, mode="a"', 'mode="a", axis=1')).toBeNull();
    expect(difference("%p: f32[2, N]) -> (%q: f32[2, N]) {", "%p: f32[2, N]{0,1}) {")).toBeNull();
  });
});

describe("different", () => {
  const neg = 'graph: node 1 (Neg, from "neg", "neg2")';
  test.each([
    ["Neg(", "Exp(", `${neg}: operators Neg and Exp`],
    ["Neg(%x, %k, _)", "Neg(%x, %k)", `${neg}: inputs: 3 and 2`],
    ["Neg(%x, %k, _)", "Neg(%x, _, _)", `${neg}: input 1: present and absent`],
    ["Neg(%x", "Neg(%c", `${neg}: input 0: %x and %c are different values`],
    ["axis=1", "axis=2", `${neg}: attribute axis: 1 and 2`],
    ["axis=1", 'axis="1"', `${neg}: attribute axis: 1 and "1"`],
    ["axis=1", "axis=[1]", `${neg}: attribute axis: 1 and [1]`],
    ["axis=1, ", "", `${neg}: attributes: ["axis","mode","t"] and ["mode","t"]`],
    ["f=[0]", "f=[-0.0]", "graph: node 2 (If): attribute f: [0] and [-0.0]"],
    ["t=f32[1] dense [0.5]", "t=f32[1] dense [0.75]", `${neg}: attribute t: element 0 differs`],
    ["t=f32[1] dense [0.5]", "t=f64[1] dense [0.5]", `${neg}: attribute t: f32[1] and f64[1]`],
    ["t=f32[1] dense [0.5]", "t=0.5", `${neg}: attribute t: a tensor and 0.5`],
    ["[1, -0.0]", "[1, 0]", `${neg}: input 1: constants: element 1 differs`],
    ['"neg2"', '"neg3"', `${neg}: sources: ["neg","neg2"] and ["neg","neg3"]`],
    ["N]{1,0} = Neg", "N] = Neg", `${neg}: output 0: types f32[2, N]{1,0} and f32[2, N]`],
    ["%x: f32[2, N]", "%x: f32[2, M]", "graph: input 0: types f32[2, N] and f32[2, M]"],
    [
      "elements [2, N]",
      "elements [2, M]",
      'graph: node 0 (Shape, from "shape"): output 0: known elements [2, N] and [2, M]',
    ],
    [" elements [2, N]", "", 'graph: node 0 (Shape, from "shape"): output 0: known elements [2, N] and none'],
    ["= Abs(%p)", "= Abs(%p, %p)", "graph: node 2 (If): region 0: node 0 (Abs): inputs: 1 and 2"],
    ["  return %y", "  Log()\n  return %y", "graph: nodes: 3 and 4"],
    ["  return %y", "  return %n", "graph: output 0: %y and %n are different values"],
    ["  return %y", "  return %y, %y", "graph: outputs: 1 and 2"],
    ["%c: bool[])", "%c: bool[], %d: f32[])", "graph: inputs: 2 and 3"],
  ])("%s -> %s", (from, to, expected) => expect(difference(from, to)).toBe(expected));
});
