import { expect, it } from 'vitest';
import { PackedDataset } from '../../src/train/data-packed.ts';
import { packedBatches } from '../../src/train/packed-batches.ts';

const header = { tokens: 40, bosId: 1, sha256: 'ab'.repeat(32), tokenizer: { vocabularySize: 50 } } as never;
const source = { read: async (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i) };

it('gives packed sequences by the number of the batch as they come one after the other', async () => {
  const options = { sequenceLength: 6, seed: 3 };
  const data = new PackedDataset(source, header, options);
  const { batches, tokens, data: name } = packedBatches(new PackedDataset(source, header, options), 4);
  expect(tokens).toBe(24);
  expect(name).toContain('seed 3, 4 a batch');
  const found: number[][] = [];
  const expected: number[][] = [];
  for (let i = 0; i < 4; i++) {
    const { ids } = await batches(i);
    expect(ids!.shape).toEqual([4, 7]);
    found.push(Array.from(ids!.data as BigInt64Array, Number));
    expected.push([...(await data.next(4))]);
  }
  expect(found).toEqual(expected);
  expect(data.position.epoch).toBeGreaterThan(1);
  expect([...((await batches(1)).ids!.data as BigInt64Array)].map(Number)).toEqual(found[1]);
});
