import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { comparedFigures, differenceMap } from '../../src/report/difference.ts';
import { renderCompareHtml } from '../../src/report/html/compare.ts';
import { renderHtml } from '../../src/report/html/scan.ts';
import { writeJson } from '../../src/report/json.ts';
import { parseScanResult } from '../../src/report/parse.ts';
import { renderSvg } from '../../src/report/svg.ts';
import { renderCompare } from '../../src/report/terminal/compare.ts';
import { renderScan } from '../../src/report/terminal/scan.ts';
import { columns } from '../../src/report/terminal/text.ts';
import { example } from './example.ts';
import { crossExample, frameExample, hybridExample, pictureExample, soundExample } from './example-other.ts';

const lines = (text: string) => text.replace(/\n$/, '').split('\n');
const section = (text: string, title: string, count: number) => {
  const all = lines(text);
  return all.slice(all.indexOf(title), all.indexOf(title) + count);
};

describe('layers without an attention pattern', () => {
  const hybrid = hybridExample([0, 2], { layers: 4, heads: 3, tokens: 70, patterns: [[1, 1]] });

  it('are n/a in the terminal, which is neither 0 % nor a blank, and no part of the means', () => {
    hybrid.received = [null, [0.1, 0.29, 0.3], null, [0.59, 0.6, 1]];
    expect(section(renderScan(hybrid), 'Sink map', 13).slice(4)).toEqual([
      'layer  0 1 2    mean',
      '     0 ······    n/a  no pattern, writes',
      '     1 ▒▒▒▒▓▓   23 %',
      '     2 ······    n/a  no pattern',
      '     3 ▓▓████   73 %',
      '   all ▓▓▓▓██   48 %',
      '',
      '       blank < 3  ░ 3–10  ▒ 10–30  ▓ 30–60  █ ≥ 60 %',
      '       · n/a: no attention pattern in this layer',
    ]);
    expect(renderScan(hybrid)).toContain('Share of heads that have a pattern whose mean attention');
  });

  it('keep every line within the width', () => {
    for (const [a, b] of [
      [hybrid, hybrid],
      [crossExample(), crossExample()],
      [pictureExample(), hybridExample([1], { layers: 48, heads: 64 })],
      [soundExample(), frameExample()],
    ] as const)
      for (const color of [false, true])
        for (const width of [60, 80])
          for (const line of lines(
            renderScan(b, { width, color }) + renderScan(a, { width, color }) + renderCompare(a, b, { width, color }),
          ))
            expect(columns(line), line).toBeLessThanOrEqual(width);
  });

  it('are n/a in the picture', () => {
    const { document } = parseHTML(renderSvg(hybrid));
    expect(document.querySelectorAll('[aria-label="cell"] rect').length).toBe(6);
    const texts = [...document.querySelectorAll('text')].map(({ textContent }) => textContent);
    expect(texts.filter((text) => /^n\/a\s*layer [02]: no attention pattern/.test(text!)).length).toBe(2);
    expect(texts).toContain('n/a: no attention pattern in this layer.');
  });

  it('leave points in the curves where there are values, and none where there are not', async () => {
    const { document } = parseHTML(await renderHtml(hybrid));
    const plot = (title: string) => document.querySelector(`svg[aria-label="${title}"]`)!;
    // Measured and uniform attention, two layers each.
    expect(plot('Entropy of attention rows').querySelectorAll('circle').length).toBe(4);
    expect(plot('Norm of the residual').querySelectorAll('circle').length).toBe(0);
  });

  it('are compared where both have a pattern', async () => {
    const plain = example({ layers: 4, heads: 3, tokens: 70 });
    expect(differenceMap(hybrid.received, plain.received)!.map((row) => row === null)).toEqual([
      ...[true, false],
      ...[true, false],
    ]);
    const figures = comparedFigures(hybrid, hybrid);
    const share = figures.find(({ name }) => name === 'attention to key 0')!;
    expect(share.a).toBeCloseTo((0.1 + 0.29 + 0.3 + 0.59 + 0.6 + 1) / 6, 12);
    expect(renderCompare(hybrid, plain)).toContain('n/a: no attention pattern in this layer of A or of B');
    expect(await renderCompareHtml(hybrid, plain)).toContain('n/a');
  });

  it('are read back as written, and must be the same layers everywhere', () => {
    expect(parseScanResult(writeJson(hybrid))).toEqual(hybrid);
    const refuse = (change: (result: typeof hybrid) => void) => {
      const result = structuredClone(hybrid);
      change(result);
      return () => parseScanResult(JSON.stringify(result));
    };
    expect(refuse((r) => (r.page.uniform[1] = null))).toThrow(
      'page.uniform[1]: expected values, as received, found null',
    );
    expect(refuse((r) => (r.uniform[0] = 0.1))).toThrow('uniform[0]: expected null, as received, found values');
    expect(refuse((r) => (r.controls[0]!.received[3] = null))).toThrow(
      'controls "shuffled, first token kept" received[3]: expected values, as received, found null',
    );
    expect(
      refuse((r) => {
        r.received = [null, null, null, null];
      }),
    ).toThrow('received: expected at least one layer with an attention pattern, found none');
  });
});

describe('a picture under bidirectional attention', () => {
  const picture = pictureExample();

  it('says what key 0 is, and leaves out no row', () => {
    const text = renderScan(picture);
    expect(text).toContain('Mean attention to key 0 (the class token), over 100 texts of 64 tokens; uniform');
    expect(text).not.toContain('without its own row');
    expect(section(text, 'Sink tokens', 4).slice(2)).toEqual([
      '   position  token   role      class  received  uniform  excess  layers',
      '1         1  [REG1]  register  other    30.0 %    1.5 %  28.5 %  1–3',
    ]);
  });

  it('stands in the terminal as a picture, with its sinks and its tokens of high norm', () => {
    for (const row of picture.page.received) row!.fill(0.001).fill(0.2, 30, 31);
    const plain = lines(renderScan(picture));
    const at = plain.findIndex((line) => line.startsWith('[CLS] 0.1 %   [REG1]1 0.1 %'));
    // Position 30 is patch 28: row 3, column 4.
    expect(plain.slice(at + 1, at + 9).map((line) => line.length)).toEqual(Array(8).fill(16));
    expect(plain[at + 4]!.slice(8, 10)).toBe('▓2');
    expect(plain[at + 9]).toBe('shade: square root of the share; a digit: the rank of a sink; *: high norm');
    expect(section(renderScan(picture), 'High-norm tokens', 4).slice(2)).toEqual([
      'position  token  role   norm  × median  in layer  layers',
      '      30  3,4    patch   212       9.7         3  2–3',
    ]);
  });

  it('is read back as written, and refused with a role or a layer that there is not', () => {
    expect(parseScanResult(writeJson(picture)).page.highNorm).toEqual(picture.page.highNorm);
    expect(parseScanResult(writeJson(picture)).input.page[30]!.patch).toEqual({ row: 3, column: 4 });
    const other = structuredClone(picture);
    other.page.highNorm![0]!.layer = 4;
    expect(() => parseScanResult(JSON.stringify(other))).toThrow(
      'page.highNorm[0].layer: expected a layer below 4, found 4',
    );
  });
});

describe('attention to a memory', () => {
  const decoder = crossExample();

  it('is a map of the key that receives most, and all keys in one line', () => {
    const lines = section(renderScan(decoder), 'Cross-attention', 22);
    expect(lines.slice(2)).toEqual([
      '40 queries of the page, 50 keys. Key 7 0.14s receives most, 30.0 % on the mean;',
      'uniform attention would give 2.0 %.',
      '',
      'layer  0 1    mean',
      '     0 ▒▒▒▒   15 %',
      '     1 ▓▓██   45 %',
      '     2 ····    n/a',
      '   all ▒▒▓▓   30 %',
      '',
      '       blank < 3  ░ 3–10  ▒ 10–30  ▓ 30–60  █ ≥ 60 %',
      '       · n/a: no attention to the memory in this layer',
      '',
      `▁▁▁▁▁▁▁▅${'▁'.repeat(42)}`.replaceAll('▁', lines[14]![0]!),
      '',
      '0         10        20        30        40',
      'bar: square root of the share, ▁ < 1.6  ▃ 6–14  ▅ 25–39  █ ≥ 77 %',
      '',
      'Entropy of attention rows (nats)',
      '  measured           ▁▁▁  2',
      '  uniform attention  ███  3.91',
    ]);
  });

  it('is read back as written, and refused where sizes do not fit', () => {
    expect(parseScanResult(writeJson(decoder))).toEqual(decoder);
    const refuse = (change: (cross: NonNullable<(typeof decoder)['page']['cross']>) => void) => {
      const result = structuredClone(decoder);
      change(result.page.cross!);
      return () => parseScanResult(JSON.stringify(result));
    };
    expect(refuse((cross) => (cross.top = 50))).toThrow('page.cross.top: expected a key below 50, found 50');
    expect(refuse((cross) => cross.keys.pop())).toThrow(
      'page.cross.received[0]: expected 49 entries (one a key), found 50',
    );
    expect(refuse((cross) => (cross.patterns[0]!.T = 41))).toThrow(
      'page.cross.patterns[0].T: expected 1 to 40 tokens, found 41',
    );
    expect(refuse((cross) => (cross.patterns[0]!.values = 'AA=='))).toThrow(
      'page.cross.patterns[0].values: expected 2668 characters of base64 (2000 bytes), found 4 characters',
    );
  });
});

describe('a sound', () => {
  const sound = soundExample();

  it('stands under the bars of the memory, with a dot for the silence behind it', () => {
    const text = lines(renderScan(sound));
    const at = text.indexOf(`${'▁'.repeat(12)}${'▂'.repeat(8)}${'·'.repeat(30)}`);
    // Two columns a character, their level in one of four bands: a quarter of 7.5, 17.5, … of 255, from the 13th on above an eighth.
    expect(at).toBeGreaterThan(0);
    expect(text[at - 1]).toMatch(/^bar: /);
    expect(text[at + 1]).toBe('the sound over the same time: mean of its 4 bands; · silence from 0.4 s to 1 s');
  });

  it('stands under the bars of its own frames, which are scaled to the largest and not read out one by one', () => {
    const text = renderScan(frameExample());
    expect(text).toContain(`${'▅'.repeat(49)}█\n`);
    expect(text).toContain('bar: square root of the share, up to the largest, 5.0 %');
    expect(text).toContain('silence from 0.4 s to 1 s');
    expect(text).not.toContain('0.02s 0.04s');
  });

  it('is read back as written, and refused where sizes do not fit', () => {
    expect(parseScanResult(writeJson(sound))).toEqual(sound);
    const refuse = (change: (spectrogram: NonNullable<(typeof sound)['input']['spectrogram']>) => void) => {
      const result = structuredClone(sound);
      change(result.input.spectrogram!);
      return () => parseScanResult(JSON.stringify(result));
    };
    expect(refuse((spectrogram) => (spectrogram.bins = 5))).toThrow(
      'input.spectrogram.values: expected 668 characters of base64 (500 bytes), found 536 characters',
    );
    expect(refuse((spectrogram) => (spectrogram.columnSeconds = 0))).toThrow('input.spectrogram.columnSeconds: ');
  });

  it('has its seconds in words on the page', async () => {
    const { document } = parseHTML(await renderHtml(sound));
    expect(document.querySelector('#spectrogram p')!.textContent).toBe(
      'The spectrogram: 0.4 s of sound, filled up with silence to 1 s (dimmed); below it the attention that each moment receives from the queries of the page, as its square root.',
    );
    const own = parseHTML(await renderHtml(frameExample())).document;
    expect(own.querySelectorAll('#spectrogram').length).toBe(1);
    expect(parseHTML(await renderHtml(crossExample())).document.querySelector('#spectrogram')).toBeNull();
  });
});
