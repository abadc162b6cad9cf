import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MeasuredMap } from '../../src/measure/result.ts';
import { renderCompareHtml } from '../../src/report/html/compare.ts';
import { renderHtml } from '../../src/report/html/scan.ts';
import { example, hostileTokens } from './example.ts';
import { crossExample, frameExample, hybridExample, pictureExample, soundExample } from './example-other.ts';

const executablePath = process.env.SINKLAB_CHROMIUM ?? '/usr/bin/chromium';
const here = existsSync(executablePath);

/** What went wrong in a page: refusals of its policy, errors, messages of the console. */
interface Log {
  violations: string[];
  errors: string[];
}

describe.skipIf(!here)('the page in a headless Chromium (needs Chromium, or its path in SINKLAB_CHROMIUM)', () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), 'sinklab-page-'));

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(html: string, options: BrowserContextOptions = {}): Promise<{ page: Page; log: Log }> {
    const file = join(folder, 'page.html');
    writeFileSync(file, html);
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
    const log: Log = { violations: [], errors: [] };
    await page.exposeFunction('violated', (what: string) => log.violations.push(what));
    await page.addInitScript(() =>
      document.addEventListener('securitypolicyviolation', (event) =>
        (globalThis as unknown as { violated(what: string): void }).violated(
          `${event.violatedDirective} ${event.blockedURI}`,
        ),
      ),
    );
    page.on('pageerror', (error) => log.errors.push(error.message));
    page.on('console', (message) => log.errors.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    await page.waitForFunction(() => document.querySelector('#pattern-title')?.textContent !== '');
    return { page, log };
  }

  const small = example({
    layers: 6,
    heads: 4,
    tokens: 90,
    learnedSinks: true,
    patterns: [
      [3, 1],
      [2, 2],
    ],
  });

  it('runs no script of a token, a note or a name, and breaks no rule of its own policy', async () => {
    const result = structuredClone(small);
    result.model.source = hostileTokens[0]!;
    result.notes.push(...hostileTokens);
    result.controls[0]!.tells = hostileTokens[1]!;
    const { page, log } = await open(await renderHtml(result));
    for (const position of [16, 17, 18, 19]) await page.click(`#strip [data-position="${position}"]`);
    await page.hover('#pattern-canvas');
    await page.click('#map-details summary');
    await page.selectOption('#map-choice', '3');
    expect(await page.evaluate(() => (globalThis as { harmed?: unknown }).harmed)).toBeUndefined();
    expect(log).toEqual({ violations: [], errors: [] });
    expect(await page.textContent('h1')).toBe(`Attention sinks of ${hostileTokens[0]}`);
    expect(await page.textContent('#strip [data-position="19"]')).toBe('\\u{202e}gnol\\u{202c}');
    await page.close();
  });

  it('has a policy that refuses a script put into the page', async () => {
    const { page, log } = await open(await renderHtml(small));
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.harmed = 1';
      document.body.append(script);
    });
    await expect.poll(() => log.violations).toEqual(['script-src-elem inline']);
    expect(await page.evaluate(() => (globalThis as { harmed?: unknown }).harmed)).toBeUndefined();
    await page.close();
  });

  it('reads out the value of the cell that the keys choose, and the learned sink beside it', async () => {
    const { page } = await open(await renderHtml(small));
    await page.selectOption('#pattern-head', { label: 'layer 2, head 2' });
    await expect.poll(() => page.textContent('#pattern-title')).toBe('Layer 2, head 2');
    await page.focus('#pattern-canvas');
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowDown');
    const sample = small.page.patterns[1]!;
    const values = Buffer.from(sample.values, 'base64');
    const sink = Buffer.from(sample.sink!, 'base64');
    const percent = (byte: number) => `${((byte / 255) * 100).toFixed(1)} %`;
    expect(await page.textContent('#pattern-output')).toBe(
      `Query 5 ·model → key 0 <|im_start|>: ${percent(values[5 * sample.T]!)}; learned sink ${percent(sink[5]!)}`,
    );
    await page.close();
  });

  it('draws the colour of a value at its place, and nothing where no query sees', async () => {
    const { page } = await open(await renderHtml(example({ layers: 2, heads: 2, tokens: 64, patterns: [[1, 1]] })));
    const seen = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('#pattern-canvas')!;
      const context = canvas.getContext('2d')!;
      const at = (x: number, y: number) => [...context.getImageData(x, y, 1, 1).data];
      return { first: at(86, 66), above: at(canvas.width - 20, 80) };
    });
    expect(seen).toEqual({ first: [253, 231, 37, 255], above: [0, 0, 0, 0] });
    await page.close();
  });

  it('links map, pattern and tokens: arrow keys on the map choose a head, a token marks its key', async () => {
    const { page } = await open(await renderHtml(small));
    await page.focus('#map-canvas');
    const title = await page.textContent('#pattern-title');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.textContent('#pattern-title')).not.toBe(title);
    expect(await page.textContent('#pattern-output')).toMatch(
      /^No pattern of layer \d, head \d was kept; choose a head/,
    );
    await page.selectOption('#pattern-head', '0');
    await page.focus('#strip [data-position="0"]');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    expect(await page.textContent('#pattern-output')).toMatch(/^Key 1 ·The: .* on the mean over the 88 later queries$/);
    expect(await page.getAttribute('#strip [data-position="1"]', 'aria-selected')).toBe('true');
    await page.close();
  });

  it('reads out attention received in the layer chosen beside its value under uniform attention', async () => {
    const { page } = await open(await renderHtml(small));
    await page.selectOption('#strip-layer', '3');
    await page.hover('#strip [data-position="2"]');
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
    expect(await page.textContent('#strip-output')).toContain(
      `received ${percent(small.page.received[3]![2]!)}, uniform attention ${percent(small.page.uniform[3]![2]!)}; layer 3`,
    );
    await page.close();
  });

  it('shows a measured map on a scale and in a unit of its own, with its baseline', async () => {
    const { page, log } = await open(await renderHtml(small));
    await page.selectOption('#map-choice', { label: 'Effective number of keys' });
    await page.focus('#map-canvas');
    const map = small.page.measured.find(({ kind }) => kind === 'map') as MeasuredMap;
    const most = Math.max(...map.values.flatMap((heads) => heads!));
    expect(await page.textContent('#ramp-most')).toBe(`${Number(most.toPrecision(2))} keys`);
    const output = (await page.textContent('#map-output'))!;
    const [, layer, head, value] = /^Layer (\d+), head (\d+): (\S+) keys \(uniform attention: 46 keys\)/.exec(output)!;
    expect(Number(value)).toBe(Number(map.values[Number(layer)]![Number(head)]!.toPrecision(2)));
    await page.click('#map-details summary');
    expect(await page.textContent('#map-table tbody tr:first-child td')).toMatch(/^\S+ keys$/);
    expect(log).toEqual({ violations: [], errors: [] });
    await page.close();
  });

  it('says n/a of layers without a pattern, on the map, in its table and in the strip', async () => {
    const hybrid = hybridExample([0, 2], { layers: 4, heads: 3, tokens: 70, patterns: [[1, 1]] });
    const { page, log } = await open(await renderHtml(hybrid));
    expect(await page.isVisible('#map-none')).toBe(true);
    expect(await page.textContent('#map-none-text')).toBe('n/a: no attention pattern in this layer');
    await page.focus('#map-canvas');
    await page.keyboard.press('ArrowDown');
    const told = await page.textContent('#map-output');
    expect(told).toMatch(/^Layer 2, head \d: n\/a, no attention pattern in this layer; this layer: no pattern$/);
    expect(await page.textContent('#pattern-output')).toMatch(/ the layer has none\.$/);
    await page.click('#map-details summary');
    expect(await page.textContent('#map-table tbody tr:nth-child(1) td')).toBe('n/a');
    expect(await page.textContent('#map-table tbody tr:nth-child(2) td')).toMatch(/ %$/);
    await page.selectOption('#strip-layer', { label: 'layer 2 (n/a)' });
    await page.hover('#strip [data-position="2"]');
    expect(await page.textContent('#strip-output')).toContain('n/a, no attention pattern; layer 2');
    await page.selectOption('#map-choice', { label: 'Effective number of keys' });
    expect(await page.isVisible('#map-none')).toBe(true);
    expect(log).toEqual({ violations: [], errors: [] });
    await page.close();
    const { page: plain } = await open(await renderHtml(small));
    expect(await plain.isVisible('#map-none')).toBe(false);
    await plain.close();
  });

  it('lays patches out as in their picture, marks sinks and high norm, and shows keys after a query', async () => {
    const picture = pictureExample();
    const { page, log } = await open(await renderHtml(picture));
    const box = async (position: number) => (await page.locator(`#strip [data-position="${position}"]`).boundingBox())!;
    const [first, right, below] = [await box(2), await box(3), await box(10)];
    expect(right.y).toBe(first.y);
    expect(right.x).toBeGreaterThan(first.x);
    expect(below.x).toBe(first.x);
    expect(below.y).toBeGreaterThan(first.y);
    expect(await page.locator('#strip .high').count()).toBe(1);
    await page.hover('#strip [data-position="30"]');
    expect(await page.textContent('#strip-output')).toMatch(
      /^Token 30 3,4 \(patch in row 3, column 4\) received .*; sink 2 of 2; of high norm$/,
    );
    await page.click('#strip [data-position="30"]');
    expect(await page.textContent('#pattern-output')).toMatch(/ on the mean over the 66 queries$/);
    const above = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('#pattern-canvas')!;
      return canvas.getContext('2d')!.getImageData(canvas.width - 20, 120, 1, 1).data[3];
    });
    expect(above).toBe(255);
    expect(log).toEqual({ violations: [], errors: [] });
    await page.close();
  });

  it('draws the picture with frames around its sinks, and links it with the patches', async () => {
    const picture = pictureExample();
    for (const row of picture.page.received) row!.fill(0.001).fill(0.2, 30, 31).fill(0.05, 11, 12);
    const { page, log } = await open(await renderHtml(picture));
    const pixel = (column: number, row: number, x: number, y: number) =>
      page.evaluate(
        ([c, r, dx, dy]) => {
          const canvas = document.querySelector<HTMLCanvasElement>('#picture-canvas')!;
          const at = (place: number, part: number, size: number) => Math.floor(((place + part) / 8) * size);
          const context = canvas.getContext('2d')!;
          return [...context.getImageData(at(c!, dx!, canvas.width), at(r!, dy!, canvas.height), 1, 1).data].slice(
            0,
            3,
          );
        },
        [column, row, x, y],
      );
    // Position 11 is the patch in row 1, column 1: a quarter of the largest share, so the middle of the scale, over red.
    const under = (share: number, color: number) => Math.round(0.6 * share + 0.4 * color);
    const seen = await expect
      .poll(() => pixel(1, 1, 0.5, 0.5))
      .not.toEqual([0, 0, 0])
      .then(() => pixel(1, 1, 0.5, 0.5));
    [under(33, 240), under(145, 20), under(140, 20)].forEach((value, i) => {
      expect(Math.abs(seen[i]! - value)).toBeLessThanOrEqual(1);
    });
    expect(await page.textContent('#strip-scale')).toBe('patches from dark for 0 to yellow for 20.0 %');
    expect(await page.locator('#strip [data-position="1"]').textContent()).toBe('[REG1] 0.1 %');
    await page.uncheck('#picture-heat');
    expect(await pixel(1, 1, 0.5, 0.5)).toEqual([240, 20, 20]);
    expect(await pixel(6, 6, 0.5, 0.5)).toEqual([20, 20, 240]);
    // Position 30 is the patch in row 3, column 4: a frame in the colour of sinks.
    expect(await pixel(4, 3, 0.5, 0)).toEqual([192, 79, 0]);
    const box = (await page.locator('#picture-canvas').boundingBox())!;
    await page.hover('#picture-canvas', { position: { x: (box.width * 4.5) / 8, y: (box.height * 3.5) / 8 } });
    expect(await page.textContent('#strip-output')).toMatch(/^Token 30 3,4 /);
    expect(await page.locator('#strip .chosen').getAttribute('data-position')).toBe('30');
    // Reading pixels back as often as this test does is told on the console.
    expect(log.errors.filter((text) => !text.includes('getImageData'))).toEqual([]);
    expect(log.violations).toEqual([]);
    await page.close();
  });

  it('reads out cross-attention where the keys or the pointer choose', async () => {
    const { page, log } = await open(await renderHtml(crossExample()));
    const told = () => page.textContent('#cross-output');
    await expect
      .poll(told)
      .toMatch(/^Query 0 .* → key 7 0\.14s \(frame from 0\.14 s\): 0\.8 %; uniform attention 2\.0 %$/);
    await page.focus('#cross-canvas');
    for (const key of ['ArrowDown', 'ArrowDown']) await page.keyboard.press(key);
    expect(await told()).toMatch(/^Query 2 .* → key 7 .*: 78\.4 %;/);
    const box = (await page.locator('#cross-canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width - 8, box.y + 22 + 7);
    expect(await told()).toMatch(/^Query 0 .* → key 49 /);
    await page.selectOption('#map-choice', { label: 'cross-attention to key 7' });
    expect(await page.textContent('#map-none-text')).toBe('n/a: no attention to the memory in this layer');
    expect(log).toEqual({ violations: [], errors: [] });
    await page.close();
  });

  it('draws a sound over the attention to it, dims the silence, and reads out what is pointed at', async () => {
    const { page, log } = await open(await renderHtml(soundExample()));
    const canvas = page.locator('#spectrogram-canvas');
    const pixel = (share: number, y: number) =>
      page.evaluate(
        ([part, at]) => {
          const shown = document.querySelector<HTMLCanvasElement>('#spectrogram-canvas')!;
          const x = Math.floor(96 + part! * (shown.width - 102));
          return [...shown.getContext('2d')!.getImageData(x, at!, 1, 1).data].slice(0, 3);
        },
        [share, y],
      );
    // Viridis of 0 in the upper bands, of 200 of 255 in the lowest, and grey over it behind the sound.
    await expect.poll(() => pixel(0.2, 20)).toEqual([68, 1, 84]);
    expect((await pixel(0.395, 100))[1]).toBeGreaterThan(180);
    expect(await pixel(0.8, 60)).toEqual([89, 45, 99]);
    const box = (await canvas.boundingBox())!;
    const point = (share: number) => canvas.hover({ position: { x: 96 + share * (box.width - 102), y: 50 } });
    await point(0.15);
    expect(await page.textContent('#spectrogram-output')).toBe(
      'Frame 7 from 0.14 s: receives 30.0 %; uniform attention 2.0 %; mean over layers, heads and queries',
    );
    await point(0.99);
    expect(await page.textContent('#spectrogram-output')).toMatch(
      /^Frame 49 from 0\.98 s, in the silence behind the sound/,
    );
    expect(await page.textContent('#cross-output')).toMatch(/→ key 49 /);
    expect(log.errors.filter((text) => !text.includes('getImageData'))).toEqual([]);
    expect(log.violations).toEqual([]);
    await page.close();
  });

  it('draws the sound over the strip of its frames where an encoder was scanned', async () => {
    const { page, log } = await open(await renderHtml(frameExample()));
    expect(await page.textContent('#strip-scale')).toBe('scale: 0 to 5.0 %');
    await page.click('#strip [data-position="49"]');
    expect(await page.textContent('#spectrogram-output')).toMatch(
      /^Frame 49 from 0\.98 s, in the silence behind the sound: receives 5\.0 %; uniform attention 2\.0 %; mean over layers and heads$/,
    );
    expect(log).toEqual({ violations: [], errors: [] });
    await page.close();
  });

  it.each(['light', 'dark'] as const)('is no wider than a phone of 390 pixels (%s)', async (colorScheme) => {
    const pages = [small, pictureExample(), soundExample(), frameExample()].map((result) => renderHtml(result));
    for (const html of [...(await Promise.all(pages)), await renderCompareHtml(small, example())]) {
      const { page, log } = await open(html, { viewport: { width: 390, height: 844 }, colorScheme });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
      expect(log).toEqual({ violations: [], errors: [] });
      await page.close();
    }
  });

  it('draws a pattern of 2,000 tokens', async () => {
    const { page } = await open(await renderHtml(example({ layers: 2, heads: 2, tokens: 2000, patterns: [[1, 1]] })));
    const seen = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('#pattern-canvas')!;
      const context = canvas.getContext('2d')!;
      const alpha = (x: number, y: number) => context.getImageData(x, y, 1, 1).data[3];
      return { below: alpha(120, canvas.height - 60), above: alpha(canvas.width - 20, 120) };
    });
    expect(seen).toEqual({ below: 255, above: 0 });
    await page.close();
  });
});
