import { describe, expect, it } from 'vitest';
import { child } from './child.ts';

interface Peak {
  megabytes: number;
  pattern: number;
}

describe('peak memory of 24 blocks that each make a pattern of 8 MB', () => {
  const kinds = {
    plain: 'each column sum leaves by itself',
    scaled: 'the last output is scaled, which the runtime fuses',
    joined: 'the column sums leave as one tensor',
    summed: 'the column sums leave as one sum',
    late: 'the column sums are asked for after the last block',
  };
  for (const [kind, title] of Object.entries(kinds))
    it(`is one or two patterns when ${title}`, async () => {
      const { result } = await child<Peak>('peak', ['ordered', kind]);
      expect(result.megabytes).toBeLessThan(3 * result.pattern);
    });
  it('is less than one pattern when queries come in eight chunks', async () => {
    const { result } = await child<Peak>('peak', ['ordered', 'chunked']);
    expect(result.megabytes).toBeLessThan(result.pattern);
  });
  it('is all of them when outputs are leaves at their natural place', async () => {
    const { result } = await child<Peak>('peak', ['natural', 'plain']);
    expect(result.megabytes).toBeGreaterThan(15 * result.pattern);
  });
});
