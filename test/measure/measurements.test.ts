import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Collection } from '../../src/measure/collection.ts';
import type { Collector, Measurement, TextLayer } from '../../src/measure/measurement.ts';
import { measurement as effectiveKeys } from '../../src/measure/measurements/effective-keys.ts';
import { columnSums, rowEntropy } from '../../src/measure/reductions.ts';
import { measurements } from '../../src/measure/registry.ts';
import { feed } from '../../src/models/feed.ts';
import { Layerwise } from '../../src/models/layerwise.ts';
import type { Model } from '../../src/models/model.ts';
import { ids, openBundled } from './support.ts';

const settingOf = ({ decoder }: Model, tokens: number) => ({
  tokens,
  sizes: decoder.sizes,
  windows: decoder.blocks.map(({ window }) => window ?? null),
  epsilons: [0.3],
});

/** Every measurement over these texts, in one batch. */
async function collect(model: Model, texts: readonly number[][], of = measurements): Promise<Collection> {
  const collection = new Collection(of, settingOf(model, texts[0]!.length));
  const engine = new Layerwise(model, { reduce: collection.reductions });
  for await (const output of engine.run([feed(model.stack, { ids: texts })])) collection.add(output);
  return collection;
}

describe('every measurement', () => {
  it('is one file named after it, with a source and a way to be shown', () => {
    const folder = fileURLToPath(new URL('../../src/measure/measurements', import.meta.url));
    expect(measurements.map(({ name }) => `${name}.ts`)).toEqual(readdirSync(folder).sort());
    for (const { name, source, view, pictures, baseline } of measurements) {
      expect(source, name).toMatch(/^\d{4}\.\d{5}$/);
      expect([view === undefined, pictures === undefined], name).toContain(false);
      if (typeof baseline === 'string') expect(baseline.length, name).toBeGreaterThan(20);
    }
  });

  it('is explained by a worked example in CONTRIBUTING.md, which is the file itself', () => {
    const text = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
    const [, example] = /<!-- worked example -->\n\n```ts\n([\s\S]*?)```\n/.exec(text('CONTRIBUTING.md'))!;
    expect(example).toBe(text('src/measure/measurements/effective-keys.ts'));
  });

  it('gives the same of two halves merged as of the whole, where it merges', async () => {
    await using model = await openBundled('gpt_oss');
    const texts = [ids(17), ids(17, 1), ids(17, 2), ids(17, 3), ids(17, 4)];
    const merging = measurements.filter(({ collect }) => 'merge' in collect(settingOf(model, 17)));
    expect(merging.map(({ name }) => name)).toEqual([
      'effective-keys',
      'entropy',
      'learned-sink',
      'massive-places',
      'sink-rate',
    ]);
    for (const measurement of merging) {
      const made: Collector<unknown>[] = [];
      const kept: Measurement = {
        ...measurement,
        collect: (setting) => {
          made.push(measurement.collect(setting));
          return made.at(-1)!;
        },
      };
      const whole = (await collect(model, texts, [kept])).found(kept);
      await collect(model, texts.slice(0, 2), [kept]);
      await collect(model, texts.slice(2), [kept]);
      const [, first, second] = made;
      expect(first!.finish()).not.toEqual(whole);
      first!.merge!(second as never);
      expect(round(first!.finish()), measurement.name).toEqual(round(whole));
    }
  });

  it('refuses to merge texts of another length, where it merges', async () => {
    await using model = await openBundled('llama');
    for (const { name, collect: start } of measurements) {
      const collector = start(settingOf(model, 17));
      if (collector.merge === undefined) continue;
      expect(() => collector.merge!(start(settingOf(model, 19)) as never), name).toThrow(
        /texts of 17 and 19 tokens cannot be merged/,
      );
    }
    await using other = await openBundled('gpt2');
    const means = effectiveKeys.collect(settingOf(model, 17));
    expect(() => means.merge!(effectiveKeys.collect(settingOf(other, 17)) as never)).toThrow('they are other models');
  });

  it('has in its pictures one finite number for each layer and head, and no head where a layer has none', async () => {
    await using model = await openBundled('gpt_oss');
    const { L, H } = model.decoder.sizes;
    const pictures = (await collect(model, [ids(40)])).pictures({ top: 3 });
    expect(pictures.length).toBeGreaterThan(5);
    for (const one of pictures) {
      const rows = one.kind === 'map' ? one.values.map((heads) => heads!) : one.series.map(({ values }) => values);
      expect(
        rows.every((row) => row.every(Number.isFinite)),
        one.title,
      ).toBe(true);
      expect(
        rows.map(({ length }) => length),
        one.title,
      ).toEqual(rows.map(() => (one.kind === 'map' ? H : L)));
      if (typeof one.baseline !== 'string') expect(one.baseline).toHaveLength(L);
    }
  });
});

describe('a collection', () => {
  const measurement = (name: string, given: Partial<Measurement<TextLayer[]>>): Measurement<TextLayer[]> => ({
    ...{ name, title: name, source: '2410.10781', over: 'page', reductions: {}, takes: [], baseline: 'none: a test' },
    collect: () => {
      const parts: TextLayer[] = [];
      return { add: (part) => parts.push(part), finish: () => parts };
    },
    ...given,
  });

  it('hands each measurement one text at a time, and only what it declares', async () => {
    await using model = await openBundled('llama');
    const { L, H, M, G, D } = model.decoder.sizes;
    const sums = measurement('sums', { reductions: { columnSums } });
    const values = measurement('values', { takes: ['residual', 'v'] });
    const collection = await collect(model, [ids(7), ids(7, 1)], [sums, values]);
    const shapes = (parts: TextLayer[]) =>
      parts.map(({ text, layer, reduced, residual, k, v }) => [
        ...[
          text,
          layer,
          Object.entries(reduced)
            .map(([name, { length }]) => `${name} ${length}`)
            .join(),
        ],
        ...[residual.length, k.length, v.length],
      ]);
    const places = Array.from({ length: 2 * L }, (_, i) => [i % 2, Math.floor(i / 2)]);
    expect(shapes(collection.found(sums))).toEqual(places.map((at) => [...at, `columnSums ${H * 7}`, 0, 0, 0]));
    expect(shapes(collection.found(values))).toEqual(places.map((at) => [...at, '', 7 * M, 0, 7 * G * D]));
  });

  it('refuses one name for two reductions, and a measurement that it does not hold', async () => {
    await using model = await openBundled('llama');
    const clash = [
      measurement('a', { reductions: { x: columnSums } }),
      measurement('b', { reductions: { x: rowEntropy } }),
    ];
    expect(() => new Collection(clash, settingOf(model, 4))).toThrow(
      'measurement "b": reduction "x" is another one elsewhere; rename it',
    );
    expect(() => new Collection([], settingOf(model, 4)).found(effectiveKeys)).toThrow(
      'collection: "effective-keys" was not measured',
    );
  });
});

describe('the effective number of keys', () => {
  const sizes = { L: 1, H: 2, G: 1, D: 1, M: 1 };
  const setting = { tokens: 2, sizes, windows: [null], epsilons: [0.3] };
  const finish = (reduced: Record<string, number[]>) => {
    const collector = effectiveKeys.collect(setting);
    const none = new Float32Array(0);
    const arrays = Object.fromEntries(Object.entries(reduced).map(([name, row]) => [name, Float64Array.from(row)]));
    collector.add({ text: 0, layer: 0, reduced: arrays, residual: none, k: none, v: none });
    return collector.finish();
  };
  const closeTo = (values: number[]) => [values.map((value) => expect.closeTo(value, 12))];

  it('is n for rows that are uniform over n keys and 1 for rows on one key', () => {
    expect(finish({ rowEntropy: [0, Math.log(2), 0, 0] })).toEqual(closeTo([1.5, 1]));
  });

  it('is that of the row over the keys beside a learned sink, and leaves out rows that are all on the sink', () => {
    // Two keys with a quarter each and the sink with a half: −2 · ¼ ln ¼ = ln 2, over the keys alone uniform over two.
    expect(finish({ rowEntropy: [0, Math.log(2), 0, 0], sinkMass: [0, 0.5, 0, 1] })).toEqual(closeTo([1.5, 1]));
  });
});

/** Sums in another order differ in the last bits. */
function round(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, one) => (typeof one === 'number' ? Number(one.toPrecision(12)) : one));
}
