/** Tokens of the text form of Graph IR and of dims, read on demand; errors say line and column. */

import { KilnError } from "../diagnostics.js";

type TokenKind = "word" | "string" | "number" | "value" | "graphName" | "mark" | "end";

interface Token {
  readonly kind: TokenKind;
  /** What the token says: without quotes, escapes, and the % or @ of names. */
  readonly text: string;
  readonly offset: number;
}

/** Written so that no alternation repeats, because the engine keeps a stack for those and strings can be long. */
const string = String.raw`"[^"\\\n]*(?:\\.[^"\\\n]*)*"`;
const blank = /(?:\s+|\/\/[^\n]*)*/y;
const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ["value", new RegExp(`%(?:[A-Za-z0-9_.]+|${string})`, "y")],
  ["word", /[A-Za-z_][A-Za-z0-9_.]*/y],
  ["number", /0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y],
  ["mark", /->|[(){}[\],:=*+-]/y],
  ["string", new RegExp(string, "y")],
  ["graphName", new RegExp(`@(?:[A-Za-z0-9_.]+|${string})`, "y")],
];

export class Lexer {
  private token: Token;
  private end = 0;

  constructor(private readonly source: string) {
    this.token = this.read();
  }

  /** The token at hand. */
  peek(): Token {
    return this.token;
  }

  next(): Token {
    const token = this.token;
    if (token.kind !== "end") this.token = this.read();
    return token;
  }

  /** True where the token at hand is this mark or (unquoted) word. */
  at(text: string): boolean {
    return this.token.text === text && (this.token.kind === "mark" || this.token.kind === "word");
  }

  /** Steps over this mark or word if it is at hand. */
  accept(text: string): boolean {
    const found = this.at(text);
    if (found) this.next();
    return found;
  }

  expect(text: string): Token {
    if (!this.at(text)) this.fail(`expected "${text}"`);
    return this.next();
  }

  /** The text of a token of one of these kinds. */
  expectKind(what: string, ...kinds: TokenKind[]): string {
    if (!kinds.includes(this.token.kind)) this.fail(`expected ${what}`);
    return this.next().text;
  }

  /** `open item, item, ... close`, with any number of items. */
  list<T>(open: string, close: string, item: () => T): T[] {
    const items: T[] = [];
    this.expect(open);
    if (this.accept(close)) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect(close);
    return items;
  }

  /** Raises E_PARSE at the token, by default the one at hand. */
  fail(message: string, token: Token = this.token): never {
    const found = token === this.token ? `, found ${describe(token)}` : "";
    this.failAt(`${message}${found}`, token.offset);
  }

  private failAt(message: string, offset: number): never {
    const before = this.source.slice(0, offset).split("\n");
    const column = before.at(-1)!.length + 1;
    throw new KilnError("E_PARSE", `line ${before.length}, column ${column}: ${message}`);
  }

  private read(): Token {
    blank.lastIndex = this.end;
    blank.exec(this.source);
    const offset = blank.lastIndex;
    if (offset === this.source.length) return { kind: "end", text: "", offset };
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = offset;
      const match = pattern.exec(this.source);
      if (match === null) continue;
      this.end = pattern.lastIndex;
      return { kind, text: this.decode(kind, match[0], offset), offset };
    }
    return this.failAt(`unexpected character ${JSON.stringify(this.source[offset])}`, offset);
  }

  private decode(kind: TokenKind, text: string, offset: number): string {
    const name = kind === "value" || kind === "graphName" ? text.slice(1) : text;
    if (!name.startsWith('"')) return name;
    try {
      return JSON.parse(name) as string;
    } catch {
      return this.failAt(`${text.slice(0, 40)} is no JSON string`, offset);
    }
  }
}

function describe({ kind, text }: Token): string {
  if (kind === "end") return "the end of the text";
  const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return kind === "mark" ? `"${shown}"` : `${kind} ${JSON.stringify(shown)}`;
}
