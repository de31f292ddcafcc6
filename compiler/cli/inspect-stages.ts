/** What the stages of the compiler make of a model, each view made when it is asked for. */

import { type MemoryPlan, planMemory, type SymbolBounds } from "../../passes/memory/plan.js";
import type { Graph } from "../ir/graph.js";
import { defaultLimits } from "../limits.js";
import type { Kernel } from "../loop/ir.js";
import { printKernel } from "../loop/print.js";
import { kernelsOf, type Program, usesOf, withParts } from "../loop/program.js";
import { type CompileOptions, type CompileReport, featuresOf, symbolBounds } from "../options.js";
import { Pipeline } from "../stages.js";
import type { EmittedModule } from "../wasm/module.js";
import { compileOptions } from "./compile-flags.js";
import { runCompiler } from "./compile-model.js";
import { CommandError } from "./failure.js";
import type { InspectFlags, View } from "./inspect.js";
import { graphDot } from "./inspect-graph.js";
import { memoryView } from "./inspect-memory.js";
import type { PrintedIr } from "./ir-flags.js";
import type { ModelFile } from "./model-file.js";
import { Progress } from "./progress.js";
import { formatTable, left, right } from "./table.js";
import type { Terminal } from "./terminal.js";
import { formatCount } from "./units.js";

/** Without patches, of which there may be hundreds. */
async function graphToDraw(file: ModelFile, options: CompileOptions): Promise<Graph> {
  const { onPass: _, onStage: __, ...quiet } = options;
  const pipeline = new Pipeline({ ...quiet, patches: false });
  return pipeline.runGraphPasses(await pipeline.importGraph(file.bytes));
}

export class Stages {
  private constructor(
    private readonly flags: InspectFlags,
    private readonly terminal: Terminal,
    private readonly drawn: Graph,
    private readonly program: Program,
    readonly timings: CompileReport["passes"],
    readonly ir: readonly PrintedIr[],
  ) {}

  /** Runs the stages up to the last loop pass, printing IR as the flags say. */
  static async run(file: ModelFile, flags: InspectFlags, terminal: Terminal): Promise<Stages> {
    const { result, ir } = await runCompiler(file, flags, terminal, async (options) => {
      const pipeline = new Pipeline(options);
      const graph = pipeline.runGraphPasses(await pipeline.importGraph(file.bytes));
      const program = pipeline.runLoopPasses(pipeline.lower(graph));
      const isDrawn = flags.graph !== undefined && pipeline.patches !== undefined;
      const drawn = isDrawn && flags.arena === undefined ? await graphToDraw(file, options) : graph;
      return { drawn, program, timings: pipeline.timings };
    });
    const { drawn, program, timings } = result;
    return new Stages(flags, terminal, drawn, program, timings, ir);
  }

  async kernels(): Promise<View> {
    const { kernelBytes } = await this.emit();
    const kernels = [...usesOf(this.program)].map(([kernel, uses]) => {
      const calls = uses.filter((call) => call.kernel === kernel);
      return {
        name: kernel.name,
        calls: uses.length,
        codeBytes: kernelBytes.get(kernel.name) ?? 0,
        flops: calls.reduce((sum, call) => sum + call.flops, 0),
        isShared: uses.some((call) => call.kernel.share !== undefined),
      };
    });
    const withThreads = kernels.some(({ isShared }) => isShared);
    kernels.sort((a, b) => b.flops - a.flops || b.codeBytes - a.codeBytes);
    const rows = kernels.map(({ name, calls, codeBytes, flops, isShared }) => [
      name,
      calls,
      codeBytes,
      formatCount(flops),
      ...(withThreads ? [isShared ? "all" : "one"] : []),
    ]);
    const columns = [left("kernel"), right("calls"), right("code bytes"), right("FLOPs")];
    if (withThreads) columns.push(left("threads"));
    return { json: kernels, text: () => formatTable(columns, rows, this.terminal.colors) };
  }

  memory(): View {
    return memoryView(this.program, this.plan(), this.bounds(), this.terminal.colors);
  }

  loops(wanted: string): View {
    const text = withParts(this.findKernel(wanted)).map(printKernel).join("\n\n");
    return { json: text, text: () => text };
  }

  async wat(wanted: string): Promise<View> {
    const kernel = this.findKernel(wanted);
    const { wasm } = await this.emit();
    const { functionWat } = await import("../wasm/wat.js");
    const texts = await Promise.all(withParts(kernel).map(({ name }) => functionWat(wasm, name)));
    const text = texts.join("\n");
    return { json: text, text: () => text };
  }

  dot(): string {
    return graphDot(this.drawn);
  }

  private plan(): MemoryPlan {
    return planMemory(this.program, this.bounds());
  }

  private bounds(): SymbolBounds {
    return symbolBounds(compileOptions(this.flags));
  }

  /** The module without its weights, which no view shows. */
  private async emit(): Promise<EmittedModule> {
    const { emitModule } = await import("../wasm/module.js");
    using progress = new Progress(this.terminal, "compiling");
    progress.stage("emit");
    return emitModule({
      program: this.program,
      plan: this.plan(),
      memoryLimit: defaultLimits.memoryBytes,
      features: featuresOf(compileOptions(this.flags)),
      optimize: this.flags.O ?? 3,
      metadata: () => new Uint8Array(),
      embed: [],
    });
  }

  /** The kernel of this name, or the only one whose name has this part. */
  private findKernel(wanted: string): Kernel {
    const kernels = kernelsOf(this.program);
    const exact = kernels.find(({ name }) => name === wanted);
    if (exact !== undefined) return exact;
    const matches = kernels.filter(({ name }) => name.includes(wanted));
    if (matches.length === 1) return matches[0]!;
    const [what, candidates] =
      matches.length > 1 ? ["matches several kernels", matches] : ["is no kernel; the kernels", kernels];
    const names = candidates.map(({ name }) => `  ${name}`).sort();
    throw new CommandError(`"${wanted}" ${what}:\n${names.join("\n")}`);
  }
}
