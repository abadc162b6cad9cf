import { describe, expect, it } from 'vitest';
import type { MeasuredCurves } from '../../src/measure/result.ts';
import { scan } from '../../src/measure/scan.ts';
import { scoreSplit } from '../../src/measure/score-split.ts';
import { findSinkTokens } from '../../src/measure/sink-tokens.ts';
import { generator } from './naive/patterns.ts';
import { bidirectional, capture, ids, inputOf, mean, naiveMeans, off, openBundled, tokensOf } from './support.ts';

const windows = [undefined, 4, undefined];

describe('a scan of bidirectional attention', () => {
  it('equals plain loops over captured patterns, in chunks of every size; row 0 is counted like any other', async () => {
    await using causal = await openBundled('llama');
    const model = bidirectional(causal, windows);
    const { H, L } = model.stack.sizes;
    const T = 13;
    const texts = [ids(T), ids(T, 1)];
    const page = ids(19, 2);
    const captured = await Promise.all(texts.map((text) => capture(model, text)));
    const looked = await capture(model, page);
    // Later keys are seen: the first query of a full layer has mass after itself.
    expect(looked.pattern[0]![18]).toBeGreaterThan(0);
    for (const chunk of [1, 5, 64]) {
      const found = await scan(model, inputOf(page, texts), { chunk, epsilons: [0.05] });
      const each = captured.map(({ pattern }) =>
        pattern.map((layer, l) => naiveMeans(layer, H, T, 0, windows[l], 0, true)),
      );
      const merged = Array.from({ length: L }, (_, l) =>
        Array.from({ length: H }, (_, h) => mean(each.map((text) => text[l]![h]!))),
      );
      expect(off(found.alpha, merged)).toBeLessThan(1e-6);
      expect(off(found.received, found.alpha)).toBeLessThan(1e-14);
      const shares = each.map((text) => mean([0, 2].flatMap((l) => text[l]!.map((a) => (a > 0.05 ? 1 : 0)))));
      expect(found.sinkRates[0]!.rate.mean).toBeCloseTo(mean(shares), 12);
      const narrow = each.map((text) => mean(text[1]!.map((a) => (a > 0.05 ? 1 : 0))));
      expect(found.sinkRatesWindow![0]!.rate.mean).toBeCloseTo(mean(narrow), 12);
      expect(off([found.uniform[0], found.uniform[2]], [1 / T, 1 / T])).toBeLessThan(1e-12);
      const received = looked.pattern.map((layer, l) =>
        page.map((_, k) => mean(naiveMeans(layer, H, page.length, k, windows[l], 0, true))),
      );
      expect(off(found.page.received, received)).toBeLessThan(1e-6);
      const entropy = found.page.measured.find(({ name }) => name === 'entropy') as MeasuredCurves;
      const rows = looked.pattern.map(
        (layer) => -mean(Array.from(layer, (p) => (p > 0 ? p * Math.log(p) : 0))) * page.length,
      );
      expect(off(entropy.series[0]!.values, rows)).toBeLessThan(1e-5);
    }
  });

  it('without queries and keys is exactly uniform: 1 / S in layers with full attention', async () => {
    await using causal = await openBundled('llama', (name, values) =>
      /[qk]_proj/.test(name) ? values.fill(0) : values,
    );
    const model = bidirectional(causal, windows);
    const found = await scan(model, inputOf(ids(40), [ids(36)]), { chunk: 16, epsilons: [0.02, 0.3] });
    expect(
      off(
        found.received,
        found.uniform.map((value) => found.received[0]!.map(() => value)),
      ),
    ).toBeLessThan(1e-6);
    expect(off(found.page.received, found.page.uniform)).toBeLessThan(1e-6);
    expect(off(found.page.uniform[0], Array(40).fill(1 / 40))).toBeLessThan(1e-12);
    expect(found.sinkRates.map(({ rate }) => rate.mean)).toEqual(found.sinkRates.map(({ uniform }) => uniform));
    expect(found.page.sinks).toEqual([]);
    for (const { name, baseline, ...one } of found.page.measured)
      if (typeof baseline !== 'string') {
        const values = one.kind === 'map' ? one.values.map((heads) => mean(heads!)) : one.series[0]!.values;
        expect(off(values, baseline), name).toBeLessThan(1e-5);
      }
  });

  it('keeps the beginning of the pattern of the whole page', async () => {
    await using causal = await openBundled('llama');
    const model = bidirectional(causal);
    const page = ids(9);
    const { page: found } = await scan(model, inputOf(page), { patterns: 4 });
    const { pattern } = await capture(model, page);
    for (const { layer, head, T, values } of found.patterns) {
      expect(T).toBe(4);
      const bytes = Array.from(atob(values), (character) => character.charCodeAt(0) / 255);
      const exact = bytes.map((_, i) => pattern[layer]![(head * 9 + Math.floor(i / 4)) * 9 + (i % 4)]!);
      expect(off(bytes, exact)).toBeLessThanOrEqual(0.5 / 255 + 1e-6);
    }
    expect(found.patterns).toHaveLength(model.stack.sizes.L * model.stack.sizes.H);
  });

  it('takes a batch of one text in place of ids, and refuses one of several', async () => {
    await using causal = await openBundled('llama');
    const model = bidirectional(causal);
    const [page, text] = [ids(8), ids(6, 1)];
    const plain = await scan(model, inputOf(page, [text]));
    const batched = await scan(model, { ...inputOf(page), page: { ids: [page] }, texts: [{ ids: [text] }] });
    expect(batched).toEqual(plain);
    await expect(scan(model, { ...inputOf(page), page: { ids: [page, page] } })).rejects.toThrow(
      'scan: expected the page as a batch of one without padding, got 2',
    );
  });

  it('finds a sink at the end, which a causal mask shows to one query only', () => {
    const S = 32;
    const row = (k: number) => (k === S - 1 ? 0.5 : 0.5 / (S - 1));
    const keys = Float64Array.from({ length: S }, (_, k) => row(k));
    const evidence = { tokens: tokensOf(ids(S)), windows: [null], mean: [keys], max: [keys] };
    const { sinks } = findSinkTokens({ ...evidence, causal: false });
    expect(sinks.map(({ position, queries, kind }) => [position, queries, kind])).toEqual([
      [S - 1, S, 'attention only'],
    ]);
    expect(sinks[0]!.excess).toBeCloseTo(0.5 - 1 / S, 12);
    expect(findSinkTokens(evidence).notes[0]).toMatch(/^The page has 32 tokens; under 64 /);
    const short = { tokens: tokensOf(ids(31)), windows: [null], mean: [keys.slice(1)], max: [keys.slice(1)] };
    expect(findSinkTokens({ ...short, causal: false }).notes).toEqual([
      'The page has 31 tokens; under 32 no sink is announced, because every mean would be over too few queries.',
    ]);
  });
});

describe('the cosine of queries and keys', () => {
  it('is a mean over the queries that see the key, in both directions, in windows and across texts', () => {
    const next = generator(3);
    const values = (length: number) => Float32Array.from({ length }, () => next() - 0.5);
    const [H, G, D] = [4, 2, 3];
    const cases = [
      { T: 7, S: 7, window: null, causal: true },
      { T: 7, S: 7, window: 3, causal: true },
      { T: 7, S: 7, window: null, causal: false },
      { T: 7, S: 7, window: 3, causal: false },
      { T: 4, S: 9, window: null, causal: false },
      { T: 9, S: 4, window: null, causal: false },
    ];
    for (const { T, S, window, causal } of cases) {
      const [q, k, v] = [values(T * H * D), values(S * G * D), values(S * G * D)];
      const { cosine } = scoreSplit({ q, k, v, T, S, H, G, D, window, causal });
      for (let s = 0; s < S; s++) {
        const seen: number[] = [];
        for (let t = 0; t < T; t++) {
          if ((causal && t < s) || (window !== null && Math.abs(t - s) >= window)) continue;
          for (let h = 0; h < H; h++) {
            const [a, b] = [(t * H + h) * D, (s * G + Math.floor((h * G) / H)) * D];
            const dot = (x: Float32Array, i: number, y: Float32Array, j: number) =>
              x[i]! * y[j]! + x[i + 1]! * y[j + 1]! + x[i + 2]! * y[j + 2]!;
            seen.push(dot(q, a, k, b) / Math.sqrt(dot(q, a, q, a) * dot(k, b, k, b)));
          }
        }
        expect(cosine[s], JSON.stringify({ T, S, window, causal, s })).toBeCloseTo(mean(seen), 6);
      }
    }
  });
});
