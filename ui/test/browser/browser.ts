/** Headless Chromium with a page of one file. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

import type { Export, Simulation } from '../../src/model';

const DIST = resolve('dist');
const PAGES = resolve('target/pages');

let browser: Browser | undefined;

export async function launched(): Promise<Browser> {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // The tests may run as root, and in a container with a small /dev/shm.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none'],
  });
  return browser;
}

/** JSON that ends no script, as the program writes it. */
function harmless(data: unknown): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}

/** The page that `ebb ui --export` writes. */
export function exportedPage(data: Export): string {
  const read = (name: string): string => readFileSync(`${DIST}/${name}`, 'utf8');
  const parts: Record<string, string> = { STYLE_GOES_HERE: read('app.css'), DATA_GOES_HERE: harmless(data), SCRIPT_GOES_HERE: read('app.js') };
  return write('export', read('export.html').replace(/(STYLE|DATA|SCRIPT)_GOES_HERE/g, (mark) => parts[mark]!));
}

/** The page that `ebb simulate --out report.html` writes. */
export function reportPage(simulation: Simulation): string {
  return write('report', readFileSync(`${DIST}/report.html`, 'utf8').replace('DATA_GOES_HERE', () => harmless(simulation)));
}

let count = 0;

function write(name: string, text: string): string {
  mkdirSync(PAGES, { recursive: true });
  const path = `${PAGES}/${name}-${process.pid}-${count++}.html`;
  writeFileSync(path, text);
  return pathToFileURL(path).href;
}

export interface Options {
  dark?: boolean;
  width?: number;
  height?: number;
  /** Milliseconds since 1970: the time that the page's clock shows all along. */
  now?: number;
}

/** An open page, with all that went wrong on it. */
export interface Opened {
  page: Page;
  context: BrowserContext;
  /** Errors of scripts, refusals of the security policy, dialogs, and requests to elsewhere. */
  complaints: string[];
}

export async function open(url: string, fragment = '', options: Options = {}): Promise<Opened> {
  const context = await (await launched()).newContext({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.dark ? 'dark' : 'light', timezoneId: 'Europe/London', locale: 'en-GB', reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  if (options.now !== undefined) await page.clock.setFixedTime(options.now);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const own = new URL(url).origin;
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.origin !== own && to.protocol !== 'blob:') complaints.push(`request: ${request.url()}`);
    if (own === 'null' && request.url().split('#')[0] !== url.split('#')[0]) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(url + fragment);
  return { page, context, complaints };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong, as lines. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const tool = (globalThis as unknown as { axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { target: unknown[]; failureSummary: string }[] }[] }> } }).axe;
    const found = await tool.run({ resultTypes: ['violations'] });
    return found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${String(node.target)}: ${node.failureSummary}`));
  });
}
