/** Drawing patterns in the HTML report: a made-up scan of 2,000 tokens in headless Chromium. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { findChromium } from '../scripts/chromium.mjs';
import { renderHtml } from '../src/report/html/scan.ts';
import { example } from '../test/report/example.ts';
import { median, megabytes, seconds, table } from './common.ts';

const { values: given } = parseArgs({
  options: {
    tokens: { type: 'string', default: '2000' },
    repeat: { type: 'string', default: '7' },
    json: { type: 'boolean', default: false },
  },
});
const [tokens, repeat] = [Number(given.tokens), Number(given.repeat)];
const executablePath = findChromium();
if (executablePath === undefined) {
  console.log('the page is not timed: there is no Chromium; name one in CHROMIUM');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'sinklab-bench-'));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const result = example({ layers: 12, heads: 9, tokens, patterns: [[3, 1], [4, 2]] }); // biome-ignore format: pairs
  let html = '';
  const rendering = await seconds(async () => {
    html = await renderHtml(result);
  });
  const file = join(folder, 'page.html');
  writeFileSync(file, html);
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  const opening = await seconds(async () => {
    await page.goto(`file://${file}`);
    await page.waitForFunction(() => document.querySelector('#pattern-title')?.textContent !== '');
  });
  // From the event to the end of the frame in which it is drawn.
  const drawn = (what: 'head' | 'in' | 'all', turn: number) =>
    page.evaluate(
      async ([kind, i]) => {
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        await frame();
        const start = performance.now();
        if (kind === 'head') {
          const heads = document.querySelector('#pattern-head') as HTMLSelectElement;
          heads.selectedIndex = (i as number) % heads.options.length;
          heads.dispatchEvent(new Event('change', { bubbles: true }));
        } else (document.querySelector(`#pattern-${kind}`) as HTMLElement).click();
        const script = performance.now() - start;
        await frame();
        await frame();
        return [script, performance.now() - start] as const;
      },
      [what, turn] as const,
    );
  const rows = [];
  for (const [step, what] of [
    ['show another head', 'head'],
    ['zoom in', 'in'],
    ['show all', 'all'],
  ] as const) {
    // biome-ignore format: pairs
    const times = [];
    for (let i = 0; i < repeat; i++) times.push(await drawn(what, i + 1));
    rows.push({ step, script: median(times.map(([s]) => s)), frames: median(times.map(([, f]) => f)) });
  }
  const size = Buffer.byteLength(html);
  if (given.json) console.log(JSON.stringify({ tokens, size, rendering, opening, rows }, null, 2));
  else {
    console.log(
      `${tokens} tokens: page of ${megabytes(size)}, made in ${rendering.toFixed(2)} s, open with its first pattern after ${opening.toFixed(2)} s`,
    );
    console.log(
      table([
        ['', 'script ms', 'two frames later ms'],
        ...rows.map(({ step, script, frames }) => [step, script.toFixed(1), frames.toFixed(1)]),
      ]),
    );
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
