import { describe, expect, it } from 'vitest';
import { arxivLink, codeBlock, markdownTable, markdownText } from '../../src/report/markdown.ts';

describe('markdownText', () => {
  it('leaves nothing that could end a cell, begin an element or be set', () => {
    expect(markdownText('a|b')).toBe('a\\|b');
    expect(markdownText('<img src=x onerror=1> &lt;')).toBe('&lt;img src=x onerror=1&gt; &amp;lt;');
    expect(markdownText('`x` *y* _z_ [t](u) ~~s~~ $m$ \\')).toBe(
      '\\`x\\` \\*y\\* \\_z\\_ \\[t\\](u) \\~\\~s\\~\\~ \\$m\\$ \\\\',
    );
  });

  it('begins no list, heading or rule, and leaves numbers as they are', () => {
    expect(['- a', '# a', '+ a', '1. a', '2) a', '---', '==='].map(markdownText)).toEqual([
      '\\- a',
      '\\# a',
      '\\+ a',
      '1\\. a',
      '2\\) a',
      '\\---',
      '\\===',
    ]);
    expect(['0.31 ± 0.40', '-1', '−0.5', '12'].map(markdownText)).toEqual(['0.31 ± 0.40', '-1', '−0.5', '12']);
  });
});

describe('codeBlock', () => {
  it('has a fence longer than any in it', () => {
    expect(codeBlock('ts', 'f()')).toBe('```ts\nf()\n```');
    expect(codeBlock('text', 'a ```` b')).toBe('`````text\na ```` b\n`````');
  });
});

describe('markdownTable', () => {
  it('lines up numbers at the right', () => {
    expect(markdownTable([{ title: 'a' }, { title: 'b', right: true }], [['x', '1']])).toBe(
      '| a | b |\n| --- | ---: |\n| x | 1 |',
    );
  });
});

describe('arxivLink', () => {
  it('links what is an arXiv id and nothing else', () => {
    expect(arxivLink('2505.06708')).toBe('[arXiv 2505.06708](https://arxiv.org/abs/2505.06708)');
    expect(arxivLink('2505.06708) [x](javascript:1')).toBe('2505.06708) \\[x\\](javascript:1');
  });
});
