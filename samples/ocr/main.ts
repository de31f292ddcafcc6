import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import colors from "picocolors";
import yoctoSpinner from "yocto-spinner";
import { compareText } from "./accuracy.js";
import { compileModels } from "./kiln-engine.js";
import { readAlphabet } from "./model-files.js";
import type { ModelFigures } from "./models.js";
import { decodePicture, type Picture } from "./picture.js";
import { readPicture, textOf } from "./pipeline.js";
import { accuracyLine, comparison, modelTable } from "./printing.js";

const usage = `usage: node dist/samples/ocr/main.js [picture.png|picture.jpg ...]

Compiles the three networks of PP-OCRv4 with Kiln and reads the text in the pictures. Without arguments it reads
its own pictures, compares with the text that was drawn, and fails if less than 95% of the characters are right.

exit codes: 0 read, 1 failed, 2 wrong arguments`;

/** Share of characters that must be right in the sample's own pictures. */
const requiredAccuracy = 0.95;

/** The pictures lie with the sources: the TypeScript compiler does not copy them to dist/. */
const pictureFolder = fileURLToPath(new URL("../../../samples/ocr/pictures/", import.meta.url));

interface NamedPicture {
  name: string;
  picture: Picture;
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  return positionals.length > 0 ? await readGiven(positionals) : await readOwn();
}

/** Text on stdout, figures on stderr, so that the text can be piped on. */
async function readGiven(files: readonly string[]): Promise<number> {
  const { texts, figures } = await readAll(await openPictures(files));
  for (const [index, lines] of texts.entries()) {
    if (files.length > 1) console.log(colors.bold(`${files[index]}:`));
    console.log(lines.join("\n"));
  }
  console.error(modelTable(figures));
  return 0;
}

async function readOwn(): Promise<number> {
  const json = await readFile(join(pictureFolder, "expected.json"), "utf8");
  const expected = Object.entries(JSON.parse(json) as Record<string, string[]>);
  const pictures = await openPictures(expected.map(([file]) => join(pictureFolder, file)));
  const { texts, figures } = await readAll(pictures);
  console.log(modelTable(figures));
  let characters = 0;
  let errors = 0;
  for (const [index, [file, lines]] of expected.entries()) {
    const result = compareText(lines, texts[index]!);
    characters += result.characters;
    errors += result.errors;
    console.log(`\n${comparison(file, lines, texts[index]!)}`);
  }
  const passed = 1 - errors / characters >= requiredAccuracy;
  console.log(`\n${(passed ? colors.green : colors.red)(accuracyLine(characters, errors))}`);
  return passed ? 0 : 1;
}

/** Decodes all pictures before anything is compiled, so that a wrong file name fails at once. */
async function openPictures(files: readonly string[]): Promise<NamedPicture[]> {
  return await Promise.all(
    files.map(async (file) => {
      try {
        return { name: basename(file), picture: decodePicture(await readFile(file)) };
      } catch (cause) {
        throw new Error(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }),
  );
}

async function readAll(
  pictures: readonly NamedPicture[],
): Promise<{ texts: string[][]; figures: ModelFigures[] }> {
  const spinner = yoctoSpinner({ text: "reading the models" }).start();
  try {
    const alphabet = await readAlphabet();
    const { models, figures } = await compileModels((model) => {
      spinner.text = `compiling the ${model} network`;
    });
    const texts: string[][] = [];
    for (const { name, picture } of pictures) {
      spinner.text = `reading ${name}`;
      texts.push(textOf(await readPicture(picture, models, alphabet)));
    }
    return { texts, figures };
  } finally {
    spinner.stop();
  }
}

function isUsageError(error: unknown): boolean {
  return error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(colors.red(error instanceof Error ? error.message : String(error)));
  if (isUsageError(error)) console.error(usage);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
