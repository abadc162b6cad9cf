import { describe, expect, it } from 'vitest';
import { renderCompare } from '../../src/report/terminal/compare.ts';
import { cellSize } from '../../src/report/terminal/map.ts';
import { heat, paint, ramp, wantsColor } from '../../src/report/terminal/paint.ts';
import { renderScan } from '../../src/report/terminal/scan.ts';
import { columns, cut, table, wrap } from '../../src/report/terminal/text.ts';
import { example } from './example.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences we write ourselves
const styles = /\u001b\[[0-9;]*m/g;
const unseen = /[\p{C}\p{Default_Ignorable_Code_Point}]/u;
const lines = (text: string) => text.replace(/\n$/, '').split('\n');

describe('renderScan', () => {
  const small = example({ layers: 4, heads: 3, tokens: 70 });

  it('draws the map with its layers, heads, means and legend', () => {
    small.received = [
      [0, 0.02, 0.05],
      [0.1, 0.29, 0.3],
      [0.59, 0.6, 1],
      [0, 0, 0],
    ];
    const text = lines(renderScan(small));
    const at = text.indexOf('Sink map');
    expect(text.slice(at, at + 12)).toEqual([
      'Sink map',
      'Mean attention to key 0 without its own row, over 100 texts of 64 tokens;',
      'uniform attention would give 5.6 %.',
      '',
      'layer  0 1 2    mean',
      '     0     ░░    2 %  writes',
      '     1 ▒▒▒▒▓▓   23 %',
      '     2 ▓▓████   73 %',
      '     3           0 %',
      '   all ▒▒▒▒▓▓   25 %',
      '',
      '       blank < 3  ░ 3–10  ▒ 10–30  ▓ 30–60  █ ≥ 60 %',
    ]);
  });

  it.each([
    [30, 9, 300, 80],
    [48, 64, 1000, 80],
    [48, 64, 200, 60],
    [2, 128, 64, 40],
    [1, 1, 1, 120],
  ])(
    'keeps every line of %i layers × %i heads and %i tokens within the width of the terminal',
    (layers, heads, tokens, width) => {
      const result = example({ layers, heads, tokens, windows: true, learnedSinks: true });
      for (const color of [false, true])
        for (const line of lines(
          renderScan(result, { width, color }) + renderCompare(result, result, { width, color }),
        ))
          expect(columns(line), line).toBeLessThanOrEqual(width);
    },
  );

  it('writes no control, format or lone surrogate of a token, a name or a note', () => {
    const result = example();
    const nasty = 'x\u001b]0;title\u0007\u202e\u009b\u200b\ud800';
    result.model.source = nasty;
    result.model.provenance.files[0]!.name = nasty;
    result.model.provenance.revision = nasty;
    result.input.source = nasty;
    result.notes.push(nasty);
    result.summary.push(nasty);
    for (const token of result.page.sinks) token.text = nasty;
    for (const color of [false, true]) {
      const text = renderScan(result, { color }) + renderCompare(result, example({ seed: 2 }), { color });
      expect(text.replace(styles, '').replaceAll('\n', '')).not.toMatch(unseen);
    }
  });

  it('writes no escape sequence without colour', () => {
    expect(renderScan(small)).not.toContain('\u001b');
    expect(renderScan(small, { color: true })).toContain('\u001b[');
  });

  it('marks the sinks in the overview and under their token', () => {
    const text = lines(renderScan(example({ layers: 4, heads: 3, tokens: 70 })));
    const at = text.findIndex((line) => line.startsWith('The page: '));
    expect(text[at + 4]!.indexOf('1')).toBe(0);
    expect(text[at + 4]!.indexOf('2')).toBe(37);
    expect(text.find((line) => line.startsWith('<|im_start|>'))).toContain(' ·attention ');
  });

  it('draws what measurements declare: a bar for each layer, its range, and the value under uniform attention', () => {
    const result = example({ layers: 4, heads: 2, tokens: 70 });
    const texts = { name: 'made-up', source: '2410.10781', about: 'Made up.', quantity: 'units' };
    result.page.measured = [
      {
        ...{ ...texts, kind: 'curves', title: 'Curves \u001b[31m', log: true, baseline: 'none: it is made up' },
        series: [
          { label: 'a', values: [1, 10, 100, 10_000] },
          { label: 'other', values: [0, 1, 1, 1] },
        ],
      },
      {
        ...{ ...texts, kind: 'map', title: 'A map', share: true, baseline: [0.5, 0.5, 0.5, 0.5] },
        values: [[0, 0], null, [0, 1], [1, 1]],
      },
    ];
    const text = lines(renderScan(result));
    const at = text.indexOf('Layer by layer');
    expect(text.slice(at + 3, at + 9)).toEqual([
      'Curves \\x1b[31m (units, logarithmic)',
      '  a      ▁▃▅█  1 to 10 000',
      '  other   ▁▁▁  0 to 1',
      'A map (units)',
      '  mean over heads    ▁ ▅█  0 % to 100.0 %',
      '  uniform attention  ▅▅▅▅  50.0 %',
    ]);
  });

  it('says so when there is no sink and no massive activation', () => {
    const result = example({ layers: 4, heads: 3, tokens: 70 });
    result.page.sinks = [];
    result.page.massive = [];
    const text = renderScan(result);
    expect(text).toContain('No token stands out.');
    expect(text).toContain(
      'Massive activations\n\nNone on the page.\nIn 98 of 100 texts (medians to 0.2 %): position 0',
    );
  });

  it('shows the learned sink as a map of its own and names layers without one', () => {
    const result = example({ layers: 3, heads: 2, tokens: 70, learnedSinks: true });
    result.page.learnedSink = [[0.5, 0.7], null, [0.1, 0.1]];
    expect(renderScan(result)).toContain('Mean mass on the learned sink, over the page; 35.0 % on the whole.');
    expect(renderScan(result)).toContain('no learned sink');
  });
});

describe('renderCompare', () => {
  it('sets figures of both beside their difference', () => {
    const a = example({ layers: 4, heads: 3, tokens: 70 });
    const b = structuredClone(a);
    b.sinkRates[0]!.rate.mean = 0.02;
    b.input.bosAdded = true;
    const text = lines(renderCompare(a, b));
    expect(text.find((line) => line.startsWith('sink rate at 0.3'))).toMatch(/ 52\.0 % +2\.0 % +−50\.0 %$/);
    expect(text).toContain('! BOS: not added in A, added in B.');
  });

  it('draws no difference between maps of different shapes', () => {
    const a = example({ layers: 4, heads: 3, tokens: 70 });
    expect(renderCompare(a, example({ layers: 4, heads: 3, tokens: 70 }))).toContain('Difference, B − A');
    expect(renderCompare(a, example({ layers: 5, heads: 3, tokens: 70 }))).not.toContain('Difference, B − A');
  });
});

describe('colour', () => {
  it('is wanted on a terminal, unless NO_COLOR is set; FORCE_COLOR decides over both', () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({}, {})).toBe(false);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor({}, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColor({ isTTY: true }, { FORCE_COLOR: '0' })).toBe(false);
  });

  it('rises in luminance with the value, so that it reads without hue', () => {
    const levels = [0, 95, 135, 175, 215, 255];
    const luminance = (code: number) =>
      [36, 6, 1]
        .map((base) => levels[Math.floor((code - 16) / base) % 6]! / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
    const values = ramp.map(luminance);
    expect(values).toEqual([...values].sort((x, y) => x - y));
    expect(new Set(values).size).toBe(ramp.length);
  });

  it('writes the percentage into cells of three columns and more', () => {
    expect(heat(0.624, 4, paint({ color: true })).replace(styles, '')).toBe(' 62 ');
    expect(heat(1, 4, paint({ color: true })).replace(styles, '')).toBe('100 ');
  });
});

describe('text', () => {
  it('joins heads only where a column each does not fit', () => {
    expect(cellSize(9, 80, false)).toEqual({ cell: 2, group: 1 });
    expect(cellSize(9, 80, true)).toEqual({ cell: 4, group: 1 });
    expect(cellSize(64, 80, true)).toEqual({ cell: 1, group: 1 });
    expect(cellSize(64, 60, true)).toEqual({ cell: 1, group: 2 });
  });

  it('measures wide characters as two columns when it cuts and wraps', () => {
    expect(cut('日本語テキスト', 7)).toBe('日本語…');
    expect(wrap('日本語 テキスト', 8)).toEqual(['日本語', 'テキスト']);
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });

  it('drops the least needed columns of a table that is too wide', () => {
    const at = (width: number) =>
      table([{ title: 'a' }, { title: 'bb', drop: 1 }, { title: 'ccc', drop: 2 }], [['1', '2', '3']], width)[0];
    expect([at(20), at(6), at(4)]).toEqual(['a  bb  ccc', 'a  bb', 'a']);
  });
});
