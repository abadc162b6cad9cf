import { expect, it } from 'vitest';
import { describeTokens, tokenClass } from '../../src/load/token-roles.ts';
import type { Tokenizer } from '../../src/load/tokenizer.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

it.each([
  [' ', 'space'],
  ['\u00a0\u3000\t', 'space'],
  [' \n', 'newline'],
  ['\u2028', 'newline'],
  ['\r', 'newline'],
  [' the', 'letter'],
  ['\n\nThe', 'letter'],
  ['日本', 'letter'],
  ['\u0301', 'letter'],
  ['Å3', 'letter'],
  ['7', 'digit'],
  [' ²', 'digit'],
  ['Ⅷ', 'digit'],
  [',"', 'punctuation'],
  [' =', 'punctuation'],
  ['👍', 'punctuation'],
  ['_x', 'punctuation'],
  ['\u0000', 'other'],
  ['\u200b', 'other'],
  ['\u202e', 'other'],
  ['\ue000', 'other'],
  ['', 'other'],
] as const)('%j is %s', (text, expected) => {
  expect(tokenClass(bytes(text))).toBe(expected);
});

it('part of a character is a byte, whatever stands before it', () => {
  expect(tokenClass(Uint8Array.of(0xf0, 0x9f))).toBe('byte');
  expect(tokenClass(Uint8Array.of(0x20, 0xe2))).toBe('byte');
  expect(tokenClass(Uint8Array.of(0x9f))).toBe('byte');
});

it('roles follow one order: BOS id, first, template, special, text', () => {
  const texts = ['<s>', 'a', '</s>', ' b'];
  const tokenizer = {
    bosId: 0,
    specialIds: new Set([0, 2]),
    token: (id: number) => texts[id]!,
    tokenBytes: (id: number) => bytes(texts[id]!),
  } as unknown as Tokenizer;
  const roles = (ids: number[], options = {}) => describeTokens(ids, tokenizer, options).map((token) => token.role);
  expect(roles([0, 1, 2, 3])).toEqual(['bos', 'text', 'special', 'text']);
  expect(roles([2, 0, 1])).toEqual(['first', 'bos', 'text']);
  expect(roles([1, 2, 3, 1], { templateSpans: [[0, 3]] })).toEqual(['first', 'template', 'template', 'text']);
  expect(roles([0, 3], { bosId: 3 })).toEqual(['first', 'bos']);
  expect(describeTokens([3], tokenizer)).toEqual([{ position: 0, id: 3, text: ' b', role: 'first', class: 'letter' }]);
});
