import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import { findChromium } from '../../scripts/chromium.mjs';
import { bundled } from '../fixtures.ts';
import { serve } from './server.ts';

/** What a skipped page test says in its title. */
export const needsChromium =
  findChromium() === undefined ? ' (left out: needs Chromium, apt-get install chromium)' : '';

const options = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Calls an exported function of the entry in the page; arguments and result travel as structured values. */
  call<T>(name: string, ...values: unknown[]): Promise<T>;
}

export interface PageOptions {
  /** More folders to serve, by the first part of their path. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Serve with the headers that make the page cross-origin isolated. Default true. */
  readonly isolated?: boolean;
}

/**
 * Bundles a module of this folder for the page, opens it in a real headless Chromium and calls its exports.
 * Served: `/page/` the bundle, `/onnxruntime/` the runtime's WebAssembly, `/fixtures/` what `test/fixtures` holds.
 */
export async function openPage(entry: string, { folders = {}, isolated = true }: PageOptions = {}): Promise<OpenPage> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('Chromium was not found: install it, or set CHROMIUM to its program');
  const out = await mkdtemp(join(tmpdir(), 'sinklab-page-'));
  const undo: (() => Promise<unknown>)[] = [() => rm(out, { recursive: true, force: true })];
  const dispose = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    await build({
      entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
      outfile: join(out, 'entry.js'),
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'silent',
    });
    await writeFile(
      join(out, 'index.html'),
      '<!doctype html><meta charset="utf-8"><title>page test</title><link rel="icon" href="data:,">' +
        '<script type="module">import * as entry from "./entry.js"; globalThis.entry = entry;</script>',
    );
    const server = await serve(
      {
        page: out,
        onnxruntime: dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm')),
        fixtures: bundled('.').replace(/[\\/]$/, ''),
        models: fileURLToPath(new URL('../../models', import.meta.url)),
        ...folders,
      },
      { isolated },
    );
    undo.push(async () => server[Symbol.asyncDispose]());
    const browser = await chromium.launch({ executablePath, headless: true, args: options });
    undo.push(() => browser.close());
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(`${server.origin}/page/index.html`);
    await page.waitForFunction('globalThis.entry !== undefined', undefined, { timeout: 30_000 }).catch((cause) => {
      throw new Error(`the page did not start: ${errors.join('; ') || cause}`, { cause });
    });
    return {
      page,
      call: (name, ...values) =>
        page.evaluate(
          ([name, values]) =>
            (globalThis as unknown as { entry: Record<string, (...values: unknown[]) => never> }).entry[name]!(
              ...values,
            ),
          [name, values] as const,
        ),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
