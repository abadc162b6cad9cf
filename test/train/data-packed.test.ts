import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { trainBpe } from '../../src/train/bpe.ts';
import { encodeCorpus } from '../../src/train/data-corpus-node.ts';
import type { CorpusHeader } from '../../src/train/data-header.ts';
import { drawnShift, shuffledOrder } from '../../src/train/data-order.ts';
import { PackedDataset, type PackedOptions } from '../../src/train/data-packed.ts';
import { openPackedDataset } from '../../src/train/data-packed-node.ts';

const hash = 'ab'.repeat(32);
const header = (tokens: number, vocabularySize = 5_000): CorpusHeader => ({
  format: 'sinklab-tokens',
  version: 1,
  tokens,
  type: 'uint16',
  bytes: 0,
  sha256: hash,
  tokenizer: { sha256: hash, vocabularySize },
  bosId: 0,
  source: 'x',
  cleaned: true,
  documentStarts: [0],
  documentBytes: [0],
});

/** Tokens 1, 2, 3, …: a token tells where it stood. */
function counting(tokens: number, options: PackedOptions) {
  const ids = Uint16Array.from({ length: tokens }, (_, i) => i + 1);
  return new PackedDataset({ read: async (start, count) => ids.slice(start, start + count) }, header(tokens), options);
}

const rowsOf = (batch: Int32Array, width: number) =>
  Array.from({ length: batch.length / width }, (_, b) => [...batch.subarray(b * width, (b + 1) * width)]);

describe('the order of sequences', () => {
  it.each([1, 2, 3, 63, 64, 65, 1_000])('of %i is a permutation', (size) => {
    const order = shuffledOrder(size, 1, 0);
    const all = Array.from({ length: size }, (_, place) => order(place));
    expect(all.toSorted((a, b) => a - b)).toEqual(all.map((_, i) => i));
  });

  it('differs by seed and epoch, is the same for the same, and leaves few where they were', () => {
    const of = (seed: number, epoch: number) => {
      const order = shuffledOrder(500, seed, epoch);
      return Array.from({ length: 500 }, (_, place) => order(place));
    };
    expect(of(3, 4)).toEqual(of(3, 4));
    const same = (a: number[], b: number[]) => a.filter((value, i) => value === b[i]).length;
    for (const other of [of(4, 4), of(3, 5), of(4, 3), of(0, 0)]) expect(same(of(3, 4), other)).toBeLessThan(10);
    expect(
      same(
        of(0, 0),
        Array.from({ length: 500 }, (_, i) => i),
      ),
    ).toBeLessThan(10);
    const rises = of(0, 0).filter((value, i, all) => i > 0 && value > all[i - 1]!).length;
    expect(Math.abs(rises - 250)).toBeLessThan(40);
  });

  it('is fixed for ever: a checkpoint of today goes on tomorrow', () => {
    const order = shuffledOrder(1_000_000, 42, 3);
    expect([0, 1, 2, 999_999].map(order)).toMatchInlineSnapshot(`
      [
        938784,
        945083,
        295456,
        535285,
      ]
    `);
    expect([0, 1, 2].map((epoch) => drawnShift(512, 42, epoch))).toMatchInlineSnapshot(`
      [
        477,
        199,
        232,
      ]
    `);
  });
});

describe('packed sequences', () => {
  it('begin with BOS, and each token is predicted once per epoch', async () => {
    const data = counting(23, { sequenceLength: 5, shuffle: false });
    expect(data.sequences).toBe(4);
    expect(rowsOf(await data.next(4), 6)).toEqual([
      [0, 1, 2, 3, 4, 5],
      [0, 6, 7, 8, 9, 10],
      [0, 11, 12, 13, 14, 15],
      [0, 16, 17, 18, 19, 20],
    ]);
  });

  it('with a free first token begin with the token before', async () => {
    const data = counting(21, { sequenceLength: 5, shuffle: false, firstToken: 'free' });
    expect(data.sequences).toBe(4);
    expect(rowsOf(await data.next(2), 6)).toEqual([
      [1, 2, 3, 4, 5, 6],
      [6, 7, 8, 9, 10, 11],
    ]);
    expect(counting(20, { sequenceLength: 5, shuffle: false, firstToken: 'free' }).sequences).toBe(3);
  });

  it('shuffled and shifted, an epoch still predicts no token twice, and other epochs cut elsewhere', async () => {
    const data = counting(1_000, { sequenceLength: 16, seed: 9 });
    const starts = new Set<number>();
    for (let epoch = 0; epoch < 5; epoch++) {
      const targets = rowsOf(await data.next(data.sequences), 17).flatMap(([, ...row]) => row);
      expect(new Set(targets).size).toBe(data.sequences * 16);
      expect(Math.max(...targets)).toBeLessThanOrEqual(1_000);
      starts.add(Math.min(...targets) % 16);
    }
    expect(data.position).toMatchObject({ epoch: 5, index: 0 });
    expect(starts.size).toBeGreaterThan(2);
  });

  it('go on exactly where a position was taken, across the end of an epoch', async () => {
    const options = { sequenceLength: 7, seed: 5 };
    const data = counting(100, options);
    await data.next(10);
    const position = JSON.parse(JSON.stringify(data.position));
    const wanted = [await data.next(5), await data.next(5)];
    const again = counting(100, options);
    again.seek(position);
    expect([await again.next(5), await again.next(5)]).toEqual(wanted);
    expect(again.position.epoch).toBe(1);
  });

  it('do not depend on how they are batched', async () => {
    const [one, many] = [counting(200, { sequenceLength: 8 }), counting(200, { sequenceLength: 8 })];
    const single = [...(await one.next(1)), ...(await one.next(1)), ...(await one.next(1))];
    expect([...(await many.next(3))]).toEqual(single);
    expect([...(await many.sequence(0, 1))]).toEqual(single.slice(9, 18));
  });

  it('refuse positions of other data or options, and options outside their range', async () => {
    const data = counting(100, { sequenceLength: 7 });
    expect(() => counting(100, { sequenceLength: 8 }).seek(data.position)).toThrow(
      'packed data, position: taken on other data or options (tokens abababababababab, length 7, first bos, shuffled, shifted, seed 0), ' +
        'this is tokens abababababababab, length 8, first bos, shuffled, shifted, seed 0; go on with the same',
    );
    expect(() => data.seek({ ...data.position, index: 13 })).toThrow('epoch 0, index 13 is outside 13 sequences');
    expect(() => counting(100, { sequenceLength: 0 })).toThrow('expected an integer of at least 1, got 0');
    expect(() => counting(100, { sequenceLength: 7, seed: -1 })).toThrow('from 0 to 4294967295, got -1');
    expect(() => counting(5, { sequenceLength: 7 })).toThrow(
      'packed data, sequenceLength: 5 tokens are too few for one sequence of 7 and a shift; use a shorter one',
    );
    const { bosId: _, ...withoutBos } = header(100);
    const source = { read: async () => [] };
    expect(() => new PackedDataset(source, withoutBos, { sequenceLength: 7 })).toThrow('names no BOS; use free');
    await expect(data.next(0)).rejects.toThrow('packed data, batch: expected an integer of at least 1, got 0');
    await expect(data.sequence(0, 13)).rejects.toThrow('expected an integer from 0 to 12, got 13');
  });

  it('refuse tokens outside the vocabulary and stay where they were', async () => {
    const source = { read: async (_: number, count: number) => new Uint16Array(count).fill(9) };
    const data = new PackedDataset(source, header(100, 9), { sequenceLength: 4 });
    await expect(data.next(2)).rejects.toThrow('token 9 is outside the vocabulary of 9');
    expect(data.position).toMatchObject({ epoch: 0, index: 0 });
  });

  it('are read from an encoded corpus on disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sinklab-packed-'));
    try {
      const text = 'the cat sat on the mat and the rat sat on the cat again. ';
      const { tokenizer, config } = await trainBpe([text], { vocabularySize: 270 });
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
      writeFileSync(join(folder, 'text.txt'), text);
      const output = join(folder, 'text.tokens');
      const { tokens } = await encodeCorpus(join(folder, 'text.txt'), output, { tokenizer: folder });
      const data = await openPackedDataset(output, { sequenceLength: 8, shuffle: false });
      const rows = rowsOf(await data.next(data.sequences), 9);
      expect(rows.length).toBe(Math.floor(tokens / 8));
      expect(rows.every(([first]) => first === 0)).toBe(true);
      await data.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
