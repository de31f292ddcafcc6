/** Graph texts written by hand: they parse, and print back to the identical text. */

import { describe, expect, test } from "vitest";
import { equalGraphs } from "../../compiler/ir/compare.js";
import { constantValue, Graph } from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { graphResources, printGraph } from "../../compiler/ir/print.js";
import { type TensorData, tensor, tensorOf } from "../../compiler/ir/tensor.js";
import { verifyGraph } from "../../compiler/ir/verify.js";

function roundTrip(text: string, resources = new Map<string, TensorData>()): Graph {
  const graph = parseGraph(text.trim(), resources);
  verifyGraph(graph);
  expect(printGraph(graph)).toBe(text.trim());
  return graph;
}

describe("round trip of text", () => {
  test("a convolution with a constant by name, an absent input, a layout and sources", () => {
    const weights = tensorOf(
      "float32",
      [4, 3, 1, 1],
      Array.from({ length: 12 }, (_, i) => i),
    );
    const text = `
graph @main(%x: f32[N, 3, 8, 8]) -> (%y: f32[N, 4, 8, 8]{0,2,3,1}) {
  %w: f32[4, 3, 1, 1] = constant resource "w"
  %y: f32[N, 4, 8, 8]{0,2,3,1} = Conv(%x, %w, _) {pads=[0, 0, 0, 0], group=1} from ["conv1", "bn \\"1\\""]
  return %y
}`;
    const graph = roundTrip(text, new Map([["w", weights]]));
    const [conv] = graph.nodes;
    expect(conv!.operator).toBe("Conv");
    expect(conv!.inputs.map((input) => input?.name ?? null)).toEqual(["x", "w", null]);
    expect(conv!.inputs[1]!.constant).toBe(weights);
    expect(conv!.outputs[0]!.type.layout).toEqual([0, 2, 3, 1]);
    expect(conv!.outputs[0]!.producer).toBe(conv);
    expect(conv!.attributes).toEqual({ pads: [0, 0, 0, 0], group: 1 });
    expect(conv!.source).toEqual(["conv1", 'bn "1"']);
    expect(graphResources(graph)).toEqual(new Map([["w", weights]]));
  });

  test("regions, several outputs, no outputs, and names of all kinds", () => {
    const graph = roundTrip(`
graph @"main graph"(%"a/b:0": f32[2], %7: bool[]) -> (%out: f32[2], %7: bool[]) {
  %t: f32[1], %u: f32[1] = Split(%"a/b:0") {axis=0} from ["/split"]
  "return"()
  "com.ms::Log"(%t) {"odd name"="x", __proto__=1}
  %out: f32[2] = If(%7, %t, %u)
    graph @then(%t: f32[1], %u: f32[1]) -> (%c: f32[2]) {
      %c: f32[2] = Concat(%t, %u) {axis=0}
      return %c
    }
    graph @else(%p: f32[1], %q: f32[1]) -> (%k: f32[2]) {
      %k: f32[2] = constant dense [1, 2.5]
      return %k
    }
  return %out, %7
}`);
    const [, , , branch] = graph.nodes;
    expect(graph.nodes.map((node) => node.outputs.length)).toEqual([2, 0, 0, 1]);
    expect(branch!.regions.map((region) => region.name)).toEqual(["then", "else"]);
    expect(branch!.regions[0]!.inputs[0]).not.toBe(branch!.inputs[1]);
  });

  test("attributes of all kinds", () => {
    const graph = roundTrip(
      `
graph @main() -> () {
  A() {i=3, big=9007199254740992, f=0.000009999999747378752, tiny=5e-324, z=-0.0, n=nan, p=inf, m=-inf}
  B() {yes=true, no=false, s="a\\n\\"b\\" \\ud800 %x", none=[], ints=[1, -2], floats=[0.5, -0.0, nan], texts=["", "b"]}
  C() {t=i64[2] dense [-9223372036854775808, 9223372036854775807], e=f32[0, 3] dense [], r=u8[9] resource "C.r"}
  return
}`,
      new Map([["C.r", tensorOf("uint8", [9], [1, 2, 3, 4, 5, 6, 7, 8, 255])]]),
    );
    const [a, b, c] = graph.nodes.map((node) => node.attributes);
    expect(a).toEqual({
      i: 3,
      big: 2 ** 53,
      f: Math.fround(1e-5),
      tiny: 5e-324,
      z: -0,
      n: Number.NaN,
      p: Number.POSITIVE_INFINITY,
      m: Number.NEGATIVE_INFINITY,
    });
    expect(b!.s).toBe('a\n"b" \ud800 %x');
    expect(b!.floats).toEqual([0.5, -0, Number.NaN]);
    expect((c!.t as TensorData).data).toEqual(new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n]));
    expect((c!.e as TensorData).dims).toEqual([0, 3]);
  });

  test("elements of every type, bit for bit", () => {
    const graph = roundTrip(
      `
graph @main() -> () {
  %a: f32[8] = constant dense [0.1, -0.0, nan, nan(0xffc00001), inf, -inf, 1e-45, 3.4028235e+38]
  %b: f64[] = constant dense [0.1]
  %c: f16[2] = constant dense [0x3c00, 0xfe01]
  %d: bf16[1] = constant dense [0x3f80]
  %e: bool[3] = constant dense [true, false, 2]
  %f: u64[1] = constant dense [18446744073709551615]
  %g: i8[2, 1] = constant dense [-128, 127]
  %h: f64[1] = constant dense [nan(0x7ff0000000000001)]
  Use(%a, %b, %c, %d, %e, %f, %g, %h)
  return
}`,
    );
    const constants = graph.nodes[0]!.inputs.map((input) => input!.constant!.data);
    expect(new Uint32Array(constants[0]!.buffer)).toEqual(
      new Uint32Array([
        0x3dcccccd, 0x80000000, 0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 1, 0x7f7fffff,
      ]),
    );
    expect(constants[1]).toEqual(new Float64Array([0.1]));
    expect(constants[2]).toEqual(new Uint16Array([0x3c00, 0xfe01]));
    expect(constants[5]).toEqual(new BigUint64Array([2n ** 64n - 1n]));
    expect(new BigUint64Array(constants[7]!.buffer)).toEqual(new BigUint64Array([0x7ff0000000000001n]));
  });

  test("known elements and symbolic dims", () => {
    const graph = roundTrip(`
graph @main(%n: i64[2] elements [N, 3], %x: f32["batch size", floordiv(H + 1, 2)]) -> (%s: i64[]) {
  %c: i64[1] elements [7] = constant dense [7]
  %s: i64[] elements [-2*N + max(H, N) + -1] = Size(%n, %x, %c)
  return %s
}`);
    expect(graph.inputs[0]!.elements!.map(String)).toEqual(["N", "3"]);
    expect(graph.inputs[1]!.shape.map(String)).toEqual(['"batch size"', "floordiv(H + 1, 2)"]);
    expect(graph.outputs[0]!.elements!.map(String)).toEqual(["-2*N + max(H, N) + -1"]);
  });
});

describe("printing", () => {
  test("values that share a name are told apart, and the text stays the same", () => {
    const graph = new Graph("main");
    const scalar = { dtype: "float32", shape: [] } as const;
    const first = constantValue("a", tensorOf("float32", [], [1]));
    const node = graph.append({
      operator: "Op",
      inputs: [first],
      types: [scalar, scalar, scalar],
      names: ["a", "a_1", "a"],
    });
    graph.outputs = [node.outputs[2]!];
    const text = printGraph(graph);
    expect(text).toBe(`graph @main() -> (%a_2: f32[]) {
  %a: f32[] = constant dense [1]
  %a_1: f32[], %a_1_1: f32[], %a_2: f32[] = Op(%a)
  return %a_2
}`);
    expect(printGraph(parseGraph(text))).toBe(text);
  });

  test("resources of equal names in several regions are told apart", () => {
    const nine = (value: number) => tensorOf("int32", [9], new Array<number>(9).fill(value));
    const graph = new Graph("main");
    const region = new Graph("body");
    region.outputs = [constantValue("w", nine(2))];
    graph.append({
      operator: "Run",
      inputs: [constantValue("w", nine(1))],
      types: [],
      names: [],
      regions: [region],
    });
    expect(printGraph(graph)).toBe(`graph @main() -> () {
  %w: i32[9] = constant resource "w"
  Run(%w)
    graph @body() -> (%w: i32[9]) {
      %w: i32[9] = constant resource "w_1"
      return %w
    }
  return
}`);
    const parsed = parseGraph(printGraph(graph), graphResources(graph));
    expect(parsed.nodes[0]!.regions[0]!.outputs[0]!.constant).toEqual(nine(2));
    expect(equalGraphs(graph, parsed)).toBeNull();
  });

  test("a threshold decides what is printed by name", () => {
    const graph = new Graph("main");
    graph.outputs = [constantValue("c", tensorOf("int32", [3], [1, 2, 3]))];
    expect(printGraph(graph, { elideLargerThan: 2 })).toContain('constant resource "c"');
    expect(graphResources(graph, { elideLargerThan: 2 }).size).toBe(1);
    expect(printGraph(graph, { elideLargerThan: 3 })).toContain("constant dense [1, 2, 3]");
    expect(graphResources(graph, { elideLargerThan: 3 }).size).toBe(0);
  });

  test("text grows with the nodes, not with the weights", () => {
    const weights = tensor("float32", [25_000_000], new Float32Array(25_000_000));
    const graph = new Graph("main");
    const type = { dtype: "float32", shape: [1] } as const;
    let value = constantValue("w", weights);
    for (let i = 0; i < 20_000; i++) {
      value = graph.append({ operator: "Neg", inputs: [value], types: [type], names: ["same"] }).outputs[0]!;
    }
    graph.outputs = [value];
    const text = printGraph(graph);
    verifyGraph(graph);
    const parsed = parseGraph(text, graphResources(graph));
    expect(equalGraphs(graph, parsed)).toBeNull();
    expect(text.split("\n").length).toBe(20_004);
    expect(text.length).toBeLessThan(20_004 * 60);
  });
});

describe("parsing", () => {
  const wrong = (text: string, message: string, resources?: Map<string, TensorData>) =>
    expect(() => parseGraph(text, resources)).toThrow(
      expect.objectContaining({ code: "E_PARSE", message: expect.stringContaining(message) }),
    );

  test("comments, free layout, and a header without outputs", () => {
    const text = "graph @g(%x:f32[ 2 ]) { // begin\n%y:f32[2]=Neg(%x) return %y}";
    expect(printGraph(parseGraph(text))).toBe(
      "graph @g(%x: f32[2]) -> (%y: f32[2]) {\n  %y: f32[2] = Neg(%x)\n  return %y\n}",
    );
  });

  test("errors say line and column", () => {
    wrong("graph @g() {\n  %y: f32[2] = Neg(%x)\n  return\n}", "line 2, column 20: %x is not defined here");
    wrong("graph @g() {\n  %y: f99[2] = Neg()", "line 2, column 7: f99 is no element type");
    wrong("graph @g() {\n  %y f32[2] = Neg()", 'line 2, column 6: expected ":", found word "f32"');
    wrong("graph @g(", "line 1, column 10: expected %name, found the end of the text");
    wrong("graph @g() { return } x", "line 1, column 23: expected the end of the text");
    wrong("graph @g() { ; }", 'line 1, column 14: unexpected character ";"');
    wrong('graph @"\\q"() { return }', "no JSON string");
  });

  test("names: defined once, before their use, and known by the header", () => {
    wrong("graph @g(%x: f32[], %x: f32[]) { return }", "%x is defined twice");
    wrong("graph @g(%x: f32[]) { %x: f32[] = A() return }", "%x is defined twice");
    wrong("graph @g() { %x: f32[], %x: f32[] = A() return }", "%x is defined twice");
    wrong("graph @g() { %x: f32[] = A(%x) return %x }", "%x is not defined here");
    wrong("graph @g(%x: f32[]) { A() graph @r() { return %x } return }", "%x is not defined here");
    wrong(
      "graph @g(%x: f32[]) -> (%x: f32[2]) { return %x }",
      "header says (%x: f32[2]), but returned is (%x: f32[])",
    );
    wrong("graph @g() { A() {a=1, a=2} return }", "attribute a is given twice");
  });

  test("constants fit their type", () => {
    const constant = (text: string) => `graph @g() { %c: ${text} return }`;
    wrong(constant("f32[2] = constant dense [1]"), "f32[2] has 2 elements, not 1");
    wrong(constant("u8[1] = constant dense [256]"), "256 is no uint8");
    wrong(constant("i32[1] = constant dense [1.5]"), "expected an integer");
    wrong(constant("f32[1] = constant dense [nan(0x1)]"), "not the bits of a float32 NaN");
    wrong(constant("f32[N] = constant dense [1]"), "static shape");
    wrong(constant('f32[9] = constant resource "w"'), 'no resource "w"');
    const resources = new Map([["w", tensorOf("int32", [9], new Array<number>(9).fill(0))]]);
    wrong(constant('f32[9] = constant resource "w"'), "is i32[9], not f32[9]", resources);
    wrong("graph @g() { %c: f32[], %d: f32[] = constant dense [1] return }", "a constant defines one value");
  });
});
