/**
 * Reads the text that `print.ts` writes (see `notation.ts`). Line breaks and comments (`// ...`) mean nothing. Every
 * name must stand for something here; types and all other rules are the verifier's.
 */

import type { Kernel } from "./ir.js";
import { readDType, readKernel } from "./parse-kernel.js";
import { Tokens } from "./parse-tokens.js";
import type { Call, CallArgument, Program, ProgramBuffer } from "./program.js";

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

const bufferKinds: readonly ProgramBuffer["kind"][] = ["input", "output", "constant", "temporary"];

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
    const inputs = tokens.list("(", ")", () => this.named(buffers, "buffer"));
    tokens.expect("outputs");
    const outputs = tokens.list("(", ")", () => this.named(buffers, "buffer"));
    while (tokens.is("kernel")) {
      const start = tokens.peek();
      const kernel = readKernel(tokens);
      if (kernels.has(kernel.name)) tokens.fail("the kernel exists already", start);
      kernels.set(kernel.name, kernel);
    }
    const calls: Call[] = [];
    while (tokens.accept("call")) calls.push(this.call());
    tokens.take("end", "buffers, inputs, outputs, kernels and calls, in this order");
    return { name, buffers: [...buffers.values()], calls, inputs, outputs };
  }

  private buffer(): void {
    const { tokens, buffers } = this;
    const token = tokens.name("a buffer");
    if (buffers.has(token.text)) tokens.fail("the buffer exists already", token);
    tokens.expect(":");
    const kind = bufferKinds.find((word) => tokens.accept(word)) ?? tokens.fail("expected a kind of buffer");
    const dtype = readDType(tokens);
    tokens.expect("bytes");
    const byteLength = tokens.integer("a number of bytes");
    const data = kind === "constant" ? this.resources.get(token.text) : undefined;
    if (kind === "constant" && data?.byteLength !== byteLength) {
      tokens.fail(`no resource of ${byteLength} bytes has this name`, token);
    }
    buffers.set(token.text, { name: token.text, dtype, byteLength, kind, ...(data && { data }) });
  }

  private call(): Call {
    const { tokens } = this;
    tokens.expect("@");
    const kernel = this.named(this.kernels, "kernel");
    const args = tokens.list("(", ")", (): CallArgument => {
      const buffer = this.named(this.buffers, "buffer");
      return { buffer, byteOffset: tokens.accept("+") ? tokens.integer("a number of bytes") : 0 };
    });
    tokens.expect("flops");
    const flops = Number(tokens.take("number", "a number of operations").text);
    const inPlace = tokens.accept("inplace") ? this.separated(() => this.pair()) : [];
    const source = tokens.accept("from")
      ? this.separated(() => tokens.take("string", "a quoted node name").text)
      : [];
    return { kernel, args, source, flops, inPlace };
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

  private named<T>(all: ReadonlyMap<string, T>, what: string): T {
    const token = this.tokens.name(`a ${what}`);
    return all.get(token.text) ?? this.tokens.fail(`unknown ${what}`, token);
  }
}
