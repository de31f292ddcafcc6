/**
 * Dims from text:
 *
 *     sum     = term (("+" | "-") term)*
 *     term    = factor ("*" factor)*
 *     factor  = "-" factor | integer | symbol | operation "(" sum "," sum ")" | "(" sum ")"
 *
 * where a symbol is a word or a quoted string, and an operation one of floordiv, mod, min, max, equal. Any such text is
 * read into normal form, so the canonical text of a dim reads back as the same dim.
 */

import {
  addDims,
  applyDimOperation,
  type Dim,
  type DimOperation,
  multiplyDims,
  subtractDims,
  symbolDim,
} from "./dim.js";
import { Lexer } from "./lexer.js";

export function parseDim(text: string): Dim {
  const lexer = new Lexer(text);
  const dim = readDim(lexer);
  if (lexer.peek().kind !== "end") lexer.fail("expected the end of the dim");
  return dim;
}

/** Reads a dim that is part of a longer text. */
export function readDim(lexer: Lexer): Dim {
  let sum = readTerm(lexer);
  while (lexer.at("+") || lexer.at("-")) {
    const combine = lexer.next().text === "+" ? addDims : subtractDims;
    sum = combine(sum, readTerm(lexer));
  }
  return sum;
}

function readTerm(lexer: Lexer): Dim {
  let product = readFactor(lexer);
  while (lexer.accept("*")) product = multiplyDims(product, readFactor(lexer));
  return product;
}

const operations: ReadonlySet<string> = new Set<DimOperation>(["floordiv", "mod", "min", "max", "equal"]);
const isOperation = (name: string): name is DimOperation => operations.has(name);

function readFactor(lexer: Lexer): Dim {
  if (lexer.accept("-")) return multiplyDims(readFactor(lexer), -1);
  if (lexer.accept("(")) {
    const inner = readDim(lexer);
    lexer.expect(")");
    return inner;
  }
  const token = lexer.peek();
  const name = lexer.expectKind("a dim", "number", "word", "string");
  if (token.kind === "number") {
    const value = Number(name);
    return Number.isInteger(value) ? value : lexer.fail(`a dim cannot be ${name}`, token);
  }
  if (token.kind !== "word" || !isOperation(name) || !lexer.accept("(")) return symbolDim(name);
  const a = readDim(lexer);
  lexer.expect(",");
  const b = readDim(lexer);
  lexer.expect(")");
  return applyDimOperation(name, a, b);
}
