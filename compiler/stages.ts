/**
 * The way through the compiler, stage by stage. `compile` runs them all; `inspect` stops where it is asked to.
 */

import type { ArenaGoal, GraphPass, PassContext, PatchOutcome } from "../passes/graph/pass.js";
import type { LoopPass, ProgramPass } from "../passes/loop/pass.js";
import { loopPasses, programPasses } from "../passes/loop/pipeline.js";
import { measureArena } from "../passes/memory/measure.js";
import { graphPipeline } from "../passes/pipeline.js";
import type { Graph, Node } from "./ir/graph.js";
import { printGraph } from "./ir/print.js";
import { verifyGraph } from "./ir/verify.js";
import type { Kernel } from "./loop/ir.js";
import { printProgram } from "./loop/print.js";
import { type Call, callsOf, mapCalls, type Program, type Step } from "./loop/program.js";
import { shareKernels } from "./loop/share.js";
import { verifyProgram } from "./loop/verify.js";
import { lowerGraph } from "./lowering/lower.js";
import type { Target } from "./lowering/scope.js";
import { decodeModel } from "./onnx/decode.js";
import { importModel } from "./onnx/import.js";
import type { OnnxModel } from "./onnx/model.js";
import { FoldingBudget } from "./operators/folding-budget.js";
import { findOperator } from "./operators/index.js";
import { type CompileOptions, type PassEvent, symbolBounds, withDefaultLimits } from "./options.js";
import { choosing } from "./tuning/choice.js";
import { lookUp } from "./tuning/database.js";

/** Runs the pass on the graph and on the regions of its branches and loops. */
export function runOnGraph(pass: GraphPass, graph: Graph, context: PassContext): void {
  pass.run(graph, context);
  const { measureArena: _, ...inRegions } = context;
  for (const node of graph.nodes) {
    if (node.operator === "kiln.Fusion") continue;
    for (const region of node.regions) runOnGraph(pass, region, inRegions);
  }
}

/** Runs passes one after another and tells what each did. */
export class Pipeline {
  readonly timings: { name: string; ms: number; nodes: number }[] = [];
  private index: number;
  /** Shared by all that folds constants of the model at hand. */
  private folding: FoldingBudget | undefined;
  /** Called with the graph as it is after each stage that has one; later passes change it. */
  onGraph: ((graph: Graph) => void) | undefined;
  /** What patches have made of the arena, where there are any. */
  patches: PatchOutcome | undefined;

  /** The last program that was measured, and the nodes it was lowered from. */
  private lowered: { readonly nodes: readonly Node[]; readonly program: Program } | undefined;

  /** Called before each stage behind the import, with its number and what it is given. */
  onInput: ((stage: number, ir: Graph | Program) => void) | undefined;

  /** @param done number of stages that have been done already: the passes among them are left out */
  constructor(
    private readonly options: CompileOptions,
    private readonly done = 0,
  ) {
    this.index = done;
  }

  /** Decodes the model and brings it into Graph IR. */
  async importGraph(bytes: Uint8Array): Promise<Graph> {
    const { options } = this;
    const limits = withDefaultLimits(options.limits);
    const started = this.begin("import");
    const model: OnnxModel = await decodeModel(bytes, {
      limits,
      ...(options.externalData !== undefined && { externalData: options.externalData }),
    });
    const sizes = { dims: options.dims ?? {}, inputShapes: options.inputShapes ?? {} };
    this.folding = new FoldingBudget(limits, bytes.length);
    const states = options.states ?? {};
    const graph = importModel(model, { ...sizes, limits, states, folding: this.folding });
    this.finish("import", started, graph.nodes.length, "", () => printGraph(graph));
    this.onGraph?.(graph);
    if (options.verify) this.verify(graph, "import");
    return graph;
  }

  runGraphPasses(graph: Graph): Graph {
    const arena = this.arenaGoal(graph);
    const context: PassContext = {
      limits: withDefaultLimits(this.options.limits),
      strict: this.options.strict ?? false,
      ...(this.folding !== undefined && { folding: this.folding }),
      ...(arena !== undefined && { arena }),
      measureArena: (changed) =>
        measureArena(changed, (one, onNode) => this.lowerToMeasure(one, onNode), symbolBounds(this.options)),
    };
    for (const pass of this.left(graphPipeline(this.options.optimize ?? 3), 1)) {
      this.runGraphPass(pass, graph, context);
    }
    this.patches = arena?.outcome;
    return graph;
  }

  private arenaGoal(graph: Graph): ArenaGoal | undefined {
    const { arenaBytes, patches = true, features, optimize } = this.options;
    if (arenaBytes !== undefined) return { limit: arenaBytes, graph };
    // Threads have less to share in a strip: MobileNetV2 would take a fifth longer on two. Patches are more code, too.
    const costs = features?.threads === true || optimize === 0 || optimize === "s";
    return patches && !costs ? { graph } : undefined;
  }

  private target(onChoice: CompileOptions["onChoice"]): Target {
    const { features = {}, strict = false, tuning } = this.options;
    const known = tuning === undefined ? () => undefined : lookUp(tuning, features);
    return {
      simd: features.simd !== false,
      fusedMultiplyAdd: features.relaxedSimd === true,
      threads: features.threads === true,
      strict,
      choose: choosing((choice) => onChoice?.(choice) ?? known(choice.key)),
    };
  }

  /** The passes that are still to be run, where the first of them all is this stage. */
  private left<P>(passes: readonly P[], first: number): readonly P[] {
    return passes.slice(Math.max(0, this.done - first));
  }

  /** The program is kept: where the last pass leaves the graph as it was measured, it is the one that is wanted. */
  private lowerToMeasure(graph: Graph, onNode: (node: Node, steps: readonly Step[]) => void): Program {
    this.lowered = undefined;
    const { onChoice, arenaBytes } = this.options;
    // Nobody is to hear of decisions about nodes that patches replace; within a limit, decisions must be heeded.
    const isQuiet = onChoice !== undefined && arenaBytes === undefined;
    const program = lowerGraph(graph, this.target(isQuiet ? undefined : onChoice), onNode);
    if (!isQuiet) this.lowered = { nodes: graph.nodes, program };
    return program;
  }

  lower(graph: Graph): Program {
    this.onInput?.(this.index, graph);
    const started = this.begin("lower");
    const before = this.options.onPass === undefined ? "" : printGraph(graph);
    const program = shareKernels(
      this.lowered?.nodes === graph.nodes
        ? this.lowered.program
        : lowerGraph(graph, this.target(this.options.onChoice)),
    );
    this.lowered = undefined;
    this.finish("lower", started, callsOf(program).length, before, () => printProgram(program));
    if (this.options.verify) verifyProgram(program);
    return program;
  }

  runLoopPasses(program: Program): Program {
    let current = program;
    const level = this.options.optimize ?? 3;
    const passes = loopPasses(level, this.options.features);
    const first = graphPipeline(level).length + 2;
    for (const pass of this.left(passes, first)) current = this.runLoopPass(pass, current);
    current = shareKernels(current);
    for (const pass of this.left(programPasses(level), first + passes.length)) {
      current = this.runProgramPass(pass, current);
    }
    return current;
  }

  private runGraphPass(pass: GraphPass, graph: Graph, context: PassContext): void {
    this.onInput?.(this.index, graph);
    const before = this.options.onPass === undefined ? "" : printGraph(graph);
    const started = this.begin(pass.name);
    runOnGraph(pass, graph, context);
    this.finish(pass.name, started, graph.nodes.length, before, () => printGraph(graph));
    this.onGraph?.(graph);
    if (this.options.verify) this.verify(graph, pass.name);
  }

  private runLoopPass(pass: LoopPass, program: Program): Program {
    this.onInput?.(this.index, program);
    const started = this.begin(pass.name);
    const done = new Map<Kernel, Kernel>();
    const callsTo = new Map<Kernel, Call[]>();
    for (const call of callsOf(program))
      callsTo.set(call.kernel, [...(callsTo.get(call.kernel) ?? []), call]);
    const after = mapCalls(program, (call) => {
      const kernel = done.get(call.kernel) ?? pass.run(call.kernel, callsTo.get(call.kernel)!);
      done.set(call.kernel, kernel);
      return { ...call, kernel };
    });
    const before = this.options.onPass === undefined ? "" : printProgram(program);
    this.finish(pass.name, started, callsOf(after).length, before, () => printProgram(after));
    if (this.options.verify) verifyProgram(after);
    return after;
  }

  private runProgramPass({ name, run }: ProgramPass, program: Program): Program {
    this.onInput?.(this.index, program);
    const started = this.begin(name);
    const before = this.options.onPass === undefined ? "" : printProgram(program);
    const after = run(program);
    this.finish(name, started, callsOf(after).length, before, () => printProgram(after));
    if (this.options.verify) verifyProgram(after);
    return after;
  }

  private verify(graph: Graph, pass: string): void {
    verifyGraph(graph, { pass, operators: findOperator });
  }

  /** The time at which the stage begins. */
  private begin(name: string): number {
    this.options.onStage?.(name);
    return performance.now();
  }

  private finish(name: string, started: number, nodes: number, before: string, after: () => string): void {
    const ms = performance.now() - started;
    this.timings.push({ name, ms, nodes });
    const index = this.index++;
    if (this.options.onPass === undefined) return;
    const text = after(); // the graph changes under later passes, so the text is made now
    const event: PassEvent = { index, name, before, after: text, ms };
    this.options.onPass(event);
  }
}
