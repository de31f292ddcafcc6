/** Debian's Chromium, driven as a person would. */

import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const executablePath = "/usr/bin/chromium";

export const hasChromium = existsSync(executablePath);

/** Part of a test's name where it is skipped. */
export const chromiumNote = hasChromium ? "" : ` (skipped: there is no ${executablePath})`;

export const launch = (...flags: string[]): Promise<Browser> =>
  chromium.launch({ executablePath, args: ["--no-sandbox", ...flags] });

export interface Opened {
  readonly page: Page;
  /** What went wrong on the page: errors, refusals by its security policy, dialogs, and requests. */
  readonly complaints: string[];
}

/** Opens a file from disk, without a network. */
export async function openFile(
  browser: Browser,
  path: string,
  { width = 1280, colorScheme = "light" as "light" | "dark" } = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme, offline: true });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const { href } = pathToFileURL(path);
  page.on("request", (request) => {
    if (request.url() !== href) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(href);
  return { page, complaints };
}
