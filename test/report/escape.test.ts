import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { embeddedJson, escapeText, visibleToken } from '../../src/report/escape.ts';

describe('escapeText', () => {
  it('shows C0 and C1 controls by their code', () => {
    expect(escapeText('\u001b[31mred\u001b[0m \u0000 \u009b2J\u007f\r')).toBe(
      '\\x1b[31mred\\x1b[0m \\x00 \\x9b2J\\x7f\\x0d',
    );
  });

  it('shows every bidirectional control by its code', () => {
    for (const point of [
      0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069,
    ])
      expect(escapeText(`a${String.fromCodePoint(point)}b`)).toBe(`a\\u{${point.toString(16)}}b`);
  });

  it('shows zero-width characters, fillers, tags, variation selectors and lone surrogates by their code', () => {
    expect(escapeText('\u200b\u200d\ufeff\u00ad\u3164\u{e0041}\ufe0f\ud83d')).toBe(
      '\\u{200b}\\u{200d}\\u{feff}\\xad\\u{3164}\\u{e0041}\\u{fe0f}\\u{d83d}',
    );
  });

  it('shows separators other than the plain space by their code', () => {
    expect(escapeText('a b\u00a0c\u2028d\u3000e')).toBe('a b\\xa0c\\u{2028}d\\u{3000}e');
  });

  it('gives a leading combining mark a base and cuts a pile of them after the third', () => {
    expect(escapeText('\u0301')).toBe('◌\u0301');
    expect(escapeText('e\u0301\u0302\u0303\u0304')).toBe('e\u0301\u0302\u0303\\u{304}');
  });

  it('leaves letters of every script, symbols and emoji as they are', () => {
    for (const text of ['naïve', '日本語', 'עברית', 'हिन्दी', '∑≤', '🙂', '</script>', 'Ġthe'])
      expect(escapeText(text)).toBe(text);
  });

  it('leaves nothing unseen for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(visibleToken(a + b)).not.toMatch(/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u);
      }),
      { numRuns: 100 },
    );
  });
});

describe('visibleToken', () => {
  it('shows space, newline and tab by signs and an empty token as ∅', () => {
    expect(visibleToken(' the\n\n\tend ')).toBe('·the↵↵→end·');
    expect(visibleToken('')).toBe('∅');
  });
});

describe('embeddedJson', () => {
  it('holds no character that could end the script element, and reads back equal', () => {
    const value = { text: '</script><!--\u2028\u2029&' };
    expect(embeddedJson(value)).not.toMatch(/[<>&\u2028\u2029]/);
    expect(JSON.parse(embeddedJson(value))).toEqual(value);
  });
});
