/** The structure of a kernel as a value that can be compared: equal for kernels that differ only in object identity. */

import type { Access, Expr, Kernel, Statement, Variable } from "../../compiler/loop/ir.js";

/** Shared operations and loads of a statement keep their sharing; they are given as numbers after their first use. */
export function structureOf(kernel: Kernel): unknown {
  return { ...kernel, body: kernel.body.map(ofStatement) };
}

function ofStatement(statement: Statement): unknown {
  const seen = new Map<Expr, number>();
  const expr = (node: Expr): unknown => {
    switch (node.kind) {
      case "constant":
        return [node.type, Object.is(node.value, -0) ? "-0" : node.value];
      case "variable":
        return [node.type, ofVariable(node.variable)];
      case "address":
        return [node.type, "address", node.buffer];
      default: {
        const number = seen.get(node);
        if (number !== undefined) return { shared: number };
        seen.set(node, seen.size);
        if (node.kind === "load") return [node.type, node.splat, ...access(node)];
        return [node.type, node.op, node.immediates ?? [], node.args.map(expr)];
      }
    }
  };
  const access = ({ buffer, index, offset, pointer }: Access): unknown[] => [
    buffer,
    expr(index),
    offset,
    pointer && ofVariable(pointer),
  ];
  switch (statement.kind) {
    case "for": {
      const { variable, start, end, step, mode, body } = statement;
      return ["for", ofVariable(variable), expr(start), expr(end), step, mode, body.map(ofStatement)];
    }
    case "if": {
      const { condition, whenTrue, whenFalse } = statement;
      return ["if", expr(condition), whenTrue.map(ofStatement), whenFalse.map(ofStatement)];
    }
    case "store":
      return ["store", ...access(statement), expr(statement.value)];
    case "invoke": {
      const { kernel, buffers, sizes } = statement;
      return ["invoke", kernel.name, buffers.map(({ name }) => name), sizes.map(expr)];
    }
    default:
      return [statement.kind, ofVariable(statement.variable), expr(statement.value)];
  }
}

/** Names of visible variables are distinct, so that a name says which variable it is. */
const ofVariable = ({ name, type, mutable }: Variable): unknown => [name, type, mutable];
