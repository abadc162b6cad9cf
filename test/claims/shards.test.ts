import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Experiment } from '../../src/claims/experiment.ts';
import { runShards } from '../../src/claims/run-shards.ts';
import { shardKey, shardOf } from '../../src/claims/shard.ts';
import { folderStore } from '../../src/claims/shard-store-node.ts';

const doubling: Experiment<{ value: number; name: string }, { twice: number }> = {
  name: 'doubling',
  version: 1,
  setting: z.strictObject({ value: z.number(), name: z.string() }),
  result: z.strictObject({ twice: z.number() }),
  run: async ({ value }, seed) => ({ twice: 2 * value + seed }),
};

const shards = [1, 2, 3].map((value) => shardOf(doubling, { value, name: 'a' }, 10));

describe('the key of a shard', () => {
  it('is the same for the same run, however its setting is written', async () => {
    const [one, other] = [shardOf(doubling, { value: 1, name: 'a' }, 0), shardOf(doubling, { name: 'a', value: 1 }, 0)];
    expect(await shardKey(one)).toBe(await shardKey(other));
    expect(await shardKey(one)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is another one for another setting, seed, or version of the experiment', async () => {
    const keys = [
      shardOf(doubling, { value: 1, name: 'a' }, 0),
      shardOf(doubling, { value: 1, name: 'b' }, 0),
      shardOf(doubling, { value: 1, name: 'a' }, 1),
      shardOf({ ...doubling, version: 2 }, { value: 1, name: 'a' }, 0),
    ].map(shardKey);
    expect(new Set(await Promise.all(keys)).size).toBe(4);
  });

  it('is not made for a setting that does not fit', () => {
    expect(() => shardOf(doubling, { value: 'one', name: 'a' } as never, 0)).toThrow(/value/);
  });
});

describe('a set of shards', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sinklab-shards-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
  });
  const options = () => ({ experiment: doubling, shards, store: folderStore(folder) });
  const run = async (shard: (typeof shards)[number]) => doubling.run(shard.setting, shard.seed, {} as never);

  it('gives results in the order of the shards, and runs nothing twice', async () => {
    let runs = 0;
    const counted = async (shard: (typeof shards)[number]) => {
      runs++;
      return run(shard);
    };
    const expected = [{ twice: 12 }, { twice: 14 }, { twice: 16 }];
    expect(await runShards({ ...options(), run: counted, atOnce: 2 })).toEqual(expected);
    expect(await runShards({ ...options(), run: counted })).toEqual(expected);
    expect(runs).toBe(3);
  });

  it('keeps what was finished before a failure, and goes on from there', async () => {
    const failing = async (shard: (typeof shards)[number]) => {
      if (shard.setting.value === 3) throw new Error('no third');
      return run(shard);
    };
    await expect(runShards({ ...options(), run: failing })).rejects.toThrow('no third');
    expect(await readdir(join(folder, 'doubling'))).toHaveLength(2);
    const told: number[] = [];
    await runShards({ ...options(), run, progress: ({ found }) => told.push(found) });
    expect(told[0]).toBe(2);
  });

  it('does not keep a result that only says what was missing', async () => {
    const missing = { ...doubling, keeps: ({ twice }: { twice: number }) => twice !== 14 };
    await runShards({ ...options(), experiment: missing, run });
    expect(await readdir(join(folder, 'doubling'))).toHaveLength(2);
  });

  it('stops when it is told to', async () => {
    const abort = new AbortController();
    const stopping = async (shard: (typeof shards)[number]) => {
      abort.abort(new Error('interrupted'));
      return run(shard);
    };
    await expect(runShards({ ...options(), run: stopping, signal: abort.signal })).rejects.toThrow('interrupted');
    expect(await readdir(join(folder, 'doubling'))).toHaveLength(1);
  });

  it('refuses a result that does not fit, from a run and from the store', async () => {
    const bad = async () => ({ twice: 'two' });
    await expect(runShards({ ...options(), run: bad })).rejects.toThrow(
      /^result of doubling, seed 10: twice: .*; remove it to run its shard again$/,
    );
    await runShards({ ...options(), run });
    const file = join(folder, 'doubling', `${await shardKey(shards[1]!)}.json`);
    await writeFile(file, '{"result": {"twice": null}}');
    await expect(runShards({ ...options(), run })).rejects.toThrow(/^result of doubling, seed 10: twice/);
    await writeFile(file, '{"result": ');
    await expect(runShards({ ...options(), run })).rejects.toThrow(
      `${file}: not JSON; remove it to run its shard again`,
    );
  });
});
