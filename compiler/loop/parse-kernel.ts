/** Kernels and statements of Loop IR text. */

import { type DType, dtypeFromShortName, isMemoryType, type MemoryType } from "../ir/dtype.js";
import {
  type Buffer,
  type Expr,
  type ExprType,
  i32,
  type Kernel,
  type LoopMode,
  registerTypes,
  type Share,
  type Statement,
  type Variable,
} from "./ir.js";
import { ExprParser, parseType } from "./parse-expr.js";
import type { Token, Tokens } from "./parse-tokens.js";

const accessKinds: readonly Buffer["access"][] = ["read", "write", "readwrite", "scratch"];
const loopModes: readonly LoopMode[] = ["serial", "vectorize", "unroll", "parallel"];

/** The short name of an element type. */
export function readDType(tokens: Tokens): DType {
  const token = tokens.take("name", "an element type");
  return dtypeFromShortName(token.text) ?? tokens.fail("unknown element type", token);
}

/** Reads `kernel @name(...) { ... }`, which may invoke those that are known. */
export function readKernel(tokens: Tokens, known: ReadonlyMap<string, Kernel> = new Map()): Kernel {
  return new KernelParser(tokens, known).kernel();
}

class KernelParser {
  private readonly buffers = new Map<string, Buffer>();
  /** Variables in scope. */
  private readonly variables = new Map<string, Variable>();
  /** Shared expressions of the statement at hand. */
  private readonly bindings = new Map<string, Expr>();
  private readonly exprs: ExprParser;

  constructor(
    private readonly tokens: Tokens,
    private readonly known: ReadonlyMap<string, Kernel>,
  ) {
    const { buffers, variables, bindings } = this;
    this.exprs = new ExprParser(tokens, { buffers, variables, bindings });
  }

  kernel(): Kernel {
    const { tokens } = this;
    tokens.expect("kernel");
    tokens.expect("@");
    const name = tokens.name("a kernel name").text;
    const sizes: Variable[] = [];
    let share: Share | undefined;
    tokens.list("(", ")", () => {
      if (share !== undefined) tokens.fail("expected nothing behind the parts");
      if (this.accepts("part")) share = this.share();
      else if (this.accepts("size")) sizes.push(this.size());
      else if (sizes.length > 0) tokens.fail("expected size: buffers come first");
      else this.buffer();
    });
    const buffers = [...this.buffers.values()];
    return { name, buffers, sizes, ...(share !== undefined && { share }), body: this.block() };
  }

  private size(): Variable {
    const { tokens } = this;
    const name = tokens.name("a size");
    return this.declare(name, tokens.accept(":") ? parseType(tokens) : i32, false);
  }

  private share(): Share {
    const part = this.declare(this.tokens.name("a part"), i32, false);
    this.tokens.expect("of");
    const parts = this.declare(this.tokens.name("a number of parts"), i32, false);
    this.tokens.expect("for");
    return { part, parts, time: this.tokens.integer("a time") };
  }

  /** Takes a word that may be a buffer's name, too. */
  private accepts(word: string): boolean {
    return !this.tokens.is(":", 1) && this.tokens.accept(word);
  }

  private buffer(): void {
    const { tokens } = this;
    const name = this.unused(tokens.name("a buffer"));
    tokens.expect(":");
    const access = accessKinds.find((word) => tokens.accept(word)) ?? tokens.fail("expected an access");
    const dtype = this.memoryType();
    tokens.expect("[");
    const elements = tokens.accept("?") ? null : tokens.integer("a number of elements");
    tokens.expect("]");
    this.buffers.set(name, { kind: "buffer", name, dtype, access, elements });
  }

  private memoryType(): MemoryType {
    const dtype = readDType(this.tokens);
    return isMemoryType(dtype) ? dtype : this.tokens.fail(`kernels read and write ${dtype} as bytes`);
  }

  private block(): Statement[] {
    const { tokens } = this;
    const outer = new Set(this.variables.keys());
    tokens.expect("{");
    const statements: Statement[] = [];
    while (!tokens.accept("}")) statements.push(this.statement());
    for (const name of [...this.variables.keys()]) {
      if (!outer.has(name)) this.variables.delete(name);
    }
    return statements;
  }

  private statement(): Statement {
    const { tokens } = this;
    this.bindings.clear();
    while (tokens.peek().kind === "binding") {
      const binding = tokens.next();
      if (this.bindings.has(binding.text)) tokens.fail("the binding exists already", binding);
      tokens.expect("=");
      this.bindings.set(binding.text, this.exprs.expr());
    }
    if (tokens.accept("for")) return this.loop();
    if (tokens.accept("if")) return this.branch();
    if (tokens.accept("let")) return this.definition(false);
    if (tokens.accept("var")) return this.definition(true);
    if (tokens.is("@", 1) && tokens.accept("invoke")) return this.invoke();
    return tokens.is("[", 1) ? this.store() : this.assignment();
  }

  private loop(): Statement {
    const { tokens } = this;
    const name = tokens.name("a loop variable");
    tokens.expect("in");
    const start = this.exprs.expr(i32);
    tokens.expect("..");
    const end = this.exprs.expr(i32);
    const step = tokens.accept("step") ? tokens.integer("a step") : 1;
    const mode = loopModes.find((word) => tokens.accept(word)) ?? "serial";
    const variable = this.declare(name, i32, false);
    const body = this.block();
    this.variables.delete(variable.name);
    return { kind: "for", variable, start, end, step, mode, body };
  }

  private branch(): Statement {
    const condition = this.exprs.expr();
    const whenTrue = this.block();
    const whenFalse = this.tokens.accept("else") ? this.block() : [];
    return { kind: "if", condition, whenTrue, whenFalse };
  }

  /** The variable is in scope only after its own value. */
  private definition(mutable: boolean): Statement {
    const { tokens } = this;
    const name = tokens.name("a variable");
    tokens.expect(":");
    const type = parseType(tokens);
    tokens.expect("=");
    const value = this.exprs.expr(type);
    return { kind: "let", variable: this.declare(name, type, mutable), value };
  }

  private invoke(): Statement {
    const { tokens } = this;
    tokens.expect("@");
    const kernel = tokens.named(this.known, "kernel");
    const buffers = tokens.list("(", ")", () => tokens.named(this.buffers, "buffer"));
    const types = kernel.sizes.map(({ type }) => type);
    const sizes = tokens.accept("sizes")
      ? tokens.list("(", ")", () => this.exprs.expr(types.shift() ?? i32))
      : [];
    return { kind: "invoke", kernel, buffers, sizes };
  }

  private store(): Statement {
    const access = this.exprs.access();
    this.tokens.expect("]");
    this.tokens.expect("=");
    const value = this.exprs.expr({ scalar: registerTypes[access.buffer.dtype], lanes: 1 });
    return { kind: "store", ...access, value };
  }

  private assignment(): Statement {
    const variable = this.exprs.variable();
    this.tokens.expect("=");
    return { kind: "assign", variable, value: this.exprs.expr(variable.type) };
  }

  private declare(token: Token, type: ExprType, mutable: boolean): Variable {
    const variable: Variable = { kind: "variable", name: this.unused(token), type, mutable };
    this.variables.set(variable.name, variable);
    return variable;
  }

  private unused(token: Token): string {
    const taken = this.variables.has(token.text) || this.buffers.has(token.text);
    return taken ? this.tokens.fail("the name is taken already", token) : token.text;
  }
}
