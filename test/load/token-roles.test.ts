import { expect, it } from 'vitest';
import { describeFrames, describePatches, describeTokens, tokenClass } from '../../src/load/token-roles.ts';
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

it('class and separator come before everything else', () => {
  const texts = ['[PAD]', '[CLS]', '[SEP]', 'a'];
  const tokenizer = {
    bosId: 1,
    specialIds: new Set([0, 1, 2]),
    token: (id: number) => texts[id]!,
    tokenBytes: (id: number) => bytes(texts[id]!),
  } as unknown as Tokenizer;
  const options = { classId: 1, separatorId: 2 };
  const roles = describeTokens([1, 3, 2, 3, 2, 0], tokenizer, options).map(({ role }) => role);
  expect(roles).toEqual(['class', 'text', 'separator', 'text', 'separator', 'special']);
});

it('patches stand behind class token and registers, row by row', () => {
  const tokens = describePatches(['class', 'register', 'register'], { rows: 2, columns: 3 });
  expect(tokens.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(tokens.map(({ text }) => text)).toEqual([
    ...['[CLS]', '[REG1]', '[REG2]'],
    ...['0,0', '0,1', '0,2', '1,0', '1,1', '1,2'],
  ]);
  expect(tokens[7]).toEqual({
    ...{ position: 7, id: -1, text: '1,1', role: 'patch', class: 'other' },
    patch: { row: 1, column: 1 },
  });
  expect(describePatches(['class', 'distillation'], { rows: 1, columns: 1 }, 5)[1]).toEqual({
    ...{ position: 6, id: -1, text: '[DIST]', role: 'distillation', class: 'other' },
  });
});

it('frames begin where the one before them ends', () => {
  const frames = describeFrames(3, 0.02);
  expect(frames.map(({ text, seconds, role }) => [text, seconds, role])).toEqual([
    ['0.00s', 0, 'frame'],
    ['0.02s', 0.02, 'frame'],
    ['0.04s', 0.04, 'frame'],
  ]);
});
