/**
 * Reads the text that `print.ts` writes (see `notation.ts`). Line breaks and comments (`// ...`) mean nothing. Every
 * name must stand for something here; types and all other rules are the verifier's.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import { parseDim } from "../ir/dim-parse.js";
import type { Kernel } from "./ir.js";
import { readDType, readKernel } from "./parse-kernel.js";
import { Tokens } from "./parse-tokens.js";
import type {
  Call,
  CallArgument,
  Define,
  Once,
  Program,
  ProgramBuffer,
  Repeat,
  RunError,
  Step,
} from "./program.js";

/** The kernel that a text describes; E_PARSE with line and column where it describes none. */
export function parseKernel(text: string): Kernel {
  const tokens = new Tokens(text);
  const kernel = readKernel(tokens);
  tokens.take("end", "the end of the kernel");
  return kernel;
}

/** The program that a text describes. Its constants have the bytes that `resources` holds under their names. */
export function parseProgram(text: string, resources: ReadonlyMap<string, Uint8Array>): Program {
  return new ProgramParser(new Tokens(text), resources).program();
}

const bufferKinds: readonly ProgramBuffer["kind"][] = [
  "input",
  "output",
  "constant",
  "temporary",
  "error",
  "state",
  "kept",
];

class ProgramParser {
  private readonly buffers = new Map<string, ProgramBuffer>();
  private readonly kernels = new Map<string, Kernel>();

  constructor(
    private readonly tokens: Tokens,
    private readonly resources: ReadonlyMap<string, Uint8Array>,
  ) {}

  program(): Program {
    const { tokens, buffers, kernels } = this;
    tokens.expect("program");
    tokens.expect("@");
    const name = tokens.name("a program name").text;
    while (tokens.accept("buffer")) this.buffer();
    tokens.expect("inputs");
    const inputs = tokens.list("(", ")", () => this.shaped());
    tokens.expect("outputs");
    const outputs = tokens.list("(", ")", () => this.shaped());
    const tensors = {
      inputs: inputs.map(({ buffer }) => buffer),
      outputs: outputs.map(({ buffer }) => buffer),
      inputShapes: inputs.map(({ shape }) => shape),
      outputShapes: outputs.map(({ shape }) => shape),
    };
    const errors: RunError[] = [];
    while (tokens.accept("error")) {
      const message = tokens.take("string", "a quoted message").text;
      errors.push({ message, source: this.source() });
    }
    while (tokens.is("kernel")) {
      const start = tokens.peek();
      const kernel = readKernel(tokens, kernels);
      if (kernels.has(kernel.name)) tokens.fail("the kernel exists already", start);
      kernels.set(kernel.name, kernel);
    }
    const steps = this.steps();
    tokens.take("end", "buffers, inputs, outputs, errors, kernels and steps, in this order");
    return { name, buffers: [...buffers.values()], steps, ...tensors, errors };
  }

  private shaped(): { buffer: ProgramBuffer; shape: Dim[] } {
    const buffer = this.tokens.named(this.buffers, "buffer");
    return { buffer, shape: this.tokens.list("[", "]", () => this.dim("a dim")) };
  }

  private steps(): Step[] {
    const { tokens } = this;
    const steps: Step[] = [];
    for (;;) {
      if (tokens.accept("call")) steps.push(this.call());
      else if (tokens.accept("define")) steps.push(this.define());
      else if (tokens.accept("require")) steps.push(this.require());
      else if (tokens.accept("if")) steps.push(this.branch());
      else if (tokens.accept("repeat")) steps.push(this.repeat());
      else if (tokens.accept("once")) steps.push(this.once());
      else return steps;
    }
  }

  private define(): Define {
    const { tokens } = this;
    const symbols = this.separated((): Define["symbols"][number] => {
      const name = tokens.take("string", "a quoted symbol").text;
      tokens.expect("=");
      const isElement = tokens.is("[", 1);
      if (!isElement) return { name, value: this.dim("the symbol's value") };
      const buffer = this.tokens.named(this.buffers, "buffer");
      tokens.expect("[");
      const index = tokens.integer("the number of an element");
      tokens.expect("]");
      return { name, value: { buffer, index } };
    });
    return { kind: "define", symbols, source: this.source() };
  }

  private require(): Step {
    const { tokens } = this;
    const a = this.dim("a dim");
    tokens.expect("==");
    const b = this.dim("a dim");
    tokens.expect("else");
    const message = tokens.take("string", "a quoted message").text;
    return { kind: "require", a, b, message, source: this.source() };
  }

  private branch(): Step {
    const condition = this.argument();
    const source = this.source();
    const whenTrue = this.block();
    const whenFalse = this.tokens.accept("else") ? this.block() : [];
    return { kind: "branch", condition, whenTrue, whenFalse, source };
  }

  private repeat(): Repeat {
    const { tokens } = this;
    const counter = this.tokens.named(this.buffers, "buffer");
    const trips = tokens.accept("trips") ? this.argument() : null;
    const condition = tokens.accept("while") ? this.argument() : null;
    const source = this.source();
    return { kind: "repeat", counter, trips, condition, body: this.block(), source };
  }

  private once(): Once {
    const { tokens } = this;
    const done = tokens.named(this.buffers, "buffer");
    const source = this.source();
    tokens.expect("{");
    const body: Call[] = [];
    while (tokens.accept("call")) body.push(this.call());
    tokens.expect("}");
    return { kind: "once", done, body, source };
  }

  private block(): Step[] {
    this.tokens.expect("{");
    const steps = this.steps();
    this.tokens.expect("}");
    return steps;
  }

  private argument(): CallArgument {
    const buffer = this.tokens.named(this.buffers, "buffer");
    return { buffer, byteOffset: this.tokens.accept("+") ? this.dim("a number of bytes") : 0 };
  }

  /** A number, or an expression in quotes. */
  private dim(what: string): Dim {
    const { tokens } = this;
    return tokens.peek().kind === "string" ? parseDim(tokens.next().text) : tokens.integer(what);
  }

  private source(): string[] {
    const { tokens } = this;
    return tokens.accept("from")
      ? this.separated(() => tokens.take("string", "a quoted node name").text)
      : [];
  }

  private buffer(): void {
    const { tokens, buffers } = this;
    const token = tokens.name("a buffer");
    if (buffers.has(token.text)) tokens.fail("the buffer exists already", token);
    tokens.expect(":");
    const kind = bufferKinds.find((word) => tokens.accept(word)) ?? tokens.fail("expected a kind of buffer");
    const dtype = readDType(tokens);
    tokens.expect("bytes");
    const byteLength = this.dim("a number of bytes");
    const data = kind === "constant" ? this.resources.get(token.text) : undefined;
    if (kind === "constant" && data?.byteLength !== byteLength) {
      const size = isStatic(byteLength) ? `${byteLength}` : "an unknown number of";
      tokens.fail(`no resource of ${size} bytes has this name`, token);
    }
    buffers.set(token.text, { name: token.text, dtype, byteLength, kind, ...(data && { data }) });
  }

  private call(): Call {
    const { tokens } = this;
    tokens.expect("@");
    const kernel = this.tokens.named(this.kernels, "kernel");
    const args = tokens.list("(", ")", () => this.argument());
    const sizes = tokens.accept("sizes") ? tokens.list("(", ")", () => this.dim("a size")) : [];
    tokens.expect("flops");
    const flops = Number(tokens.take("number", "a number of operations").text);
    const inPlace = tokens.accept("inplace") ? this.separated(() => this.pair()) : [];
    return { kind: "call", kernel, args, sizes, source: this.source(), flops, inPlace };
  }

  private pair(): readonly [number, number] {
    const written = this.tokens.integer("a written argument");
    this.tokens.expect(":");
    return [written, this.tokens.integer("a read argument")];
  }

  private separated<T>(item: () => T): T[] {
    const items = [item()];
    while (this.tokens.accept(",")) items.push(item());
    return items;
  }
}
