/**
 * ES modules of this package as one script, for files that have to stand alone: the HTML report and inline loaders. No
 * bundler, which would be a dependency: the modules joined here import and export by name only, from their own folder.
 */

/**
 * A script that leaves the exports of each module in `modules`, by name, behind those that it imports.
 *
 * @param folder where the modules lie, as URL
 * @param entry name of the module that needs the others, such as `main`
 */
export async function joinModules(folder: URL, entry: string): Promise<string> {
  const parts = new Map<string, string | undefined>();
  async function add(name: string): Promise<void> {
    if (parts.has(name)) return;
    parts.set(name, undefined); // modules may import each other only where this order does
    const code = await sourceOf(folder, name);
    for (const [, imported] of code.matchAll(/^(?:import|export) \{[^}]*\} from "\.\/([\w-]+)\.js";$/gm)) {
      await add(imported!);
    }
    parts.delete(name);
    parts.set(name, asFunction(name, code));
  }
  await add(entry);
  return `const modules = {};\n${[...parts.values()].join("\n")}`;
}

function asFunction(name: string, code: string): string {
  const exported: string[] = [];
  const body = code
    .replace(/^import \{([^}]*)\} from "\.\/(.*)\.js";$/gm, (_, names: string, from) => {
      return `const {${names.replaceAll(" as ", ": ")}} = modules[${JSON.stringify(from)}];`;
    })
    .replace(/^export \{([^}]+)\} from "\.\/(.*)\.js";$/gm, (_, names: string, from) => {
      for (const symbol of names.split(",").map((one) => one.trim()))
        exported.push(`${symbol}: modules[${JSON.stringify(from)}].${symbol}`);
      return "";
    })
    .replace(/^export ((?:async )?function|const|class) (\w+)/gm, (_, kind, symbol) => {
      exported.push(symbol);
      return `${kind} ${symbol}`;
    })
    .replace(/^export \{\};$/gm, "");
  if (/^(import|export) /m.test(body)) throw new Error(`${name} imports or exports in a way of its own`);
  return `modules[${JSON.stringify(name)}] = (() => {\n${body}\nreturn { ${exported.join(", ")} };\n})();`;
}

/** What the build has made of a module; from the sources themselves where there is no build, as in tests. */
async function sourceOf(folder: URL, name: string): Promise<string> {
  const built = new URL(`${name}.js`, folder);
  if (built.protocol !== "file:") {
    const response = await fetch(built);
    if (!response.ok) throw new Error(`${built}: the server answered ${response.status}`);
    return await response.text();
  }
  const { existsSync, readFileSync } = await import("node:fs");
  if (existsSync(built)) return readFileSync(built, "utf8");
  const { default: ts } = await import("typescript");
  const source = readFileSync(new URL(`${name}.ts`, folder), "utf8");
  const { ScriptTarget, ModuleKind } = ts;
  const compilerOptions = {
    target: ScriptTarget.ES2022,
    module: ModuleKind.ESNext,
    verbatimModuleSyntax: true,
  };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}
