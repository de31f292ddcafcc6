import { describe, expect, test } from "vitest";
import { fuse } from "../../../passes/graph/fuse.js";
import { expectPass, expectUnchanged, transform } from "./text.js";

describe("chains", () => {
  test("of pointwise operators become one node that reads what they do not make", () =>
    expectPass(
      fuse,
      `
      graph @g(%x: f32[4], %z: f32[4]) -> (%y: f32[4]) {
        %a: f32[4] = Neg(%x) from ["neg"]
        %two: f32[] = constant dense [2]
        %b: f32[4] = Mul(%a, %two) from ["mul"]
        %y: f32[4] = Add(%b, %z) from ["add"]
        return %y
      }`,
      `
      graph @g(%x: f32[4], %z: f32[4]) -> (%y: f32[4]) {
        %y: f32[4] = kiln.Fusion(%x, %z) from ["neg", "mul", "add"]
          graph @Neg_Mul_Add(%x: f32[4], %z: f32[4]) -> (%y: f32[4]) {
            %a: f32[4] = Neg(%x) from ["neg"]
            %two: f32[] = constant dense [2]
            %b: f32[4] = Mul(%a, %two) from ["mul"]
            %y: f32[4] = Add(%b, %z) from ["add"]
            return %y
          }
        return %y
      }`,
    ));

  test("go through a value that only they read, however often", () =>
    expectPass(
      fuse,
      `
      graph @g(%x: f32[4]) -> (%y: f32[4]) {
        %s: f32[4] = Exp(%x)
        %t: f32[4] = Sigmoid(%s)
        %y: f32[4] = Mul(%s, %t)
        return %y
      }`,
      `
      graph @g(%x: f32[4]) -> (%y: f32[4]) {
        %y: f32[4] = kiln.Fusion(%x)
          graph @Exp_Sigmoid_Mul(%x: f32[4]) -> (%y: f32[4]) {
            %s: f32[4] = Exp(%x)
            %t: f32[4] = Sigmoid(%s)
            %y: f32[4] = Mul(%s, %t)
            return %y
          }
        return %y
      }`,
    ));
});

test("an epilogue joins the kernel before it, with the residual it adds", () =>
  expectPass(
    fuse,
    `
    graph @g(%x: f32[3, 4], %r: f32[3, 2]) -> (%y: f32[3, 2]) {
      %w: f32[4, 2] = constant dense [1, 2, 3, 4, 5, 6, 7, 8]
      %m: f32[3, 2] = MatMul(%x, %w)
      %a: f32[3, 2] = Add(%m, %r)
      %y: f32[3, 2] = Relu(%a)
      return %y
    }`,
    `
    graph @g(%x: f32[3, 4], %r: f32[3, 2]) -> (%y: f32[3, 2]) {
      %y: f32[3, 2] = kiln.Fusion(%x, %r)
        graph @MatMul_Add_Relu(%x: f32[3, 4], %r: f32[3, 2]) -> (%y: f32[3, 2]) {
          %w: f32[4, 2] = constant dense [1, 2, 3, 4, 5, 6, 7, 8]
          %m: f32[3, 2] = MatMul(%x, %w)
          %a: f32[3, 2] = Add(%m, %r)
          %y: f32[3, 2] = Relu(%a)
          return %y
        }
      return %y
    }`,
  ));

test("a pointwise operator joins the reduction that reads it", () =>
  expectPass(
    fuse,
    `
    graph @g(%x: f32[3, 4]) -> (%y: f32[3, 1]) {
      %a: f32[3, 4] = Exp(%x)
      %axes: i64[1] = constant dense [1]
      %s: f32[3, 1] = ReduceSum(%a, %axes)
      %y: f32[3, 1] = Sqrt(%s)
      return %y
    }`,
    `
    graph @g(%x: f32[3, 4]) -> (%y: f32[3, 1]) {
      %y: f32[3, 1] = kiln.Fusion(%x)
        graph @Exp_ReduceSum_Sqrt(%x: f32[3, 4]) -> (%y: f32[3, 1]) {
          %a: f32[3, 4] = Exp(%x)
          %axes: i64[1] = constant dense [1]
          %s: f32[3, 1] = ReduceSum(%a, %axes)
          %y: f32[3, 1] = Sqrt(%s)
          return %y
        }
      return %y
    }`,
  ));

describe("nodes that stay apart", () => {
  test("their result is read by two groups", () =>
    expectUnchanged(
      fuse,
      `
      graph @g(%x: f32[4]) -> (%y: f32[4], %z: f32[4]) {
        %a: f32[4] = Neg(%x)
        %y: f32[4] = Exp(%a)
        %z: f32[4] = Sqrt(%a)
        return %y, %z
      }`,
    ));

  test("their result is one of the graph", () =>
    expectUnchanged(
      fuse,
      `
      graph @g(%x: f32[4]) -> (%a: f32[4], %y: f32[4]) {
        %a: f32[4] = Neg(%x)
        %y: f32[4] = Exp(%a)
        return %a, %y
      }`,
    ));

  test("their result is broadcast: it would be computed again for each element", () =>
    expectUnchanged(
      fuse,
      `
      graph @g(%x: f32[4], %z: f32[3, 4]) -> (%y: f32[3, 4]) {
        %a: f32[4] = Exp(%x)
        %y: f32[3, 4] = Add(%a, %z)
        return %y
      }`,
    ));

  test("two kernels, each with loops of its own", () =>
    expectUnchanged(
      fuse,
      `
      graph @g(%x: f32[2, 2]) -> (%y: f32[2, 2]) {
        %a: f32[2, 2] = MatMul(%x, %x)
        %y: f32[2, 2] = MatMul(%a, %x)
        return %y
      }`,
    ));

  test("a pointwise operator before a matrix product, which reads its operands many times", () =>
    expectUnchanged(
      fuse,
      `
      graph @g(%x: f32[2, 2]) -> (%y: f32[2, 2]) {
        %a: f32[2, 2] = Exp(%x)
        %y: f32[2, 2] = MatMul(%a, %x)
        return %y
      }`,
    ));

  test("a value that both a kernel and its epilogue read", () =>
    expectPass(
      fuse,
      `
      graph @g(%x: f32[2, 2]) -> (%y: f32[2, 2]) {
        %a: f32[2, 2] = Exp(%x)
        %m: f32[2, 2] = MatMul(%a, %x)
        %y: f32[2, 2] = Add(%m, %a)
        return %y
      }`,
      `
      graph @g(%x: f32[2, 2]) -> (%y: f32[2, 2]) {
        %a: f32[2, 2] = Exp(%x)
        %y: f32[2, 2] = kiln.Fusion(%a, %x)
          graph @MatMul_Add(%a: f32[2, 2], %x: f32[2, 2]) -> (%y: f32[2, 2]) {
            %m: f32[2, 2] = MatMul(%a, %x)
            %y: f32[2, 2] = Add(%m, %a)
            return %y
          }
        return %y
      }`,
    ));

  test("a group reads ten tensors at most", () => {
    const count = 14;
    const inputs = Array.from({ length: count }, (_, i) => `%x${i}: f32[4]`);
    const sums = Array.from({ length: count - 1 }, (_, i) => {
      const left = i === 0 ? "%x0" : `%s${i - 1}`;
      return `%s${i}: f32[4] = Add(${left}, %x${i + 1})`;
    });
    const graph = transform(
      [fuse],
      `graph @g(${inputs.join(", ")}) { ${sums.join(" ")} return %s${count - 2} }`,
    );
    expect(graph.nodes.map(({ operator, inputs }) => [operator, inputs.length])).toEqual([
      ["kiln.Fusion", 5],
      ["kiln.Fusion", 10],
    ]);
  });
});
