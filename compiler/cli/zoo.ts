/** `kiln zoo`: well-known networks with made-up weights, as ONNX files. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { buildNetwork, type ZooEntry, zoo } from "../../samples/zoo/index.js";
import type { Network } from "../../samples/zoo/network.js";
import { type Body, defineAction } from "./action.js";
import { grouped } from "./compile-flags.js";
import { EXIT_OK, usageError } from "./failure.js";
import { parseWhole } from "./flags.js";
import { checkWritable, writeFiles } from "./output-files.js";
import { formatTable, left, right } from "./table.js";
import type { Io, Terminal } from "./terminal.js";
import { formatBytes, formatCount } from "./units.js";

interface Flags {
  output?: string;
  list?: boolean;
  seed?: number;
  size?: number;
  length?: number;
}

export function addZooCommand(program: Command, io: Io): void {
  const command = program
    .command("zoo")
    .summary("write a well-known network as an ONNX file")
    .description(
      "Writes a well-known network with made-up weights as an ONNX file, to try and to measure things with; " +
        "without a name, lists the networks.",
    )
    .argument("[name]", "network");
  grouped(command, "Output", [
    new Option("-o, --output <path>", "file or folder to write, or - for stdout; default: NAME.onnx"),
    new Option("--list", "list the networks"),
  ]);
  grouped(command, "Network", [
    new Option("--size <n>", "pixels of a side of the picture (default: the usual)").argParser(parseWhole(1)),
    new Option("--length <n>", "tokens of the text (default: the usual)").argParser(parseWhole(1)),
    new Option("--seed <n>", "seed of the weights (default: 0)").argParser(parseWhole(0)),
  ]);
  command.addHelpText(
    "after",
    `
Examples:
  kiln zoo
  kiln zoo mobilenet-v2 -o m.onnx
  kiln zoo text-encoder --length 64 -o models/
  kiln zoo mobilenet-v2 --size 144 -o - | kiln bench -`,
  );
  defineAction(command, io, runZoo);
}

const runZoo: Body<Flags> = async (terminal, [name], flags) => {
  if (name === undefined || flags.list === true) {
    list(terminal);
    return EXIT_OK;
  }
  const entry = findEntry(name);
  const network = buildNetwork(entry, {
    size: checkedSize(entry, flags),
    seed: flags.seed ?? 0,
  });
  const path = targetOf(flags.output, name);
  if (path === "-") {
    terminal.io.stdout.write(network.encode());
    return EXIT_OK;
  }
  await checkWritable(path);
  const data = network.encode();
  await writeFiles([{ path, data }]);
  if (terminal.flags.json === true) terminal.printJson({ file: path, bytes: data.length, ...facts(network) });
  else terminal.note(`wrote ${path} (${formatBytes(data.length)})`);
  return EXIT_OK;
};

function findEntry(name: string): ZooEntry {
  const entry = zoo.find((one) => one.name === name);
  if (entry !== undefined) return entry;
  throw usageError(`there is no network "${name}"`, `there are ${zoo.map((one) => one.name).join(", ")}`);
}

function checkedSize({ name, measure, size, sizeStep, largest }: ZooEntry, flags: Flags): number {
  const other = measure === "size" ? "length" : "size";
  if (flags[other] !== undefined) throw usageError(`${name} takes --${measure}, not --${other}`);
  const wanted = flags[measure] ?? size;
  if (wanted % sizeStep !== 0)
    throw usageError(`the ${measure} of ${name} must be a multiple of ${sizeStep}`);
  if (wanted > largest) throw usageError(`the ${measure} of ${name} must be at most ${largest}`);
  return wanted;
}

function targetOf(output: string | undefined, name: string): string {
  const file = `${name}.onnx`;
  if (output === undefined || output === "-") return output ?? file;
  const isFolder = /[/\\]$/.test(output) || (existsSync(output) && statSync(output).isDirectory());
  return isFolder ? join(output, file) : output;
}

function list(terminal: Terminal): void {
  const rows = zoo.map((entry) => ({ ...facts(buildNetwork(entry)), paper: entry.paper }));
  if (terminal.flags.json === true) {
    terminal.printJson(rows);
    return;
  }
  const cells = rows.map(({ name, parameters, flops, inputs, paper }) => [
    name,
    formatCount(parameters),
    formatCount(flops),
    inputs.map((input) => `${input.name}:${input.dims.join("x")}`).join(" "),
    paper,
  ]);
  const columns = [left("name"), right("parameters"), right("FLOPs"), left("input"), left("paper")];
  terminal.print(formatTable(columns, cells, terminal.colors));
}

const facts = ({ name, parameters, flops, inputs, outputs }: Network) => ({
  name,
  parameters,
  flops,
  inputs,
  outputs,
});
