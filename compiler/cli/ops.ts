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
  /** The same to read. */
  readonly taken: string;
  readonly summary: string;
}

const runOps: Body<Flags> = async (terminal, _args, flags) => {
  const operators = await listOperators();
  if (terminal.flags.json === true) terminal.printJson(operators.map(({ taken: _, ...row }) => row));
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
  const groups = await import("../operators/pointwise.js");
  const kinds: Kinds = {
    float: groups.floats,
    int: groups.signedIntegers,
    uint: groups.unsignedIntegers,
    float8: groups.float8s,
  };
  // Those of Kiln's domain are made by the importer and by passes: no model has them.
  const declared = allOperators().filter(({ domain }) => domain !== "kiln");
  return [
    ...importOperators.map((one) => ({ ...one, domain: "", types: null, taken: "all" })),
    ...declared.map(({ name, domain, versions, types = null, summary }) => ({
      name,
      domain,
      versions: versions.map(({ since }) => since).sort((a, b) => a - b),
      types,
      taken: describeTypes(types, kinds),
      summary,
    })),
  ].sort((a, b) => (a.domain === b.domain ? compare(a.name, b.name) : compare(a.domain, b.domain)));
}

/** By code units, so that every system lists them alike. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type Kinds = Readonly<Record<string, readonly DType[]>>;

/** `float, int32, int64`: kinds of types that are all taken by one name, else the types. */
function describeTypes(types: readonly DType[] | null, kinds: Kinds): string {
  if (types === null) return "all";
  const whole = Object.entries(kinds).filter(([, all]) => all.every((type) => types.includes(type)));
  const others = types.filter((type) => !whole.some(([, all]) => all.includes(type)));
  return [...whole.map(([name]) => name), ...others].join(", ");
}

const cells = ({ name, domain, versions, taken, summary }: OperatorRow): string[] => [
  name,
  domain === "" ? "ai.onnx" : domain,
  versions.join(", "),
  taken,
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
