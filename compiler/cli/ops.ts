/** `kiln ops`: the operators that Kiln compiles. */

import type { Command } from "commander";
import { Option } from "commander";
import { type Body, defineAction } from "./action.js";
import { grouped } from "./compile-flags.js";
import { EXIT_OK } from "./failure.js";
import { formatTable, left } from "./table.js";
import type { Io } from "./terminal.js";

interface Flags {
  markdown?: boolean;
}

export function addOpsCommand(program: Command, io: Io): void {
  const command = program
    .command("ops")
    .summary("list the operators that can be compiled")
    .description("Lists the operators that Kiln compiles, with the versions in which they changed.");
  grouped(command, "Output", [new Option("--markdown", "print a table in Markdown")]);
  command.addHelpText(
    "after",
    `
Examples:
  kiln ops
  kiln ops --markdown > operators.md`,
  );
  defineAction(command, io, runOps);
}

interface OperatorRow {
  readonly name: string;
  readonly domain: string;
  readonly versions: readonly number[];
  readonly summary: string;
}

const runOps: Body<Flags> = async (terminal, _args, flags) => {
  const operators = await listOperators();
  if (terminal.flags.json === true) terminal.printJson(operators);
  else if (flags.markdown === true) terminal.print(markdown(operators));
  else {
    const columns = [left("operator"), left("domain"), left("versions"), left("summary")];
    terminal.print(formatTable(columns, operators.map(cells), terminal.colors));
    terminal.note(`${operators.length} operators`);
  }
  return EXIT_OK;
};

async function listOperators(): Promise<OperatorRow[]> {
  const { allOperators } = await import("../operators/index.js");
  return (
    allOperators()
      // Those of this domain are made by passes: no model has them.
      .filter(({ domain }) => domain !== "kiln")
      .map(({ name, domain, versions, summary }) => ({
        name,
        domain,
        versions: versions.map(({ since }) => since).sort((a, b) => a - b),
        summary,
      }))
      .sort((a, b) => (a.domain === b.domain ? compare(a.name, b.name) : compare(a.domain, b.domain)))
  );
}

/** By code units, so that every system lists them alike. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const cells = ({ name, domain, versions, summary }: OperatorRow): string[] => [
  name,
  domain === "" ? "ai.onnx" : domain,
  versions.join(", "),
  summary,
];

const markdown = (operators: readonly OperatorRow[]): string =>
  ["| Operator | Domain | Versions | Summary |", "|---|---|---|---|", ...operators.map(markdownRow)].join(
    "\n",
  );

const markdownRow = (operator: OperatorRow): string =>
  `| ${cells(operator)
    .map((cell) => cell.replaceAll("|", "\\|"))
    .join(" | ")} |`;
