/** All operators, by the name that graph nodes use: `Conv`, `com.microsoft.FusedConv`, `kiln.Relayout`. */

import { arithmeticOperators } from "./arithmetic.js";
import { movementOperators } from "./movement.js";
import type { Operator } from "./operator.js";

const all: readonly Operator[] = [...arithmeticOperators, ...movementOperators];

export const qualifiedName = (domain: string, name: string): string =>
  domain === "" ? name : `${domain}.${name}`;

const byName = new Map(all.map((operator) => [qualifiedName(operator.domain, operator.name), operator]));

export const findOperator = (name: string): Operator | undefined => byName.get(name);

export const allOperators = (): readonly Operator[] => all;
