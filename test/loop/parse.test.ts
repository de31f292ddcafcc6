import { describe, expect, test } from "vitest";
import { KilnError } from "../../compiler/diagnostics.js";
import { interpretKernel } from "../../compiler/loop/interpret.js";
import type { Expr } from "../../compiler/loop/ir.js";
import { parseKernel, parseProgram } from "../../compiler/loop/parse.js";
import { printKernel, printProgram } from "../../compiler/loop/print.js";
import { verifyKernel } from "../../compiler/loop/verify.js";
import { scaleProgram } from "./programs.js";

/** A kernel around one statement on y, with an i32 `i`, an f32 `s`, a vector `v` and a pointer `p` in scope. */
const around = (statement: string): string =>
  [
    "kernel @k(x: read f32[16], y: write f32[16], size i) {",
    "  let p: i32 = &x + 4",
    "  let s: f32 = x[3]",
    "  let v: f32x4 = x[4 : f32x4]",
    `  ${statement}`,
    "}",
  ].join("\n");

const storedValue = (text: string): Expr => {
  const statement = parseKernel(around(`y[0] = ${text}`)).body.at(-1)!;
  if (statement.kind !== "store") throw new Error("not a store");
  return statement.value;
};

describe("what is written comes back", () => {
  const statements = [
    "y[i * 4 + 1 @2] = x[p -> i %u 4 @-1]",
    "y[0] = x[i : splat f32x4] + v",
    "y[0] = s - (s - s) - s",
    "y[0] = s * (s + s) / s",
    "y[0] = select(s < 0.0 & i >=s 2 | i == 3, s, neg(s))",
    "y[0] = select((s < s | s > s) & s == s, 1.0, 2.0)",
    "y[0] = select(not(s < s ^ s != s), s, inf)",
    "y[(i + 1) /u 2 - (i - -1)] = -0.0",
    "y[i << 2 >>u 1 + i] = nan",
    "y[i << 2 >>s (i >>s 1)] = -inf",
    "y[0] = f32x4(1.0)",
    "y[0] = fma(v, 2.0, v)",
    "y[0] = replace[3](v, 1e-45)",
    "y[0] = splat[4](extract[2](v))",
    "y[0] = shuffle[16, 17, 18, 19, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3](v, 0.5)",
    "y[0] = f64_to_f32(f64(0.1) + f64(3.0))",
    "y[i64_to_i32(i64(-9223372036854775808))] = 16777216.0",
    'let "if": boolx4 = v < 0.0',
    'let "a/b:0": i64 = 9007199254740993',
    "var max: f32 = max(s, 0.1)",
    "for j in i..i + 4 step 3 unroll {\n    y[j] = s\n  }",
    "if true {\n  } else {\n    y[0] = s\n  }",
  ];

  test.each(statements)("%s", (statement) => {
    const text = around(statement);
    expect(printKernel(parseKernel(text))).toBe(text);
  });

  test("needless parentheses, spaces and comments are not kept", () => {
    const text = around("y[ (i*4) ]=((s))+(s*s) // a comment\n // another");
    expect(printKernel(parseKernel(text))).toBe(around("y[i * 4] = s + s * s"));
  });

  test("a kernel written as text is verified and run", () => {
    const kernel = parseKernel(`
      kernel @dot(x: read f32[4], w: read f32[4], y: write f32[1]) {
        var sum: f32 = 0.0
        for i in 0..4 {
          sum = fma(x[i], w[i], sum)
        }
        %1 = max(sum, 0.0)
        y[0] = %1 * %1
      }`);
    verifyKernel(kernel);
    const memory = Float32Array.of(1, 2, 3, 4, 1, 1, -1, 2, 0);
    interpretKernel(kernel, { memory: memory.buffer, addresses: [0, 16, 32] });
    expect(memory[8]).toBe(64);
  });
});

describe("literals", () => {
  test("take the type of their place", () => {
    expect(storedValue("2.5")).toEqual({ kind: "constant", type: { scalar: "f32", lanes: 1 }, value: 2.5 });
    expect(storedValue("7")).toEqual({ kind: "constant", type: { scalar: "f32", lanes: 1 }, value: 7 });
    expect(storedValue("v + 0.1")).toMatchObject({
      args: [{}, { type: { scalar: "f32", lanes: 4 }, value: Math.fround(0.1) }],
    });
    expect(storedValue("select(true, 1.0, s)")).toMatchObject({
      args: [{ type: { scalar: "bool" }, value: 1 }, { type: { scalar: "f32" } }, {}],
    });
    expect(storedValue("i64_to_f32_s(i64(-5))")).toMatchObject({ args: [{ value: -5n }] });
  });

  const wrong: [text: string, message: string][] = [
    ["i32_to_f32_s(2147483648)", "2147483648 is no i32"],
    ["i32_to_f32_s(i32(1.5))", "1.5 is no i32"],
    ["i64_to_f32_s(i64(9223372036854775808))", "9223372036854775808 is no i64"],
    ["1e39", "1e39 is no f32"],
    ["f64(true)", "true is no f64"],
    ["select(bool(2), s, s)", "2 is no bool"],
  ];
  test.each(wrong)("%s does not fit", (text, message) => {
    expect(() => storedValue(text)).toThrow(message);
  });
});

describe("errors say where", () => {
  const wrong: [statement: string, message: string][] = [
    ["y[0] = s +", "line 6, column 1: expected an expression, at }"],
    ["y[0] = q", "line 5, column 10: unknown name, at q"],
    ["z[0] = s", "line 5, column 3: unknown buffer, at z[0]"],
    ["y[0] = sin(s)", "line 5, column 10: unknown operation, at sin(s)"],
    ["y[0] = fma(s, s)", "line 5, column 10: fma takes 3 operands, at fma(s,"],
    ["y[0] = %2", "line 5, column 10: unknown binding, at %2"],
    ["y[0] = -s", "line 5, column 11: expected a number after the sign, at s"],
    ["y[0] = f32x4(s)", "line 5, column 10: expected one literal, at f32x4(s)"],
    ['y[0] = "s', 'line 5, column 10: unknown character, at "s'],
    ["y[0 @1.5] = s", "line 5, column 8: expected an offset, an integer, at 1.5]"],
    ["let s: f32 = 0.0", "line 5, column 7: the name is taken already, at s:"],
    ["let t: f16 = 0.0", "line 5, column 10: expected a type, at f16"],
    ["let t: f32 = t", "line 5, column 16: unknown name, at t"],
    ["for j in 0..4 { } y[j] = s", "line 5, column 23: unknown name, at j]"],
    ["if true { let t: f32 = s } y[0] = t", "line 5, column 37: unknown name, at t"],
    ["%1 = s %1 = s", "line 5, column 10: the binding exists already, at %1"],
    ["y[0] s", "line 5, column 8: expected =, at s"],
    ["} }", "line 5, column 5: expected the end of the kernel, at }"],
    ['y[0] = "\\q"', 'line 5, column 10: unknown escape in a quoted name, at "\\q"'],
  ];
  test.each(wrong)("%s", (statement, message) => {
    expect(() => parseKernel(around(statement))).toThrow(
      expect.objectContaining({ code: "E_PARSE", message }),
    );
  });

  test("a text that ends too early", () => {
    expect(() => parseKernel("kernel @k(")).toThrow("line 1, column 11: expected a buffer, at the end");
    expect(() => parseKernel("kernel @k(size n, x: read f32[1]) {}")).toThrow("buffers come first");
    expect(() => parseKernel("kernel @k(x: modify f32[1]) {}")).toThrow("expected an access, at modify");
    expect(() => parseKernel("kernel @k(x: read f8[1]) {}")).toThrow("unknown element type, at f8[1])");
  });
});

describe("programs", () => {
  const text = printProgram(scaleProgram());
  const resources = new Map([["w", new Uint8Array(8)]]);

  test("the text of a program", () => {
    expect(text).toMatchInlineSnapshot(`
      "program @scale_twice

      buffer x: input f32 bytes 16
      buffer w: constant f32 bytes 8
      buffer t: temporary f32 bytes 16
      buffer "out/y:0": output f32 bytes 16

      inputs (x[4])
      outputs ("out/y:0"[4])

      kernel @scale(x: read f32[4], w: read f32[1], y: write f32[4]) {
        for i in 0..4 {
          y[i] = x[i] * w[0]
        }
      }

      call @scale(x, w, t) flops 4 inplace 2:0 from "Mul_0"
      call @scale(t, w + 4, "out/y:0") flops 4 inplace 2:0 from "Mul_1""
    `);
  });

  const wrong: [from: string, to: string, message: string][] = [
    ["buffer t: temporary", "buffer x: temporary", "the buffer exists already"],
    ["buffer t: temporary", "buffer t: scratch", "expected a kind of buffer"],
    ["inputs (x[4])", "inputs (z[4])", "unknown buffer, at z[4])"],
    ["call @scale(x", "call @scales(x", "unknown kernel, at scales(x,"],
    ["constant f32 bytes 8", "constant f32 bytes 12", "no resource of 12 bytes has this name, at w:"],
    ["flops 4", "", "expected flops"],
    ["inplace 2:0", "inplace 2", "expected :"],
    ['from "Mul_0"', "from Mul_0", "expected a quoted node name, at Mul_0"],
    ["\nkernel @scale", "\nkernel @scale() {}\nkernel @scale", "the kernel exists already"],
    ["outputs", "\n}", "expected outputs, at }"],
  ];
  test.each(wrong)("%s changed to %s", (from, to, message) => {
    expect(text).toContain(from);
    const parse = () => parseProgram(text.replace(from, to), resources);
    expect(parse).toThrow(KilnError);
    expect(parse).toThrow(message);
  });

  test("a constant without its bytes", () => {
    expect(() => parseProgram(text, new Map())).toThrow("line 4, column 8: no resource of 8 bytes");
  });
});
