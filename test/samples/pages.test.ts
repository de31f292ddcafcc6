/** The sample pages in Chromium, used as a person would. */

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModels } from "../../samples/web/models.js";
import { createSampleServer } from "../../samples/web/server.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { speechBetweenSilence, waveFile } from "./speech.js";

const wide = { width: 1280, height: 800 };
const narrow = { width: 390, height: 844 };

let server: Server;
let base: string;

beforeAll(async () => {
  server = createSampleServer(await openModels(() => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe("the server", () => {
  test("gives what the pages need, and nothing else", async () => {
    const status = async (path: string, init: RequestInit = {}) => (await fetch(base + path, init)).status;
    for (const path of [
      "/",
      "/ocr/",
      "/vad/",
      "/zoo/",
      "/style.css",
      "/runtime/index.js",
      "/models/vad.wasm",
    ]) {
      expect(await status(path), path).toBe(200);
    }
    const others = [
      "/package.json",
      "/samples/web/..%2f..%2f..%2fpackage.json",
      "/runtime/%2e%2e/%2e%2e/package.json",
      "/ocr/pictures/../page.ts",
      "/models/constructor.wasm",
      "/zoo/constructor.json",
      "/%00",
    ];
    for (const path of others) expect(await status(path), path).toBe(404);
    expect(await status("/", { method: "POST" })).toBe(405);
  });

  test("refuses names that others have given this machine", async () => {
    const { request } = await import("node:http");
    const status = await new Promise((resolve, reject) => {
      request(base, { headers: { host: "evil.example" } }, ({ statusCode }) => resolve(statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(403);
  });
});

describe.skipIf(!hasChromium)(`in Chromium${chromiumNote}`, () => {
  let browser: Browser;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await launch("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
  });
  afterAll(() => browser.close());

  async function open(path: string, viewport: { width: number; height: number }): Promise<Page> {
    const page = await browser.newPage({ viewport });
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", ({ message }) => problems.push(message));
    await page.goto(base + path);
    return page;
  }

  const statusIs = (page: Page, text: RegExp) => page.getByRole("status").filter({ hasText: text }).waitFor();

  async function expectGood(page: Page): Promise<void> {
    expect(problems).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await page.close();
  }

  test.each([wide, narrow])("the start page leads to the others at $width px", async (viewport) => {
    for (const name of ["Read text", "Hear speech", "Compare networks"]) {
      const page = await open("/", viewport);
      await page.getByRole("heading", { name }).getByRole("link").click();
      await statusIs(page, /^Ready/);
      expect(await page.title()).toBe(`${name} - Kiln samples`);
      const navigation = page.getByRole("navigation", { name: "Samples" });
      expect(await navigation.locator("[aria-current=page]").allTextContents()).toEqual([name]);
      const heights = await navigation
        .getByRole("link")
        .evaluateAll((links) => links.map((link) => (link as HTMLElement).offsetTop));
      expect(new Set(heights).size).toBe(1);
      await expectGood(page);
    }
  });

  test.each([wide, narrow])("a picture's text is read at $width px", async (viewport) => {
    const page = await open("/ocr/", viewport);
    await page.getByLabel("Choose a picture").setInputFiles("samples/ocr/pictures/receipt.png");
    await statusIs(page, /^10 lines in receipt.png/);
    const lines = await page
      .getByRole("list", { name: "Lines of text" })
      .getByRole("listitem")
      .allTextContents();
    expect(lines.join("\n")).toMatch(/CORNER BAKERY.*\n.*Mill Lane, Oxford/);
    expect(await page.locator("#boxes polygon").count()).toBe(16);
    await expectGood(page);
  });

  test("a dropped picture is read, and what is no picture is refused", async () => {
    const page = await open("/ocr/", wide);
    const drop = (name: string, type: string, path: string | null) =>
      page.evaluate(
        async ([name, type, path]) => {
          const content = path === null ? "no picture" : await (await fetch(path!)).blob();
          const data = new DataTransfer();
          data.items.add(new File([content], name!, { type: type! }));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        },
        [name, type, path] as const,
      );
    await drop("notes.png", "image/png", null);
    await statusIs(page, /^notes.png is not a picture/);
    await drop("<img src=x>.png", "image/png", "/ocr/pictures/latin.png");
    await statusIs(page, /lines in <img src=x>.png/);
    expect(await page.getByRole("listitem").filter({ hasText: "quick brown fox" }).count()).toBe(1);
    await expectGood(page);
  });

  test.each([wide, narrow])("speech is heard in a sound file at $width px", async (viewport) => {
    const page = await open("/vad/", viewport);
    await statusIs(page, /^Ready/);
    const file = { name: "voice.wav", mimeType: "audio/wav", buffer: waveFile(speechBetweenSilence()) };
    await page.getByLabel("Choose a sound file").setInputFiles(file);
    await statusIs(page, /s of speech in 5.0 s of voice.wav/);
    const segments = await page
      .getByRole("list", { name: "Stretches of speech" })
      .getByRole("listitem")
      .allTextContents();
    expect(segments.length).toBeGreaterThan(0);
    const [start] = segments.map(Number.parseFloat);
    expect(start).toBeGreaterThan(1.4);
    expect(start).toBeLessThan(2.5);
    await expectGood(page);
  });

  test("the microphone is listened to until it is stopped", async () => {
    const page = await open("/vad/", narrow);
    await page.getByRole("button", { name: "Use the microphone" }).click();
    await statusIs(page, /^Listening/);
    await page
      .locator("#now")
      .filter({ hasText: /Speech|Silence/ })
      .waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await statusIs(page, /^Stopped/);
    await expectGood(page);
  });

  test("a network of the zoo is compiled and run", async () => {
    const page = await open("/zoo/", narrow);
    await page.getByRole("button", { name: "Compile and run mobilenet-v3-small" }).click();
    await statusIs(page, /^mobilenet-v3-small: [\d.]+ ms/);
    expect(await page.getByRole("row", { name: /mobilenet-v3-small/ }).textContent()).toMatch(/kB.*MB/);
    await expectGood(page);
  });
});
