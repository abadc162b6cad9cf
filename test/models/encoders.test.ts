import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/models/run.ts';
import { copied, familyFolder, open, someIds } from './support.ts';

const names = ['bert', 'roberta', 'distilbert', 'electra', 'modernbert', 'openai_privacy_filter'] as const;
const present = names.flatMap((name) => {
  const folder = familyFolder(name);
  return folder === undefined ? [] : [[name, folder] as const];
});
const patterns = ['blocks.*.attn.hook_pattern'] as const;

describe.each(present)('%s', (name, folder) => {
  it('sees in both directions, and no further than its windows', async () => {
    await using model = await open(folder);
    const { captured } = await run(model, { ids: [someIds(13)] }, { capture: patterns });
    for (const [layer, { window = 13 }] of model.stack.blocks.entries()) {
      const pattern = captured.get(`blocks.${layer}.attn.hook_pattern`)!.data as Float32Array;
      for (let t = 0; t < 13; t++)
        for (let s = 0; s < 13; s++) expect(pattern[t * 13 + s]! > 0).toBe(Math.abs(t - s) < window);
    }
    expect(model.stack.blocks.map(({ window }) => window)).toEqual(
      { modernbert: [undefined, 5, 5], openai_privacy_filter: [7, 7, 7] }[name as string] ?? Array(3).fill(undefined),
    );
  });

  it('a configuration with any key of another kind is refused or read as what it says', async () => {
    const folderOf = await copied(folder);
    const path = join(folderOf, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    for (const key of Object.keys(config))
      for (const value of [-1, 0.5, 'no', [null], { a: 1 }]) {
        await writeFile(path, JSON.stringify({ ...config, [key]: value }));
        const outcome = await open(folderOf).then(
          async (model) => {
            await model.dispose();
            return 'loaded';
          },
          (error: Error) => error.name,
        );
        expect({ key, value, outcome: ['loaded', 'LoadError'].includes(outcome) ? 'fine' : outcome }).toEqual({
          ...{ key, value },
          outcome: 'fine',
        });
      }
  });
});

it.skipIf(present.length < names.length)('all were tried (needs the shared fixtures: SINKLAB_FIXTURES)', () => {
  expect(present.map(([name]) => name)).toEqual([...names]);
});
