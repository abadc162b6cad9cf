import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { renderCompareHtml } from '../../src/report/html/compare.ts';
import { render } from '../../src/report/html/page/render.ts';
import { renderHtml } from '../../src/report/html/scan.ts';
import { renderScan } from '../../src/report/terminal/scan.ts';
import { example, hostileTokens } from './example.ts';

const small = example({ layers: 4, heads: 3, tokens: 70, patterns: [[1, 1]] });
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');

describe('renderHtml', () => {
  it('allows its one style and one script by their hashes and nothing else', async () => {
    const html = await renderHtml(small);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)![1]!;
    const script = /<script>([\s\S]*?)<\/script>/.exec(html)![1]!;
    expect(policy).toBe(
      `default-src 'none'; style-src 'sha256-${sha256(style)}'; script-src 'sha256-${sha256(script)}'; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(html.match(/<style/g)).toHaveLength(1);
    expect(html.match(/<script/g)).toHaveLength(2);
  });

  it('names no address and carries no inline handler or style attribute', async () => {
    const html = (await renderHtml(small)) + (await renderCompareHtml(small, small));
    const markup = html.replace(/<script[\s\S]*?<\/script>/g, '');
    expect(html).not.toMatch(/https?:/);
    expect(markup).not.toMatch(/<[^>]+\s(?:on\w+|style|src)=/);
  });

  it('holds every hostile token as text only', async () => {
    const result = structuredClone(small);
    for (const text of hostileTokens) result.notes.push(text);
    const html = await renderHtml(result);
    expect(html).not.toContain('<script>globalThis');
    expect(html).not.toContain('<img src=x');
    expect(html.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
  });

  it('gives the same page for the same result', async () => {
    expect(await renderHtml(small)).toBe(await renderHtml(structuredClone(small)));
  });
});

describe('renderHtml and renderScan', () => {
  it('show one layer, one head and one token, all zeros, without sinks, patterns or controls', async () => {
    const result = example({ layers: 1, heads: 1, tokens: 1 });
    Object.assign(result.page, { sinks: [], massive: [], patterns: [], written: null, erased: null });
    Object.assign(result, { controls: [], notes: [], summary: [], received: [[0]] });
    for (const one of result.page.measured) {
      if (one.kind === 'map') one.values = [[0]];
      else for (const { values } of one.series) values.fill(0);
    }
    Object.assign(result.page.curves, { largest: [[0, 0, 0]], median: [0] });
    expect(await renderHtml(result)).toContain('No token stands out.');
    expect(renderScan(result)).toMatch(/\n {5}0 +0 %\n/);
    expect(await renderCompareHtml(result, result)).toContain('Difference, B − A');
  });
});

describe('renderCompareHtml', () => {
  it('needs no script', async () => {
    const html = await renderCompareHtml(small, example({ layers: 5, heads: 3, tokens: 70 }));
    expect(html).not.toContain('<script');
    expect(html).toContain("default-src 'none'; style-src 'sha256-");
  });
});

describe('render', () => {
  const palette = Uint32Array.from({ length: 256 }, (_, i) => i + 1);
  /** The largest visible cell of each pixel, in the plainest way; 0 where none is visible. */
  function naive(
    size: number,
    values: Uint8Array,
    T: number,
    view: { query: number; key: number; n: number },
    causal: boolean,
  ): number[] {
    const pixels = Array<number>(size * size).fill(0);
    for (let t = 0; t < view.n; t++)
      for (let s = 0; s < view.n; s++) {
        const at = Math.floor((t * size) / view.n) * size + Math.floor((s * size) / view.n);
        if (!causal || view.key + s <= view.query + t)
          pixels[at] = Math.max(pixels[at]!, palette[values[(view.query + t) * T + view.key + s]!]!);
      }
    return pixels;
  }

  it.each([
    [5, 5, { query: 0, key: 0, n: 5 }],
    [13, 4, { query: 0, key: 0, n: 13 }],
    [64, 63, { query: 0, key: 0, n: 64 }],
    [65, 10, { query: 20, key: 8, n: 40 }],
    [65, 10, { query: 0, key: 30, n: 35 }],
  ])('shows the largest cell of each pixel: %i tokens on %i pixels, view %o', (T, size, view) => {
    const values = Uint8Array.from({ length: T * T }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 24) & 255);
    for (const causal of [true, false]) {
      const pixels = new Uint32Array(size * size);
      render(pixels, size, values, T, view, palette, causal);
      expect([...pixels]).toEqual(naive(size, values, T, view, causal));
    }
  });

  it('enlarges a view of fewer cells than pixels', () => {
    const pixels = new Uint32Array(16);
    render(pixels, 4, Uint8Array.from([9, 0, 7, 8]), 2, { query: 0, key: 0, n: 2 }, palette, true);
    expect([...pixels]).toEqual([10, 10, 0, 0, 10, 10, 0, 0, 8, 8, 9, 9, 8, 8, 9, 9]);
  });
});
