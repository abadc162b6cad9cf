import { describe, expect, it } from 'vitest';
import { planCapture } from '../../src/models/capture.ts';
import { inspect } from '../../src/models/inspect.ts';
import { run } from '../../src/models/run.ts';
import { kinds, open, someIds } from './support.ts';

describe.each(kinds)('%s', (_, folder) => {
  it('the description accounts for every parameter, stored byte and hook point', async () => {
    await using model = await open(folder);
    const { weights, hooks, parameters, storedBytes } = inspect(model, { tokens: 13 });
    const total = (key: 'parameters' | 'bytes') => weights.reduce((sum, row) => sum + row[key], 0);
    expect([total('parameters'), total('bytes')]).toEqual([parameters, storedBytes]);
    expect(weights.reduce((sum, { layers }) => sum + (layers?.length ?? 1), 0)).toBe(model.weightShapes.size);
    expect(hooks.reduce((sum, { layers }) => sum + (layers?.length ?? 1), 0)).toBe(model.hookNames.length);
  });

  it('a planned capture costs what it then has', async () => {
    await using model = await open(folder);
    const plan = planCapture(model, { hooks: model.hookNames, B: 2, T: 13, positions: [3], heads: [0, 3] });
    const ids = [someIds(13), someIds(13, 5)];
    const { captured } = await run(
      model,
      { ids },
      { capture: model.hookNames, select: { positions: [3], heads: [0, 3] } },
    );
    expect(plan.map(({ name, shape, bytes }) => [name, shape, bytes])).toEqual(
      [...captured].map(([name, { shape, data }]) => [name, shape, data.byteLength]),
    );
  });
});

describe('a description', () => {
  it('folds layers and gives axis letters in stored order', async () => {
    await using model = await open(kinds.find(([name]) => name === 'gpt_oss')![1]);
    const { weights, windows, learnedSinks, rope, hooks, memory } = inspect(model, { tokens: 100 });
    expect(weights.find(({ name }) => name === 'model.layers.*.self_attn.q_proj.weight')).toEqual({
      name: 'model.layers.*.self_attn.q_proj.weight',
      layers: [0, 1, 2],
      axes: [
        ['G', 2],
        ['R', 2],
        ['D', 8],
        ['M', 32],
      ],
      shape: [32, 32],
      dtypes: [['F32', 3]],
      parameters: 3072,
      bytes: 12288,
    });
    expect({ windows, learnedSinks, theta: rope.rope_theta }).toEqual({
      windows: [6, null, 6],
      learnedSinks: [0, 1, 2],
      theta: 150000,
    });
    expect(hooks.find(({ name }) => name === 'blocks.*.attn.hook_pattern')).toEqual({
      name: 'blocks.*.attn.hook_pattern',
      layers: [0, 1, 2],
      axes: ['B', 'H', 'T', 'S'],
      shape: [1, 4, 100, 100],
      bytes: 160_000,
    });
    expect(memory.weights).toBe(4 * model.parameters);
  });

  it('refuses a number of tokens that is none', async () => {
    await using model = await open(kinds[0]![1]);
    expect(() => inspect(model, { tokens: 0 })).toThrow('tokens: expected a whole number from 1 to 10000000, got 0');
  });
});
