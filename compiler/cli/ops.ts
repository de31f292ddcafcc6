/** `kiln ops`: the operators that Kiln compiles. */

import type { Command } from "commander";
import { Option } from "commander";
import type { DType } from "../ir/dtype.js";
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
    .description(
      "Lists the operators that Kiln compiles, with the versions in which they changed and the element types of their first input.",
    );
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
  /** Element types of the first input that are taken; null for all. */
  readonly types: readonly DType[] | null;
  readonly summary: string;
}

const runOps: Body<Flags> = async (terminal, _args, flags) => {
  const operators = await listOperators();
  if (terminal.flags.json === true) terminal.printJson(operators);
  else if (flags.markdown === true) terminal.print(markdown(operators));
  else {
    const columns = [left("operator"), left("domain"), left("versions"), left("types"), left("summary")];
    terminal.print(formatTable(columns, operators.map(cells), terminal.colors));
    terminal.note(`${operators.length} operators`);
  }
  return EXIT_OK;
};

async function listOperators(): Promise<OperatorRow[]> {
  const { allOperators } = await import("../operators/index.js");
  const { importOperators } = await import("../onnx/import-operators.js");
  // Those of Kiln's domain are made by the importer and by passes: no model has them.
  const declared = allOperators().filter(({ domain }) => domain !== "kiln");
  return [
    ...importOperators.map((one) => ({ ...one, domain: "", types: null })),
    ...declared.map(({ name, domain, versions, types, summary }) => ({
      name,
      domain,
      versions: versions.map(({ since }) => since).sort((a, b) => a - b),
      types: types ?? null,
      summary,
    })),
  ].sort((a, b) => (a.domain === b.domain ? compare(a.name, b.name) : compare(a.domain, b.domain)));
}

/** By code units, so that every system lists them alike. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Kinds of types that stand for all of theirs. */
const kinds: readonly (readonly [name: string, types: readonly DType[]])[] = [
  ["float", ["float32", "float64", "float16", "bfloat16"]],
  ["int", ["int8", "int16", "int32", "int64"]],
  ["uint", ["uint8", "uint16", "uint32", "uint64"]],
  ["float8", ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"]],
];

/** `float, int32, int64`: kinds of types that are all taken by one name, else the types. */
function describeTypes(types: readonly DType[] | null): string {
  if (types === null) return "all";
  const whole = kinds.filter(([, all]) => all.every((type) => types.includes(type)));
  const others = types.filter((type) => !whole.some(([, all]) => all.includes(type)));
  return [...whole.map(([name]) => name), ...others].join(", ");
}

const cells = ({ name, domain, versions, types, summary }: OperatorRow): string[] => [
  name,
  domain === "" ? "ai.onnx" : domain,
  versions.join(", "),
  describeTypes(types),
  summary,
];

const markdown = (operators: readonly OperatorRow[]): string =>
  [
    "| Operator | Domain | Versions | Types | Summary |",
    "|---|---|---|---|---|",
    ...operators.map(markdownRow),
  ].join("\n");

const markdownRow = (operator: OperatorRow): string =>
  `| ${cells(operator)
    .map((cell) => cell.replaceAll("|", "\\|"))
    .join(" | ")} |`;
