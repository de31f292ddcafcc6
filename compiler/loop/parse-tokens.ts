/** Words, numbers and symbols of Loop IR text, with their places. */

import { KilnError } from "../diagnostics.js";
import { NAME_PATTERN } from "./notation.js";

type TokenKind = "name" | "string" | "number" | "binding" | "symbol" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written; of a string, what it stands for. */
  readonly text: string;
  /** Characters before it. */
  readonly position: number;
}

/** Order matters: `%1` is a binding but `%u` an operator, and `<=s` is one symbol. */
const patterns: readonly (readonly [TokenKind, string])[] = [
  ["name", NAME_PATTERN],
  ["number", "\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?"],
  ["string", '"(?:[^"\\\\\\n]|\\\\.)*"'],
  ["binding", "%\\d+"],
  ["symbol", "(?:<=|>=|>>|[<>/%])[su](?![A-Za-z0-9_])|->|\\.\\.|==|!=|<=|>=|<<|[-+*/<>&|^=@:,?(){}[\\]]"],
];

const tokenPattern = new RegExp(patterns.map(([, pattern]) => `(${pattern})`).join("|"), "y");
const gapPattern = /(?:\s|\/\/[^\n]*)*/y;

/** Reads tokens one after the other; all errors of the parser are raised here. */
export class Tokens {
  private readonly tokens: Token[];
  private at = 0;

  constructor(private readonly source: string) {
    this.tokens = [...this.scan()];
  }

  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  /** True where the token is this word or symbol; quoted names are never words. */
  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.text === text && (token.kind === "name" || token.kind === "symbol");
  }

  accept(text: string): boolean {
    const found = this.is(text);
    if (found) this.at++;
    return found;
  }

  expect(text: string): Token {
    if (!this.is(text)) this.fail(`expected ${text}`);
    return this.next();
  }

  /** A token of the kind, or an error that says what it should have been. */
  take(kind: TokenKind, what: string): Token {
    if (this.peek().kind !== kind) this.fail(`expected ${what}`);
    return this.next();
  }

  /** A name, quoted or not. */
  name(what: string): Token {
    return this.take(this.peek().kind === "string" ? "string" : "name", what);
  }

  /** What a name stands for. */
  named<T>(all: ReadonlyMap<string, T>, what: string): T {
    const token = this.name(`a ${what}`);
    return all.get(token.text) ?? this.fail(`unknown ${what}`, token);
  }

  /** An integer with an optional sign. */
  integer(what: string): number {
    const sign = this.accept("-") ? -1 : 1;
    const token = this.take("number", what);
    if (!/^\d+$/.test(token.text)) this.fail(`expected ${what}, an integer`, token);
    return sign * Number(token.text);
  }

  /** What stands between two brackets, separated by commas. */
  list<T>(open: string, close: string, item: () => T): T[] {
    this.expect(open);
    const items: T[] = [];
    while (!this.accept(close)) {
      if (items.length > 0) this.expect(",");
      items.push(item());
    }
    return items;
  }

  fail(message: string, token = this.peek()): never {
    const before = this.source.slice(0, token.position).split("\n");
    const found = token.kind === "end" ? "the end" : this.source.slice(token.position).match(/\S{1,20}/)?.[0];
    throw new KilnError(
      "E_PARSE",
      `line ${before.length}, column ${before.at(-1)!.length + 1}: ${message}, at ${found}`,
    );
  }

  private *scan(): Generator<Token> {
    let position = 0;
    while (true) {
      gapPattern.lastIndex = position;
      position += gapPattern.exec(this.source)![0].length;
      if (position === this.source.length) break;
      tokenPattern.lastIndex = position;
      const match = tokenPattern.exec(this.source);
      if (match === null) this.fail("unknown character", { kind: "symbol", text: "", position });
      const kind = patterns[match.slice(1).findIndex((group) => group !== undefined)]![0];
      const token: Token = { kind, text: match[0], position };
      yield kind === "string" ? { ...token, text: this.unquote(token) } : token;
      position += match[0].length;
    }
    yield { kind: "end", text: "", position };
  }

  private unquote(token: Token): string {
    try {
      return JSON.parse(token.text) as string;
    } catch {
      this.fail("unknown escape in a quoted name", token);
    }
  }
}
