/**
 * The optimised graph as a picture, in Graphviz' language. What is fused is drawn as a box around its operators or,
 * in a large graph, as one node that lists them. Every node says which nodes of the model it computes.
 */

import { type Graph, type Node, printType, type Value } from "../ir/graph.js";
import { CommandError } from "./failure.js";
import { printable } from "./terminal.js";

/** Graphviz takes minutes to lay out more. */
const mostNodes = 400;

export function graphDot(graph: Graph): string {
  return new DotWriter(graph).write();
}

export async function renderSvg(dot: string): Promise<string> {
  const { instance } = await import("@viz-js/viz");
  const viz = await instance();
  try {
    return viz.renderString(dot, { format: "svg" });
  } catch (cause) {
    const hint = "write .dot and lay it out with Graphviz itself, which has more memory";
    throw new CommandError(`cannot draw the graph: ${(cause as Error).message}`, { hint, cause });
  }
}

class DotWriter {
  private readonly lines: string[] = [];
  /** Written last: an edge inside a box would draw its ends into it. */
  private readonly edges: string[] = [];
  /** The drawn node that a value comes from. */
  private readonly origins = new Map<Value, string>();
  private readonly isDetailed: boolean;
  private count = 0;

  constructor(private readonly graph: Graph) {
    const inner = graph.nodes.flatMap((node) => (isFusion(node) ? node.regions[0]!.nodes : [node]));
    this.isDetailed = inner.length <= mostNodes;
  }

  write(): string {
    const { inputs, outputs, nodes, name } = this.graph;
    this.lines.push(
      `digraph ${quote(name)} {`,
      '  node [shape=box, style="rounded,filled", fillcolor="#eef2fb", fontname="Helvetica", fontsize=10];',
      '  edge [fontname="Helvetica", fontsize=8, color="#666666"];',
    );
    inputs.forEach((input, i) => {
      this.terminal(`input${i}`, input);
      this.origins.set(input, `input${i}`);
    });
    for (const node of nodes) {
      if (isFusion(node) && this.isDetailed) this.cluster(node);
      else this.node(node, "  ");
    }
    outputs.forEach((output, i) => {
      this.terminal(`output${i}`, output);
      this.edge(output, `output${i}`);
    });
    return [...this.lines, ...this.edges, "}"].join("\n");
  }

  private terminal(id: string, value: Value): void {
    const label = quote(`${value.name}\n${printType(value.type)}`);
    this.lines.push(`  ${id} [label=${label}, shape=ellipse, fillcolor="#e8f5e2"];`);
  }

  private node(node: Node, indent: string): void {
    const id = `node${this.count++}`;
    const operators = isFusion(node)
      ? node.regions[0]!.nodes.map(({ operator }) => operator).join(" + ")
      : node.operator;
    const label = quote(`${operators}\n${shorten(node.source)}`);
    const constants = node.inputs.filter((input) => input?.constant).map((input) => printType(input!.type));
    const tooltip = quote([...node.source, ...constants].join("\n"));
    this.lines.push(`${indent}${id} [label=${label}, tooltip=${tooltip}];`);
    for (const input of node.inputs) if (input !== null) this.edge(input, id);
    for (const output of node.outputs) this.origins.set(output, id);
  }

  private cluster(fusion: Node): void {
    const region = fusion.regions[0]!;
    region.inputs.forEach((parameter, i) => {
      const origin = this.origins.get(fusion.inputs[i]!);
      if (origin !== undefined) this.origins.set(parameter, origin);
    });
    this.lines.push(
      `  subgraph cluster${this.count} {`,
      `    label=${quote(shorten(fusion.source))}; style="rounded,filled"; fillcolor="#fff6e0"; color="#d9b95b";`,
      '    labeljust=l; fontname="Helvetica"; fontsize=9;',
    );
    for (const node of region.nodes) this.node(node, "    ");
    this.lines.push("  }");
    this.origins.set(fusion.outputs[0]!, this.origins.get(region.outputs[0]!)!);
  }

  private edge(value: Value, to: string): void {
    const from = this.origins.get(value);
    if (from !== undefined) this.edges.push(`  ${from} -> ${to} [label=${quote(printType(value.type))}];`);
  }
}

const isFusion = (node: Node): boolean => node.operator === "kiln.Fusion" && node.regions.length === 1;

function shorten(sources: readonly string[]): string {
  const shown = sources.slice(0, 3).join(", ");
  return sources.length > 3 ? `${shown} and ${sources.length - 3} more` : shown;
}

/** A string of DOT: names come from the model, and a backslash means something there. */
const quote = (text: string): string =>
  `"${printable(text).replace(/\\/g, "\\\\").replace(/"/g, '\\"').replaceAll("\n", "\\n")}"`;
