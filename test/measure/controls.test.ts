import { describe, expect, it } from 'vitest';
import { controlSettings } from '../../src/measure/controls.ts';
import type { Control } from '../../src/measure/result.ts';
import { scan } from '../../src/measure/scan.ts';
import { seededRandom } from '../../src/random.ts';
import { ids, inputOf, off, openBundled } from './support.ts';

const control = (name: Control['name']) => controlSettings.find((one) => one.name === name)!;
const sorted = (values: ArrayLike<number>) => Array.from(values).sort((a, b) => a - b);
const text = [1, ...ids(63)];

describe('shuffled texts', () => {
  it('keep the first token in its place and move others', () => {
    const { ids: change, weights } = control('shuffled, first token kept');
    const changed = change(text, 0, seededRandom(3));
    expect(changed[0]).toBe(1);
    expect(sorted(changed)).toEqual(sorted(text));
    expect(changed.filter((id, i) => id === text[i]).length).toBeLessThan(16);
    expect(weights).toBeUndefined();
  });

  it('put another token first, or behind a BOS that stays', () => {
    const { ids: change } = control('shuffled, first token moved');
    const different = [...text.keys()];
    for (let seed = 0; seed < 50; seed++) {
      const changed = change(different, 0, seededRandom(seed));
      expect(changed[0]).not.toBe(0);
      expect(sorted(changed)).toEqual(different);
      const behind = change(different, 1, seededRandom(seed));
      expect(behind[0]).toBe(0);
      expect(behind[1]).not.toBe(1);
      expect(sorted(behind)).toEqual(different);
    }
  });

  it('are the same for the same seed, leave short texts alone, and never change the text they are given', () => {
    const { ids: change } = control('shuffled, first token moved');
    const given = [...text];
    expect(change(given, 0, seededRandom(5))).toEqual(change(given, 0, seededRandom(5)));
    expect(change(given, 0, seededRandom(5))).not.toEqual(change(given, 0, seededRandom(6)));
    expect(given).toEqual(text);
    expect(change([7], 1, seededRandom(0))).toEqual([7]);
    expect(change([7, 8], 1, seededRandom(0))).toEqual([7, 8]);
    expect(change([7, 8], 0, seededRandom(0))).toEqual([8, 7]);
  });
});

describe('changed weights', () => {
  for (const family of ['llama', 'gpt_oss'])
    it(`${family}: permuted ones have the same values in another order within each tensor, by the seed`, async () => {
      await using model = await openBundled(family);
      const permute = control('weights permuted').weights!;
      let moved = 0;
      for (const name of model.weightShapes.keys()) {
        const stored = await model.checkpoint.read(name);
        const changed = await permute(model, 1).checkpoint.read(name);
        expect(sorted(changed), name).toEqual(sorted(stored));
        expect(await permute(model, 1).checkpoint.read(name)).toEqual(changed);
        if (changed.some((value, i) => value !== stored[i])) moved++;
      }
      // Norms of the fixtures are not all ones, so that every tensor can be told from its permutation.
      expect(moved).toBe(model.weightShapes.size);
      const [name] = model.weightShapes.keys();
      expect(await permute(model, 2).checkpoint.read(name!)).not.toEqual(
        await permute(model, 1).checkpoint.read(name!),
      );
    });

  it('random ones have the deviation of the configuration, norms at one, biases and sinks at zero', async () => {
    await using model = await openBundled('gpt_oss');
    const { checkpoint } = control('random initialisation').weights!(model, 0);
    for (const [name, shape] of model.weightShapes) {
      const values = await checkpoint.read(name);
      if (/bias$|sinks$/.test(name))
        expect(
          values.every((value) => value === 0),
          name,
        ).toBe(true);
      else if (shape.length === 1)
        expect(
          values.every((value) => value === 1),
          name,
        ).toBe(true);
      else {
        const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
        expect(Math.abs(deviation / 0.02 - 1), name).toBeLessThan(0.15);
      }
    }
    await using gemma = await openBundled('gemma3');
    const random = control('random initialisation').weights!(gemma, 0).checkpoint;
    expect(await random.read('model.norm.weight')).toEqual(new Float32Array(gemma.decoder.sizes.M));
  });
});

describe('a scan with controls', () => {
  it('gives the same for the same seed, and no sink at random initialisation', async () => {
    await using model = await openBundled('llama');
    const input = inputOf(ids(70), [ids(64), ids(64, 1), ids(64, 2)]);
    const first = await scan(model, input, { controls: true, seed: 4 });
    const second = await scan(model, input, { controls: true, seed: 4 });
    expect(second).toEqual(first);
    const other = await scan(model, input, { controls: true, seed: 5 });
    other.controls.forEach(({ name, received }, i) => {
      expect(received, name).not.toEqual(first.controls[i]!.received);
    });
    expect({ ...other, controls: [] }).toEqual({ ...first, controls: [] });

    const random = first.controls.find(({ name }) => name === 'random initialisation')!;
    expect(random.rates).toEqual([{ epsilon: 0.3, rate: { mean: 0, deviation: 0, n: 3 }, uniform: 0 }]);
    expect(
      off(
        random.received,
        random.received.map((heads, l) => heads!.map(() => first.uniform[l]!)),
      ),
    ).toBeLessThan(0.01);
    expect(random.largestRatio).toBeLessThan(30);
  });

  it('announces no sink token and no massive activation in a random model', async () => {
    await using model = await openBundled('llama');
    const random = control('random initialisation').weights!(model, 0);
    const { page, notes, massiveTexts } = await scan(random, inputOf(ids(96), [ids(64), ids(64, 1)]));
    expect(page.sinks).toEqual([]);
    expect(notes).toEqual([
      'No key of the page receives more than 0.3 in any head and more than uniform attention gives it.',
    ]);
    expect([page.massive, page.written, page.erased]).toEqual([[], null, null]);
    expect(massiveTexts).toMatchObject({ carrying: 0, places: [] });
  });
});
