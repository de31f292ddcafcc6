/** Each invariant of the graph verifier, broken on purpose. */

import { describe, expect, test } from "vitest";
import { KilnError } from "../../compiler/diagnostics.js";
import { symbolDim } from "../../compiler/ir/dim.js";
import {
  type AttributeValue,
  constantValue,
  type Graph,
  type TensorType,
  Value,
} from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { type VerifyContext, verifyGraph } from "../../compiler/ir/verify.js";

const scalar: TensorType = { dtype: "float32", shape: [] };

/** x -> Neg -> If with two regions -> y */
function sample(): Graph {
  return parseGraph(`
graph @main(%x: f32[], %c: bool[]) -> (%y: f32[]) {
  %w: f32[2] = constant dense [1, 2]
  %n: f32[] = Neg(%x, %w) from ["neg"]
  %y: f32[] = If(%c, %n) from ["branch"]
    graph @then(%p: f32[]) -> (%q: f32[]) {
      %q: f32[] = Abs(%p) from ["abs"]
      return %q
    }
    graph @else(%r: f32[]) -> (%r: f32[]) {
      return %r
    }
  return %y
}`);
}

function expectBroken(invariant: number, message: string, graph: Graph, context?: VerifyContext): void {
  const error = errorOf(graph, context);
  expect(error.code).toBe("E_INTERNAL");
  expect(error.message).toContain(`graph invariant ${invariant}: `);
  expect(error.message).toContain(message);
}

function errorOf(graph: Graph, context?: VerifyContext): KilnError {
  try {
    verifyGraph(graph, context);
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error("the graph is valid");
}

/** Breaks the sample and expects the invariant's number and these words. */
function breaks(invariant: number, message: string, change: (graph: Graph) => void, context?: VerifyContext) {
  const graph = sample();
  verifyGraph(graph);
  change(graph);
  expectBroken(invariant, message, graph, context);
}

describe("values", () => {
  test("1: names are not empty", () => {
    breaks(1, "f32[] has no name", (graph) => {
      graph.nodes[0]!.outputs[0]!.name = "";
    });
  });

  test("2: graph inputs are distinct and only inputs", () => {
    breaks(2, "shares its name", (graph) => graph.inputs.push(new Value("x", scalar)));
    breaks(2, "shares its name", (graph) => graph.inputs.push(graph.inputs[0]!));
    breaks(2, "has a producer, Neg", (graph) => {
      graph.inputs[0]!.producer = graph.nodes[0]!;
    });
    breaks(2, "has a constant", (graph) => {
      graph.inputs[0]!.constant = tensorOf("float32", [], [1]);
    });
  });

  test("3: one definition", () => {
    breaks(3, "%n is defined twice", (graph) => {
      const { outputs } = graph.nodes[0]!;
      outputs.push(outputs[0]!);
    });
    breaks(3, "names no producer", (graph) => {
      graph.nodes[0]!.outputs[0]!.producer = null;
    });
    breaks(3, "names another producer, If", (graph) => {
      graph.nodes[0]!.outputs[0]!.producer = graph.nodes[1]!;
    });
    breaks(3, "%n is a constant as well", (graph) => {
      graph.nodes[0]!.outputs[0]!.constant = tensorOf("float32", [], [1]);
    });
    breaks(3, "constant %w has a producer", (graph) => {
      graph.nodes[0]!.inputs[1]!.producer = graph.nodes[0]!;
    });
    breaks(3, "%x is defined twice", (graph) => {
      graph.nodes[1]!.regions[0]!.inputs[0] = graph.inputs[0]!;
    });
  });

  test("4: defined before use", () => {
    breaks(4, "input 1, %n, is not defined before", (graph) => graph.nodes.reverse());
    breaks(4, "input 0, %n, is not defined before", (graph) => {
      graph.nodes[0]!.inputs[0] = graph.nodes[0]!.outputs[0]!;
    });
    breaks(4, "input 0, %stray, is not defined", (graph) => {
      graph.nodes[1]!.regions[0]!.nodes[0]!.inputs[0] = new Value("stray", scalar);
    });
  });

  test("5: graph outputs are defined", () => {
    breaks(5, "output %stray of graph @main is not defined", (graph) =>
      graph.outputs.push(new Value("stray", scalar)),
    );
    const graph = sample();
    graph.outputs.push(graph.inputs[0]!, constantValue("k", tensorOf("float32", [], [1])));
    expect(() => verifyGraph(graph)).not.toThrow();
  });

  const typed = (type: unknown) => (graph: Graph) => {
    graph.inputs[0]!.type = type as TensorType;
  };

  test("6: layouts are permutations", () => {
    const layout = (...order: number[]) => typed({ dtype: "float32", shape: [2, 3], layout: order });
    for (const order of [[0], [0, 0], [1, 2], [0, 1, 2], [], [0.5, 1]]) {
      breaks(6, `%x has layout {${order}} at rank 2`, layout(...order));
    }
    const graph = sample();
    layout(1, 0)(graph);
    expect(() => verifyGraph(graph)).not.toThrow();
  });

  test("7: dims are non-negative integers and the element type is known", () => {
    breaks(7, "%x has dim -1", typed({ dtype: "float32", shape: [2, -1] }));
    breaks(7, "%x has dim 0.5", typed({ dtype: "float32", shape: [0.5] }));
    breaks(7, "%x has dim NaN", typed({ dtype: "float32", shape: [Number.NaN] }));
    breaks(7, "%x has element type complex64", typed({ dtype: "complex64", shape: [] }));
    const graph = sample();
    typed({ dtype: "float32", shape: [0, symbolDim("N")] })(graph);
    expect(() => verifyGraph(graph)).not.toThrow();
  });

  test("8: constants fit their type", () => {
    const constant = (data: TensorData) => (graph: Graph) => {
      graph.nodes[0]!.inputs[1]!.constant = data;
    };
    breaks(8, "%w of int32[2] is typed f32[2]", constant(tensorOf("int32", [2], [1, 2])));
    breaks(8, "%w of float32[1,2] is typed", constant(tensorOf("float32", [1, 2], [1, 2])));
    const short: TensorData = { dtype: "float32", dims: [2], data: new Float32Array(1) };
    breaks(8, "needs 2 elements of float32, has Float32Array(1)", constant(short));
    const wrongArray: TensorData = { dtype: "float32", dims: [2], data: new Float64Array(2) };
    breaks(8, "needs 2 elements of float32, has Float64Array(2)", constant(wrongArray));
    breaks(8, "is typed f32[N]", (graph) => {
      graph.nodes[0]!.inputs[1]!.type = { dtype: "float32", shape: [symbolDim("N")] };
    });
    breaks(8, "%k of float32", (graph) => {
      const value = constantValue("k", tensorOf("float32", [], [1]));
      value.type = { dtype: "float32", shape: [1] };
      graph.outputs.push(value);
    });
  });

  test("9: known elements", () => {
    const elements = (type: TensorType, count: number) => (graph: Graph) => {
      graph.inputs[0]!.type = type;
      graph.inputs[0]!.elements = new Array<number>(count).fill(1);
    };
    breaks(9, "1 known elements out of 2", elements({ dtype: "int64", shape: [2] }, 1));
    breaks(9, "0 known elements out of 1", elements({ dtype: "int32", shape: [] }, 0));
    breaks(9, "has elements that are dims", elements({ dtype: "int64", shape: [2, 1] }, 2));
    breaks(9, "has elements that are dims", elements({ dtype: "float32", shape: [2] }, 2));
    breaks(9, "has elements that are dims", elements({ dtype: "int64", shape: [symbolDim("N")] }, 2));
    const graph = sample();
    elements({ dtype: "int64", shape: [0] }, 0)(graph);
    expect(() => verifyGraph(graph)).not.toThrow();
  });
});

test("14: states have next values of their type", () => {
  breaks(14, "cannot have 2 states", (graph) => {
    graph.states = 2;
  });
  breaks(14, "state %c is i8[], then f32[]", (graph) => {
    graph.states = 1;
    graph.inputs.at(-1)!.type = { dtype: "int8", shape: [] };
  });
});

describe("nodes", () => {
  test("10: nothing appears twice", () => {
    breaks(10, "the node appears twice", (graph) => graph.nodes.push(graph.nodes[0]!));
    breaks(10, "the node appears twice", (graph) => graph.nodes[1]!.regions[1]!.nodes.push(graph.nodes[0]!));
    breaks(10, "graph @then appears twice", (graph) =>
      graph.nodes[1]!.regions.push(graph.nodes[1]!.regions[0]!),
    );
    breaks(10, "graph @main appears twice", (graph) => graph.nodes[1]!.regions.push(graph));
  });

  test("11: attributes", () => {
    const attribute =
      (value: unknown, name = "a") =>
      (graph: Graph) => {
        graph.nodes[0]!.attributes = { [name]: value as AttributeValue };
      };
    const tensorData = { dtype: "float32", dims: [2], data: new Float32Array(2) };
    const illegal: unknown[] = [
      null,
      undefined,
      1n,
      {},
      [1, "a"],
      ["a", 1],
      [true],
      [[1]],
      new Float32Array(2),
      () => 1,
      { ...tensorData, dims: [3] },
      { ...tensorData, dtype: "float64" },
      { ...tensorData, dims: [-1, -2] },
    ];
    for (const value of illegal) breaks(11, "attribute a has a value of no legal kind", attribute(value));
    breaks(11, "an attribute has no name", attribute(1, ""));
    for (const value of [1, true, "a", [], [1, 2], ["a"], tensorData]) {
      const graph = sample();
      attribute(value)(graph);
      expect(() => verifyGraph(graph)).not.toThrow();
    }
  });

  test("12: operators", () => {
    breaks(12, "the operator has no name", (graph) => {
      graph.nodes[0]!.operator = "";
    });
    const known = new Set(["Neg", "If"]);
    const operators = (name: string) => (known.has(name) ? name : undefined);
    expectBroken(12, "operator Abs is not registered", sample(), { operators });
    known.add("Abs");
    expect(() => verifyGraph(sample(), { operators })).not.toThrow();
  });

  test("13: regions capture nothing but constants", () => {
    breaks(13, "input 0, %n, is captured from graph @main", (graph) => {
      graph.nodes[1]!.regions[0]!.nodes[0]!.inputs[0] = graph.nodes[0]!.outputs[0]!;
    });
    breaks(13, "output %x of graph @else is captured from graph @main", (graph) => {
      graph.nodes[1]!.regions[1]!.outputs[0] = graph.inputs[0]!;
    });
    breaks(13, "%q of graph @main is captured from graph @then", (graph) => {
      graph.outputs[0] = graph.nodes[1]!.regions[0]!.outputs[0]!;
    });
    const graph = sample();
    graph.nodes[1]!.regions[1]!.outputs[0] = graph.nodes[0]!.inputs[1]!;
    expect(() => verifyGraph(graph)).not.toThrow();
  });
});

describe("the error", () => {
  const messageOf = (change: (graph: Graph) => void, context?: VerifyContext): string => {
    const graph = sample();
    change(graph);
    return errorOf(graph, context).message;
  };

  test("names pass, node and ONNX source", () => {
    expect(messageOf((graph) => graph.nodes.reverse(), { pass: "fuse" })).toBe(
      'node "branch" (If) in pass fuse: graph invariant 4: input 1, %n, is not defined before it is used',
    );
  });

  test("names the node of a region, and the node that holds it for what belongs to the region itself", () => {
    const region = (graph: Graph) => graph.nodes[1]!.regions[0]!;
    expect(messageOf((graph) => region(graph).nodes[0]!.inputs.push(new Value("s", scalar)))).toMatch(
      /^node "abs" \(Abs\): graph invariant 4: /,
    );
    expect(messageOf((graph) => region(graph).outputs.push(new Value("s", scalar)))).toMatch(
      /^node "branch" \(If\): graph invariant 5: /,
    );
    expect(messageOf((graph) => graph.outputs.push(new Value("s", scalar)))).toMatch(/^graph invariant 5: /);
  });

  test("falls back on the first output where a pass lost the source", () => {
    const lost = (graph: Graph) => {
      graph.nodes[0]!.source = [];
      graph.nodes[0]!.attributes = { "": 1 };
    };
    expect(messageOf(lost)).toMatch(/^node "n" \(Neg\): graph invariant 11: /);
  });
});
