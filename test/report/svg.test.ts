import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { renderSvg } from '../../src/report/svg.ts';
import { example, hostileTokens } from './example.ts';

describe('renderSvg', () => {
  const result = example({ layers: 6, heads: 4, tokens: 80 });

  it('draws one cell for each head of each layer, coloured by attention to key 0', () => {
    const { document } = parseHTML(renderSvg(result));
    const cells = document.querySelectorAll('[aria-label="cell"] rect');
    expect(cells.length).toBe(24);
    expect(new Set([...cells].map((cell) => cell.getAttribute('fill'))).size).toBeGreaterThan(4);
  });

  it('is well formed, needs nothing from outside and runs nothing', () => {
    const svg = renderSvg({ ...result, model: { ...result.model, source: `a/${hostileTokens.join('')}` } });
    expect(svg.startsWith('<svg ')).toBe(true);
    const { document } = parseHTML(svg);
    const elements = [...document.querySelectorAll('*')];
    expect(
      elements.filter(({ localName }) => ['script', 'img', 'a', 'use', 'foreignobject'].includes(localName)),
    ).toEqual([]);
    expect(elements.flatMap(({ attributes }) => [...attributes].filter(({ name }) => /^on|href/.test(name)))).toEqual(
      [],
    );
    expect(
      [...svg].filter((character) => character < '\n' || character === '\u001b' || character === '\u202e'),
    ).toEqual([]);
  });

  it('gives the same picture for the same result', () => {
    expect(renderSvg(result)).toBe(renderSvg(result));
  });
});
