import { describe, expect, it } from 'vitest';
import type { Measured, MeasuredCurves } from '../../src/measure/result.ts';
import { scan } from '../../src/measure/scan.ts';
import { replaced } from '../../src/models/model.ts';
import { capture, ids, inputOf, mean, naiveMeans, off, openBundled } from './support.ts';

const norm = (values: ArrayLike<number>, start: number, width: number) => {
  let square = 0;
  for (let i = start; i < start + width; i++) square += values[i]! ** 2;
  return Math.sqrt(square);
};
const curve = (measured: readonly Measured[], title: string) =>
  measured.find((one) => one.title === title) as MeasuredCurves;

describe('a scan', () => {
  for (const family of ['llama', 'gemma3', 'gpt_oss', 'gpt2'])
    it(`${family}: attention to key 0, with and without row 0, and the sink rate equal plain loops over captured patterns`, async () => {
      await using model = await openBundled(family);
      const { H } = model.decoder.sizes;
      const T = 21;
      const texts = [ids(T), ids(T, 1), ids(T, 2)];
      const epsilons = [0.3, 0.1, 0.05];
      const { alpha, received, sinkRates, sinkRatesWindow } = await scan(model, inputOf(ids(9), texts), { epsilons });
      const captured = await Promise.all(texts.map((text) => capture(model, text)));
      const windows = model.decoder.blocks.map(({ window }) => window);
      // [texts][L][H]
      const each = (from: number) =>
        captured.map(({ pattern }) => pattern.map((layer, l) => naiveMeans(layer, H, T, 0, windows[l], from)));
      const merged = (values: number[][][]) =>
        windows.map((_, l) => Array.from({ length: H }, (_, h) => mean(values.map((text) => text[l]![h]!))));
      const [withRow0, withoutRow0] = [each(0), each(1)];
      expect(off(alpha, merged(withRow0))).toBeLessThan(1e-6);
      expect(off(received, merged(withoutRow0))).toBeLessThan(1e-6);
      const narrow = (l: number) => windows[l] !== undefined && windows[l]! < T;
      for (const [rates, among] of [
        [sinkRates, (l: number) => !narrow(l)],
        [sinkRatesWindow, narrow],
      ] as const) {
        const members = windows.flatMap((_, l) => (among(l) ? [l] : []));
        expect(rates === undefined).toBe(members.length === 0);
        rates?.forEach(({ epsilon, rate }) => {
          const shares = withRow0.map((text) =>
            mean(members.map((l) => mean(text[l]!.map((a) => (a > epsilon ? 1 : 0))))),
          );
          expect(rate.mean).toBeCloseTo(mean(shares), 12);
          expect(rate.n).toBe(3);
        });
      }
    });

  for (const family of ['llama', 'gemma3', 'gpt_oss'])
    it(`${family}: everything measured of the page equals plain loops over captured values, in chunks of every size`, async () => {
      await using model = await openBundled(family);
      const { H, G, D, M } = model.decoder.sizes;
      const page = ids(19);
      const T = page.length;
      const { pattern, residual, q, k, v, sink } = await capture(model, page);
      const windows = model.decoder.blocks.map(({ window }) => window ?? T);
      for (const chunk of [1, 5, 64]) {
        const { page: found } = await scan(model, inputOf(page), { chunk });
        const top = 0; // In so short a text no key is seen by enough queries to be the strongest.
        const expectedReceived = pattern.map((layer, l) =>
          Array.from({ length: T }, (_, s) => mean(naiveMeans(layer, H, T, s, windows[l], 1))),
        );
        expect(off(found.received, expectedReceived)).toBeLessThan(1e-6);
        expect(
          off(
            found.topSink,
            pattern.map((layer, l) => naiveMeans(layer, H, T, top, windows[l], 1)),
          ),
        ).toBeLessThan(1e-6);
        const sorted = residual.map((layer) => Array.from(layer, Math.abs).sort((a, b) => b - a));
        expect(
          off(
            found.curves.largest,
            sorted.map((values) => values.slice(0, 3)),
          ),
        ).toBeLessThan(1e-5);
        const medians = sorted.map((values) => (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2);
        expect(off(found.curves.median, medians)).toBeLessThan(1e-5);

        const both = (of: (layer: number, t: number) => number) => {
          const all = pattern.map((_, l) => Array.from({ length: T }, (_, t) => of(l, t)));
          return [all.map((layer) => layer[top]!), all.map((layer) => mean(layer.filter((_, t) => t !== top)))];
        };
        const heads = (values: ArrayLike<number>[], n: number) => (l: number, t: number) =>
          mean(Array.from({ length: n }, (_, h) => norm(values[l]!, (t * n + h) * D, D)));
        const expected = {
          'Norm of the residual': both((l, t) => norm(residual[l]!, t * M, M)),
          'Norm of queries': both(heads(q, H)),
          'Norm of keys': both(heads(k, G)),
          'Norm of values': both(heads(v, G)),
        };
        for (const [title, values] of Object.entries(expected))
          expect(
            off(
              curve(found.measured, title).series.map((one) => one.values),
              values,
            ),
            title,
          ).toBeLessThan(1e-5);

        const cosines = pattern.map((_, l) => {
          const sums = { top: 0, others: 0, topPairs: 0, otherPairs: 0 };
          for (let h = 0; h < H; h++)
            for (let t = 0; t < T; t++)
              for (let s = Math.max(0, t - windows[l]! + 1); s <= t; s++) {
                const [query, key] = [(t * H + h) * D, (s * G + Math.floor((h * G) / H)) * D];
                let dot = 0;
                for (let d = 0; d < D; d++) dot += q[l]![query + d]! * k[l]![key + d]!;
                const cosine = dot / (norm(q[l]!, query, D) * norm(k[l]!, key, D));
                if (s === top) [sums.top, sums.topPairs] = [sums.top + cosine, sums.topPairs + 1];
                else [sums.others, sums.otherPairs] = [sums.others + cosine, sums.otherPairs + 1];
              }
          return [sums.top / sums.topPairs, sums.others / sums.otherPairs];
        });
        const split = curve(found.measured, 'Cosine between queries and keys').series.map((one) => one.values);
        expect(off(split, [cosines.map(([first]) => first), cosines.map(([, second]) => second)])).toBeLessThan(1e-5);

        const rows = pattern.map((layer) =>
          Array.from({ length: H }, (_, h) =>
            Array.from({ length: T }, (_, t) => Array.from({ length: T }, (_, s) => layer[(h * T + t) * T + s]!)),
          ),
        );
        const entropyOf = (row: number[]) => -row.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
        const entropy = curve(found.measured, 'Entropy of attention rows');
        expect(
          off(
            entropy.series[0]!.values,
            rows.map((layer) => mean(layer.flat().map(entropyOf))),
          ),
        ).toBeLessThan(1e-5);
        const effective = found.measured.find(({ name }) => name === 'effective-keys')!;
        const mass = (row: number[]) => row.reduce((a, b) => a + b, 0);
        const normalised = (row: number[]) => row.map((p) => p / mass(row));
        const keys = rows.map((layer) =>
          layer.map((head) =>
            mean(head.filter((row) => mass(row) >= 0.001).map((row) => Math.exp(entropyOf(normalised(row))))),
          ),
        );
        // What is left beside a learned sink is a small difference of float32 numbers.
        const tolerance = family === 'gpt_oss' ? 1e-4 : 1e-5;
        expect(effective.kind === 'map' && off(effective.values, keys)).toBeLessThan(tolerance);

        if (family !== 'gpt_oss') expect(found.learnedSink).toBeUndefined();
        else {
          const mass = sink.map((layer) =>
            Array.from({ length: H }, (_, h) => mean(Array.from(layer!).slice(h * T, (h + 1) * T))),
          );
          expect(off(found.learnedSink, mass)).toBeLessThan(1e-6);
          const kept = rows.map((layer) =>
            layer.map((head) => 1 - mean(head.map((row) => row.reduce((a, b) => a + b, 0)))),
          );
          expect(off(found.learnedSink, kept)).toBeLessThan(1e-6);
        }
      }
    });

  it('gives patterns of the beginning of the page, one byte a cell', async () => {
    await using model = await openBundled('llama');
    const { H } = model.decoder.sizes;
    const page = ids(17);
    const { page: found } = await scan(model, inputOf(page), { patterns: 6 });
    const { pattern } = await capture(model, page.slice(0, 6));
    expect(found.patterns.map(({ layer, head, T }) => [layer, head, T])).toEqual(
      pattern.flatMap((_, l) => Array.from({ length: H }, (_, h) => [l, h, 6])),
    );
    for (const { layer, head, values } of found.patterns) {
      const bytes = Array.from(atob(values), (character) => character.charCodeAt(0) / 255);
      const exact = Array.from(pattern[layer]!).slice(head * 36, (head + 1) * 36);
      expect(off(bytes, exact)).toBeLessThanOrEqual(0.5 / 255 + 1e-6);
    }
  });

  it('of attention without queries and keys is exactly uniform, in full and window layers', async () => {
    for (const family of ['llama', 'gemma3']) {
      await using model = await openBundled(family, (name, values) =>
        /[qk]_proj/.test(name) ? values.fill(0) : values,
      );
      const page = ids(70);
      const {
        received,
        uniform,
        page: found,
        sinkRates,
      } = await scan(model, inputOf(page, [ids(66), ids(66, 1)]), {
        chunk: 32,
        epsilons: [0.05, 0.3],
      });
      expect(
        off(
          received,
          uniform.map((value) => received[0]!.map(() => value)),
        ),
      ).toBeLessThan(1e-6);
      expect(off(found.received, found.uniform)).toBeLessThan(1e-6);
      expect(sinkRates.map(({ rate }) => rate.mean)).toEqual(sinkRates.map((rate) => rate.uniform));
      for (const { name, baseline, ...one } of found.measured)
        if (typeof baseline !== 'string') {
          const values = one.kind === 'map' ? one.values.map((heads) => mean(heads!)) : one.series[0]!.values;
          expect(off(values, baseline), `${family} ${name}`).toBeLessThan(1e-5);
        }
      expect(found.sinks).toEqual([]);
    }
  });

  it('of one token repeated, without positions, is exactly uniform, and all positions are alike', async () => {
    // GPT-2 with its position table at zero has no positions at all.
    await using model = await openBundled('gpt2', (name, values) =>
      name.endsWith('wpe.weight') ? values.fill(0) : values,
    );
    const page = Array<number>(67).fill(11);
    const { page: found } = await scan(model, inputOf(page), { chunk: 16 });
    expect(off(found.received, found.uniform)).toBeLessThan(1e-6);
    const [top, others] = curve(found.measured, 'Norm of the residual').series;
    expect(off(top!.values, others!.values)).toBeLessThan(1e-6);
    expect(found.sinks).toEqual([]);
  });

  it('counts layers with a window apart, unless every layer has one', async () => {
    const sliding = { layer_types: Array<string>(3).fill('sliding_attention') };
    await using model = await openBundled('gemma3', undefined, sliding);
    const { sinkRates, sinkRatesWindow, uniform } = await scan(model, inputOf(ids(20)), { epsilons: [0.1] });
    expect(sinkRates).toEqual(sinkRatesWindow);
    expect(new Set(uniform).size).toBe(1);
    const wide = await scan(model, inputOf(ids(6)), { epsilons: [0.1] });
    expect(wide.sinkRatesWindow).toBeUndefined();
  });

  it('finds where massive activations sit over texts', async () => {
    // The embedding of one token has one huge entry, which the residual stream carries through every block.
    await using model = await openBundled('llama', (name, values) => {
      if (name.endsWith('embed_tokens.weight')) values[5 * (values.length / 97) + 2] = 5e4;
      return values;
    });
    if (model.decoder.sizes.V !== 97) throw new Error('the fixture has another vocabulary');
    const plain = (seed: number) => ids(16, seed).map((id) => (id === 5 ? 6 : id));
    const texts = [plain(0), plain(1).with(3, 5), plain(2).with(3, 5).with(9, 5), plain(3).with(4, 5)];
    const { massiveTexts, page } = await scan(model, inputOf(plain(4).with(7, 5), texts));
    const { L } = model.decoder.sizes;
    expect(massiveTexts).toMatchObject({ texts: 4, carrying: 3, more: 0, medianError: 1 / 512 });
    expect(massiveTexts!.places.map(({ value, ...place }) => place)).toEqual([
      { position: 3, dimension: 2, texts: 2, firstLayer: 0, lastLayer: L - 1 },
      { position: 4, dimension: 2, texts: 1, firstLayer: 0, lastLayer: L - 1 },
    ]);
    expect(page.massive[0]).toMatchObject({ layer: 0, position: 7, dimension: 2, massive: true });
    expect([page.written, page.erased]).toEqual([0, null]);
  });

  it('is finite where a window of one token lets every query see itself only, and where there is one layer', async () => {
    await using model = await openBundled('gemma3', undefined, { sliding_window: 1 });
    const { received, uniform, page: found } = await scan(model, inputOf(ids(8)));
    const own = model.decoder.blocks.map(({ window }) => window === 1);
    expect(own).toEqual([true, false, true]);
    expect(uniform.map((value) => value === 0)).toEqual(own);
    expect(received.map((heads) => heads!.every((value) => value === 0))).toEqual(own);
    expect(found.received[0]!.slice(0, 1)).toEqual([0]);
    expect(off(found.received[0]!.slice(1), [1, 1, 1, 1, 1, 1, 1])).toBeLessThan(1e-6);

    const { decoder } = model;
    const single = { ...decoder, blocks: decoder.blocks.slice(1, 2), sizes: { ...decoder.sizes, L: 1 } };
    const { page } = await scan(replaced(model, { stack: single }), inputOf(ids(70)));
    expect(page.received).toHaveLength(1);
    expect(page.sinks.every(({ kind }) => kind === 'attention only')).toBe(true);
  });

  it('counts its steps up to their number', async () => {
    await using model = await openBundled('llama');
    const { L } = model.decoder.sizes;
    const steps: [number, number, string][] = [];
    await scan(model, inputOf(ids(6), [ids(4)]), { controls: true, progress: (...step) => steps.push(step) });
    expect(steps.map(([done]) => done)).toEqual(Array.from({ length: 5 * L }, (_, i) => i + 1));
    expect(new Set(steps.map(([, total]) => total))).toEqual(new Set([5 * L]));
    expect([...new Set(steps.map(([, , what]) => what))]).toEqual([
      'scan',
      'shuffled, first token kept',
      'shuffled, first token moved',
      'random initialisation',
      'weights permuted',
    ]);
  });

  it('stops when its signal says so', async () => {
    await using model = await openBundled('llama');
    const stop = new AbortController();
    const seen: number[] = [];
    const progress = (done: number) => {
      seen.push(done);
      stop.abort(new Error('enough'));
    };
    await expect(scan(model, inputOf(ids(12)), { signal: stop.signal, progress, controls: true })).rejects.toThrow(
      'enough',
    );
    expect(seen).toEqual([1]);
  });

  it('refuses what it cannot measure', async () => {
    await using model = await openBundled('llama');
    const message = (page: number[], texts?: number[][], epsilons = [0.3]) =>
      scan(model, inputOf(page, texts), { epsilons }).then(
        () => 'no error',
        (error: Error) => `${error.name}: ${error.message}`,
      );
    expect(await message([3])).toBe('InputError: scan: expected a page of at least 2 tokens, got 1');
    expect(await message(ids(5), [])).toBe(
      'InputError: scan: expected at least one text for the sink rate, got none; leave texts out to use the page',
    );
    expect(await message(ids(5), [[3]])).toBe('InputError: scan: expected texts of at least 2 tokens, got 1');
    expect(await message(ids(5), [ids(4), ids(4), ids(6)])).toBe(
      'InputError: scan: the texts of the sink rate must have one length: text 0 has 4 tokens, text 2 has 6',
    );
    expect(await message(ids(5), undefined, [0])).toBe('InputError: sink rate: epsilon must lie in (0, 1), got 0');
    expect(await scan(model, { ...inputOf(ids(5)), tokens: [] }).catch(String)).toBe(
      'InputError: scan: expected a description of each of 5 tokens, got 0',
    );
  });

  it('refuses texts longer than a table of learned positions', async () => {
    await using model = await openBundled('gpt2');
    const { embeddedPositions: most } = model.decoder;
    const refusal = (page: number, text: number) => scan(model, inputOf(ids(page), [ids(text)])).catch(String);
    const told = (what: string) =>
      `InputError: scan: gpt2 has learned ${most} positions, ${what} has ${most! + 1} tokens; give a shorter one`;
    expect(await refusal(most! + 1, 4)).toBe(told('the page'));
    expect(await refusal(4, most! + 1)).toBe(told('text 0'));
  });

  it('says by layer that the model’s numbers are not finite', async () => {
    await using model = await openBundled('llama', (name, values) =>
      name.includes('layers.1.mlp.down_proj') ? values.fill(3e38) : values,
    );
    await expect(scan(model, inputOf(ids(8), [ids(6)]))).rejects.toThrow(
      /^residual of layer 1: .* is -?(Infinity|NaN)$|^residual: /,
    );
  });
});
