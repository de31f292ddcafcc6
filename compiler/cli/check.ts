/** `kiln check`: whether a model can be compiled, and all that keeps it from it. */

import type { Command } from "commander";
import type { UnsupportedNode } from "../diagnostics.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addModelFlags, type ModelFlags } from "./compile-flags.js";
import { EXIT_FAILED, EXIT_OK } from "./failure.js";
import { readModel, requireOnnx } from "./model-file.js";
import { formatTable, left, right } from "./table.js";
import type { Io, Terminal } from "./terminal.js";
import { plural } from "./units.js";

export function addCheckCommand(program: Command, io: Io): void {
  const command = program
    .command("check")
    .summary("list everything in a model that cannot be compiled")
    .description(
      "Lists every node of an ONNX model that cannot be compiled. Exits with 1 where there are any.",
    )
    .argument("<model>", "ONNX file, or - for stdin");
  addModelFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln check model.onnx
  kiln check model.onnx --dim batch=1 --json`,
  );
  defineAction(command, io, runCheck);
}

const runCheck: Body<ModelFlags> = async (terminal, [path], flags) => {
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  const { decodeFile, importOptions } = await import("./decode.js");
  const { checkModel } = await import("../onnx/import.js");
  const model = await decodeFile(file, flags);
  const unsupported = checkModel(model, importOptions(flags));
  const nodes = model.graph.nodes.length;
  if (terminal.flags.json === true) {
    terminal.printJson({ supported: unsupported.length === 0, nodes, unsupported });
  } else if (unsupported.length > 0) {
    printUnsupported(unsupported, nodes, terminal);
  } else {
    terminal.print(nodes === 1 ? "the only node is supported" : `all ${nodes} nodes are supported`);
  }
  return unsupported.length > 0 ? EXIT_FAILED : EXIT_OK;
};

function printUnsupported(unsupported: readonly UnsupportedNode[], nodes: number, terminal: Terminal): void {
  const rows = unsupported.map(({ node, operator, domain, opset, reason }) => [
    node,
    domain === "" ? operator : `${domain}.${operator}`,
    opset,
    reason,
  ]);
  const columns = [left("node"), left("operator"), right("opset"), left("reason")];
  terminal.print(formatTable(columns, rows, terminal.colors));
  terminal.error(`${unsupported.length} of ${plural(nodes, "node")} cannot be compiled`);
}
