import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_TEXT } from '../../src/load/default-text.ts';
import { pageIds, parseIds, protocolTexts } from '../../src/load/prompts.ts';
import { readText } from '../../src/load/prompts-node.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { bundled } from '../fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'sinklab-prompts-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const tokenizer = await loadTokenizer(bundled('tokenizers/folder'));

describe('ids', () => {
  it('are read from a line or a JSON list', () => {
    expect(parseIds('1,2, 3\n4', 10)).toEqual([1, 2, 3, 4]);
    expect(parseIds(' [0, 9] ', 10)).toEqual([0, 9]);
  });

  it.each([
    ['1,10', 'entry 1 is "10"; ids are integers from 0 to 9'],
    ['-1', 'entry 0 is "-1"'],
    ['[1.5]', 'entry 0 is 1.5'],
    ['[null]', 'entry 0 is null'],
    ['[1', 'not a JSON list of integers'],
    ['1e0', 'entry 0 is "1e0"'],
    [' ', 'no ids given'],
  ])('%j is refused', (text, message) => {
    expect(() => parseIds(text, 10)).toThrow(message);
  });
});

describe('a text file', () => {
  it('is read as UTF-8, packed or not, without its byte order mark', async () => {
    expect(await readText(file('a.txt', '\ufeffnaïve'))).toBe('naïve');
    expect(await readText(file('a.txt.gz', gzipSync('naïve')))).toBe('naïve');
  });

  it('that is missing, too large, a bomb, a folder or no UTF-8 is refused', async () => {
    await expect(readText(join(folder, 'none.txt'))).rejects.toThrow(/^--file .*none\.txt: no such file$/);
    await expect(readText(folder)).rejects.toThrow('not a file');
    await expect(readText(file('b.txt', 'abcd'), { maximumBytes: 3 })).rejects.toThrow('4 bytes, at most 3 are read');
    await expect(readText(file('c.gz', gzipSync('a'.repeat(1e6))), { maximumBytes: 5000 })).rejects.toThrow(
      'unpacks to more than 5000 bytes',
    );
    await expect(readText(file('d.gz', 'no gzip'))).rejects.toThrow('not a gzip file');
    await expect(readText(file('e.txt', Uint8Array.of(0xff, 0x20)), { option: '--corpus' })).rejects.toThrow(
      /^--corpus .*: not UTF-8 text/,
    );
  });
});

describe('the protocol', () => {
  it('takes equal, evenly spaced, repeatable texts that begin at words', () => {
    const { ids, bosAdded } = protocolTexts(DEFAULT_TEXT, tokenizer, { texts: 50 });
    expect(ids.length).toBe(50);
    expect(ids.every((list) => list.length === 64 && list[0] === 0)).toBe(true);
    expect(bosAdded).toBe(true);
    expect(protocolTexts(DEFAULT_TEXT, tokenizer, { texts: 50 }).ids).toEqual(ids);
    const texts = ids.map((list) => tokenizer.decode(list.slice(1)));
    let end = 0;
    for (const [index, text] of texts.entries()) {
      const at = DEFAULT_TEXT.indexOf(text, end);
      expect(at).toBeGreaterThanOrEqual(Math.max(end, index * Math.floor(DEFAULT_TEXT.length / 50)));
      if (index > 0) expect(DEFAULT_TEXT[at - 1]).toMatch(/\s/);
      end = at + text.length;
    }
    expect(protocolTexts(DEFAULT_TEXT, tokenizer, { texts: 1, tokens: 8, bos: 'none' }).ids[0]).toEqual(
      tokenizer.encode(DEFAULT_TEXT.slice(0, 400)).slice(0, 8),
    );
  });

  it('of a corpus that is too short says how many texts fit', () => {
    expect(() => protocolTexts('a few words only', tokenizer, { texts: 2, tokens: 64 })).toThrow(
      /^corpus: text 0 of 2 has room for \d+ tokens, 64 are needed; give a longer text, or ask for about 0 texts$/,
    );
    expect(() => protocolTexts('a', tokenizer, { texts: 0 })).toThrow(
      'texts: expected an integer from 1 to 100000, got 0',
    );
  });
});

describe('the page', () => {
  it('is the beginning of the text, BOS included, equal to encoding the whole', () => {
    const { ids, bosAdded, cut } = pageIds(DEFAULT_TEXT, tokenizer);
    expect(ids.length).toBe(1000);
    expect({ bosAdded, cut }).toEqual({ bosAdded: true, cut: true });
    expect(ids).toEqual([0, ...tokenizer.encode(DEFAULT_TEXT)].slice(0, 1000));
    expect(pageIds('short text', tokenizer, { bos: 'none' })).toEqual({
      ids: tokenizer.encode('short text'),
      bosAdded: false,
      cut: false,
    });
    expect(() => pageIds('', tokenizer)).toThrow('text: has no tokens');
  });
});
