import { describe, expect, it } from 'vitest';
import * as exported from '../../src/attention/index.ts';
import type { Mechanism } from '../../src/attention/mechanism.ts';
import { mechanismFiles } from '../../src/attention/registry.ts';

const names = Object.keys(exported);

/** What an example gives where nothing but the exports is at hand. */
const evaluated = (example: string): Mechanism =>
  new Function(...names, `'use strict'; return ${example};`)(...Object.values(exported));

/** Examples that are no variant of the comparison: none so far. */
const apart: readonly string[] = [];

describe('what mechanism files say of themselves', () => {
  it.each(mechanismFiles.map((file) => [file.title, file] as const))(
    '%s: the example is one call of an export and gives one of the variants',
    (_, { example, variants, card }) => {
      expect(example).toMatch(/^[a-zA-Z]+\([^\n]*\)$/);
      const mechanism = evaluated(example);
      expect(typeof mechanism.attention).toBe('function');
      expect(mechanism.source).not.toBe('');
      const known = variants.map((variant) => variant.mechanism().name);
      if (!apart.includes(card)) expect(known).toContain(mechanism.name);
    },
  );

  it.each(mechanismFiles.map((file) => [file.title, file] as const))(
    '%s: the first citation is the source, and all are whole',
    (_, { citations, source }) => {
      expect(citations[0]?.arxiv).toBe(source);
      for (const { authors, title, year, arxiv } of citations) {
        expect(authors).toMatch(/^\S.*[^\s,.]$|et al\.$/);
        expect(title).toMatch(/^\S.*\S$/);
        expect(year).toBeGreaterThanOrEqual(2017);
        if (arxiv !== undefined) expect(arxiv).toMatch(/^\d{4}\.\d{5}$/);
      }
    },
  );

  it('no two mechanisms have one title', () => {
    const titles = mechanismFiles.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
