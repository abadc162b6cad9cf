import { describe, expect, it } from 'vitest';
import { fuzz, type ReaderName, readers } from '../../scripts/fuzz-readers.ts';

describe('mutated files', () => {
  it.each(Object.keys(readers) as ReaderName[])(
    'of the %s reader are refused with a LoadError at every stage, or mean what a naive parser reads',
    async (reader) => {
      const { failures, refused, accepted } = await fuzz({ reader, count: 600, seed: 20_260 });
      expect(failures).toEqual([]);
      expect(accepted).toBeGreaterThan(0);
      const { other, ...stages } = refused;
      expect(other).toBe(0);
      // Reading a tensor fails for rare values only.
      for (const [stage, count] of Object.entries(stages))
        if (stage !== 'tensor read') expect(count, stage).toBeGreaterThan(0);
    },
  );

  it('are the same for the same seed', async () => {
    const options = { reader: 'index', count: 100, seed: 5 } as const;
    const { refused, accepted } = await fuzz(options);
    expect(await fuzz(options)).toMatchObject({ refused, accepted });
    expect(await fuzz({ ...options, seed: 6 })).not.toMatchObject({ refused });
  });
});
