import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import colors from "picocolors";
import yoctoSpinner from "yocto-spinner";
import { openModels } from "./models.js";
import { createSampleServer } from "./server.js";

const usage = `usage: node dist/samples/web/main.js [--port N]

Serves the sample pages on 127.0.0.1, to this machine alone; the networks are compiled on the first start.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const port = Number(values.port ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`--port ${values.port}: no port`);
  const spinner = yoctoSpinner({ text: "reading the networks" }).start();
  const models = await openModels((name) => {
    spinner.text = `compiling ${name}, on the first start only`;
  }).finally(() => spinner.stop());
  const server = createSampleServer(models);
  server.on("error", (error) => {
    console.error(colors.red(error.message));
    process.exitCode = 1;
  });
  server.listen(port, "127.0.0.1", () => {
    const { port: actual } = server.address() as AddressInfo;
    console.log(`the samples are at ${colors.cyan(`http://127.0.0.1:${actual}/`)} until you press Ctrl+C`);
  });
}

try {
  await main();
} catch (error) {
  console.error(colors.red(error instanceof Error ? error.message : String(error)));
  process.exitCode = 1;
}
