/** What the report says that two graphs differ in. */

import { expect, test } from "vitest";
import { compareGraphs } from "../../compiler/report/browser/difference.js";
import type { GraphData, NodeData } from "../../compiler/report/data.js";

const node = (operator: string, source: string[], more: Partial<NodeData> = {}): NodeData => ({
  ...{ kind: "node", operator, source, types: ["f32[2]"], constants: [], inner: [], calls: [] },
  ...more,
});

/** Each node after the one before. */
const chain = (...nodes: NodeData[]): GraphData => ({
  nodes,
  edges: nodes.slice(1).map((_, i) => [i, i + 1, "f32[2]"] as const),
});

/** Every node with what it is said to be. */
function said(before: GraphData, after: GraphData): string[] {
  const { graph, differences } = compareGraphs(before, after);
  for (const [from, to] of graph.edges) expect(from).toBeLessThan(to);
  return graph.nodes.map(({ operator }, i) => `${operator} ${differences.get(i)?.kind ?? "same"}`);
}

test("what is the same, of another type, gone, and new", () => {
  const before = chain(node("Conv", ["a"]), node("Identity", ["b"]), node("Relu", ["c"]), node("Exp", ["d"]));
  const after = chain(
    node("Conv", ["a"]),
    node("Transpose", []),
    node("Relu", ["c"], { types: ["f32[2]{1,0}"] }),
    node("Exp", ["d"]),
  );
  expect(said(before, before)).toEqual(["Conv same", "Identity same", "Relu same", "Exp same"]);
  expect(said(before, after).sort()).toEqual([
    "Conv same",
    "Exp same",
    "Identity removed",
    "Relu changed",
    "Transpose added",
  ]);
  const { graph, differences } = compareGraphs(before, after);
  const gone = graph.nodes.findIndex(({ operator }) => operator === "Identity");
  expect(graph.edges.filter(([from, to]) => from === gone || to === gone)).toHaveLength(2);
  const relu = graph.nodes.findIndex(({ operator }) => operator === "Relu");
  expect(differences.get(relu)!.was).toEqual(["Relu (c, f32[2])"]);
});

test("nodes that have become a group are what it was", () => {
  const inner = [
    { operator: "Conv", source: ["a"] },
    { operator: "Relu", source: ["b"] },
  ];
  const before = chain(node("Conv", ["a"]), node("Relu", ["b"]), node("Exp", ["c"]));
  const after = chain(node("kiln.Fusion", ["a", "b"], { inner }), node("Exp", ["c"]));
  expect(said(before, after)).toEqual(["kiln.Fusion changed", "Exp same"]);
  expect(compareGraphs(before, after).differences.get(0)!.was).toEqual([
    "Conv (a, f32[2])",
    "Relu (b, f32[2])",
  ]);
});

test("nodes that have changed places make no circle", () => {
  const before = chain(node("Exp", ["a"]), node("Identity", ["b"]), node("Neg", ["c"]));
  const after = chain(node("Neg", ["c"]), node("Exp", ["a"]));
  expect(said(before, after).sort()).toEqual(["Exp same", "Identity removed", "Neg same"]);
});
