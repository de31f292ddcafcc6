#!/usr/bin/env node
/** The program `kiln`. */

import { main } from "./command-line.js";
import { EXIT_FAILED, EXIT_OK, fileError } from "./failure.js";

// The reader of a pipe may have seen enough (`kiln inspect model.onnx | head`).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT_OK);
  process.stderr.write(`error: ${fileError("write to", "standard output", error).message}\n`);
  process.exit(EXIT_FAILED);
});

// Set rather than passed to `exit`, which would cut off what is still on its way into a pipe.
process.exitCode = await main(process.argv.slice(2));
