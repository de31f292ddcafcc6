import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { checkWritable, makeFolder, type OutputFile, writeFiles } from "../../compiler/cli/output-files.js";
import { useFolder } from "./harness.js";

const folder = useFolder();
const file = (name: string, data: string): OutputFile => ({ path: folder.path(name), data });
const read = (name: string): string => readFileSync(folder.path(name), "utf8");

/** Permissions do not hold root back. */
const isRoot = process.getuid?.() === 0;

describe("writing", () => {
  test("text and bytes, in folders that are made", async () => {
    const bytes = { path: folder.path("a/b/y"), data: Uint8Array.of(104, 105) };
    await writeFiles([file("x", "text"), bytes, file("empty", "")]);
    expect([read("x"), read("a/b/y"), read("empty")]).toEqual(["text", "hi", ""]);
    expect(folder.list()).toEqual(["a", "empty", "x"]);
  });

  test("replaces files, and leaves nothing else behind", async () => {
    await writeFiles([file("x", "old"), file("y", "old")]);
    await writeFiles([file("x", "new"), file("y", "new")]);
    expect([read("x"), read("y")]).toEqual(["new", "new"]);
    expect(folder.list()).toEqual(["x", "y"]);
  });

  test("refuses -, which elsewhere is stdout, before anything is done", async () => {
    for (const attempt of [checkWritable("-"), writeFiles([{ path: "-", data: "x" }])])
      await expect(attempt).rejects.toThrow(/^cannot write to stdout: .*\n {2}hint: .*\.\/-/);
  });

  test("writes to devices in their place", async () => {
    await writeFiles([{ path: "/dev/null", data: "x" }]);
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("puts a file in place of a link that leads nowhere", async () => {
    symlinkSync(folder.path("nowhere"), folder.path("x"));
    await writeFiles([file("x", "text")]);
    expect(read("x")).toBe("text");
    expect(existsSync(folder.path("nowhere"))).toBe(false);
  });
});

describe("failing leaves everything as it was", () => {
  test("where a later file is in the way of a folder", async () => {
    await writeFiles([file("x", "old"), file("blocked", "a file")]);
    const files = [file("x", "new"), file("made/deep/y", "new"), file("blocked/z", "new")];
    await expect(writeFiles(files)).rejects.toThrow(
      /^cannot write .*blocked\/z: a part of the path is not a folder$/,
    );
    expect(folder.list()).toEqual(["blocked", "x"]);
    expect(read("x")).toBe("old");
  });

  test("where a later file is a folder", async () => {
    mkdirSync(folder.path("y"));
    await writeFiles([file("y/kept", "kept")]);
    const failing = writeFiles([file("x", "new"), file("y", "new")]);
    await expect(failing).rejects.toThrow(/^cannot write .*y: it is a folder$/);
    expect(folder.list()).toEqual(["y"]);
    expect(read("y/kept")).toBe("kept");
  });

  test("where renaming fails: what was replaced comes back", async () => {
    await writeFiles([file("x", "old")]);
    // A name that ends in a slash can only be a folder's, which the rename is the first to see.
    const failing = writeFiles([file("x", "new"), file("y/", "new")]);
    await expect(failing).rejects.toThrow(/^cannot write .*y\//);
    expect(read("x")).toBe("old");
    expect(folder.list()).toEqual(["x"]);
  });

  test("in a folder below /proc, which takes none", async () => {
    if (!existsSync("/proc/self")) return;
    const failing = writeFiles([{ path: "/proc/none/x", data: "" }]);
    await expect(failing).rejects.toThrow("cannot write /proc/none/x: no such file or folder");
  });

  test.skipIf(isRoot)("in a folder that may not be written to", async () => {
    mkdirSync(folder.path("locked"));
    chmodSync(folder.path("locked"), 0o500);
    await expect(writeFiles([file("locked/x", "")])).rejects.toThrow(/permission denied/);
    await expect(checkWritable(folder.path("locked/x"))).rejects.toThrow(/permission denied/);
  });
});

describe("Ctrl-C", () => {
  test("takes back what was written, and is the default again afterwards", async () => {
    // Miniflare, where another test of this process has used it, listens, too, and would end the process.
    const before = process.listeners("SIGINT");
    await writeFiles([file("x", "old")]);
    const writing = writeFiles([file("x", "new"), file("folder/y", "new")]);
    for (const listener of process.listeners("SIGINT")) {
      if (!before.includes(listener)) listener("SIGINT");
    }
    await expect(writing).rejects.toMatchObject({ message: "interrupted", exitCode: 130 });
    expect(folder.list()).toEqual(["x"]);
    expect(read("x")).toBe("old");
    expect(process.listeners("SIGINT")).toEqual(before);
  });
});

describe("checkWritable", () => {
  test("looks at the nearest folder that is there", async () => {
    await checkWritable(folder.path("a/b/c"));
    await checkWritable("relative-name");
    expect(folder.list()).toEqual([]);
  });

  test("refuses what cannot be", async () => {
    writeFileSync(folder.path("file"), "");
    await expect(checkWritable(folder.path("file/a/x"))).rejects.toThrow(
      /a part of the path is not a folder/,
    );
    await expect(checkWritable(folder.path("."))).rejects.toThrow(/it is a folder/);
  });
});

test("makeFolder tells which folders it made, the outer ones first", () => {
  const made: string[] = [];
  makeFolder(folder.path("a/b"), (path) => made.push(path));
  makeFolder(folder.path("a/b"), (path) => made.push(path));
  expect(made).toEqual([folder.path("a"), folder.path("a/b")]);
});

test("a folder that another process makes at the same time is no error", () => {
  const outer = folder.path("outer");
  const inner = folder.path("outer/inner");
  const made: string[] = [];
  makeFolder(inner, (path) => {
    made.push(path);
    mkdirSync(inner);
  });
  expect(made).toEqual([outer]);
});
