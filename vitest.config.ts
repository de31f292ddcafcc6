import { defineConfig } from "vitest/config";

/** Tests that replace globals, or ask what a module does the first time it is used: each file has modules of its own. */
const isolated = ["test/ort/**/*.test.ts", "test/runtime/**/*.test.ts", "test/wasm/threads.test.ts"];

export default defineConfig({
  test: {
    // Shared machines can be ten times slower than they usually are.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "isolated", include: isolated } },
      // Importing the compiler for every file took a third of the time of all tests.
      {
        extends: true,
        test: { name: "shared", include: ["test/**/*.test.ts"], exclude: isolated, isolate: false },
      },
    ],
  },
});
