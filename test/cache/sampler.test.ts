import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidates, type SamplerOptions, sample } from '../../src/cache/sampler.ts';
import { seededRandom } from '../../src/random.ts';

const five = Float32Array.of(2, 1, 0.5, -1, -3);

const logits = fc
  .array(fc.integer({ min: -60, max: 60 }), { minLength: 1, maxLength: 40 })
  .map((values) => Float32Array.from(values, (value) => value / 6));
const options = fc.record(
  {
    temperature: fc.constantFrom(0.2, 0.7, 1, 3),
    topK: fc.integer({ min: 1, max: 50 }),
    topP: fc.constantFrom(0.05, 0.3, 0.77, 0.999, 1),
    minP: fc.constantFrom(0, 0.01, 0.2, 0.9, 1),
    repetitionPenalty: fc.constantFrom(0.7, 1, 1.5),
    seed: fc.nat(),
  },
  { requiredKeys: ['temperature'] },
);

const dense = (size: number, found: ReturnType<typeof candidates>) => {
  const p = new Array<number>(size).fill(0);
  for (const { id, probability } of found) p[id] = probability;
  return p;
};

/** Every step over the whole vocabulary, as the docs say it, in plain loops. */
function plain(x: Float32Array, before: readonly number[], it: SamplerOptions): number[] {
  const { temperature = 1, topK = x.length, topP = 1, minP = 0, repetitionPenalty: theta = 1 } = it;
  let scores = Array.from(x, (score, id) =>
    before.includes(id) ? (score > 0 ? score / theta : score * theta) : score,
  ).map((score) => score / temperature);
  const out = (wanted: (score: number) => boolean) => {
    scores = scores.map((score) => (wanted(score) ? score : Number.NEGATIVE_INFINITY));
  };
  const kth = [...scores].sort((a, b) => b - a)[Math.min(topK, x.length) - 1]!;
  out((score) => score >= kth);
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept = new Set<number>();
  for (let share = 0, rank = 0; rank < order.length && (rank === 0 || topP === 1 || share < topP); rank++) {
    kept.add(order[rank]!);
    share += softmax(scores)[order[rank]!]!;
  }
  scores = scores.map((score, id) => (kept.has(id) ? score : Number.NEGATIVE_INFINITY));
  const p = softmax(scores);
  const most = Math.max(...p);
  scores = scores.map((score, id) => (p[id]! >= minP * most ? score : Number.NEGATIVE_INFINITY));
  return softmax(scores);
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - most));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

describe('the tokens that may be chosen, and their probabilities', () => {
  // Probabilities of transformers 5.23: its processors and warpers in the order of its own generate().
  it.each<[SamplerOptions, number[], number[]]>([
    [{ temperature: 0.7, repetitionPenalty: 1.3 }, [0, 3], [0.585113, 0.271123, 0.132726, 0.010144, 0.000894]],
    [{ temperature: 1.5, topK: 4, topP: 0.8 }, [], [0.531548, 0.272906, 0.195546, 0, 0]],
    [{ temperature: 1, topP: 0.95, minP: 0.2 }, [], [0.628532, 0.231224, 0.140244, 0, 0]],
    [
      { temperature: 2, topK: 4, topP: 0.9, minP: 0.4, repetitionPenalty: 1.2 },
      [2, 4],
      [0.485527, 0.294487, 0.219987, 0, 0],
    ],
  ])('are those of the reference: %j after %j', (it, before, expected) => {
    const found = dense(5, candidates(five, it, { before }));
    found.forEach((probability, id) => {
      expect(probability).toBeCloseTo(expected[id]!, 5);
    });
  });

  it('are those of plain loops over the whole vocabulary, for any options', () => {
    fc.assert(
      fc.property(logits, options, fc.array(fc.nat(39), { maxLength: 6 }), (x, it, before) => {
        const expected = plain(x, before, it);
        // Shares that differ in rounding alone fall on either side of p.
        const near = expected.some((_, id) => Math.abs(shareBefore(x, before, it, id) - (it.topP ?? 1)) < 1e-9);
        fc.pre(!near || (it.topP ?? 1) === 1);
        const found = dense(x.length, candidates(x, it, { before }));
        found.forEach((probability, id) => {
          expect(Math.abs(probability - expected[id]!)).toBeLessThan(1e-9);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('include equals of the k-th largest', () => {
    const found = candidates(Float32Array.of(1, 3, 1, 0), { temperature: 1, topK: 2 });
    expect(found.map(({ id }) => id)).toEqual([1, 0, 2]);
  });

  it('are found in a large vocabulary as in a small one: flat, steep and with −∞', () => {
    const random = seededRandom(5);
    const flat = Float32Array.from({ length: 5000 }, () => random() * 1e-3);
    expect(candidates(flat, { temperature: 1, topP: 0.5 }).length).toBeGreaterThan(2490);
    expect(candidates(flat, { temperature: 1, topK: 4000 })).toHaveLength(4000);
    const steep = Float32Array.from({ length: 5000 }, (_, id) => -id);
    expect(candidates(steep, { temperature: 1, topK: 30, topP: 0.9999999 })).toHaveLength(17);
    const masked = Float32Array.from({ length: 5000 }, (_, id) => (id === 7 ? 0 : Number.NEGATIVE_INFINITY));
    expect(candidates(masked, { temperature: 1, topK: 3 })).toEqual([{ id: 7, probability: 1 }]);
  });
});

/** Share of what top-k left that comes before a token, as `plain` counts it. */
function shareBefore(x: Float32Array, before: readonly number[], it: SamplerOptions, id: number): number {
  const p = plain(x, before, { ...it, topP: 1, minP: 0 });
  return p.reduce((sum, value, at) => sum + (value > p[id]! || (value === p[id]! && at < id) ? value : 0), 0);
}

describe('the token that is chosen', () => {
  it('is the first of the largest where temperature is 0, whatever else is asked for', () => {
    expect(sample(Float32Array.of(1, 4, 4))).toBe(1);
    expect(sample(Float32Array.of(1, 4, 4), { topK: 1, minP: 1, seed: 9 })).toBe(1);
    // 4 / 2 < 3; and −1 · 2 < −1.5.
    expect(sample(Float32Array.of(3, 4), { repetitionPenalty: 2 }, { before: [1] })).toBe(0);
    expect(sample(Float32Array.of(-1.5, -1), { repetitionPenalty: 2 }, { before: [1] })).toBe(0);
  });

  it('is penalised for the last tokens alone', () => {
    const it = { repetitionPenalty: 2, repetitionWindow: 2 };
    expect(sample(Float32Array.of(3, 4), it, { before: [1, 0, 0] })).toBe(1);
    expect(sample(Float32Array.of(3, 4), it, { before: [0, 1, 1] })).toBe(0);
  });

  it('is one that may be chosen, the same for the same seed and place, and the logits stay as they were', () => {
    fc.assert(
      fc.property(logits, options, fc.nat(1e6), (x, it, position) => {
        const copy = x.slice();
        const id = sample(x, it, { position });
        expect(candidates(x, it).map((one) => one.id)).toContain(id);
        expect(sample(x, it, { position })).toBe(id);
        expect(x).toEqual(copy);
      }),
    );
  });

  it.each<SamplerOptions>([
    { temperature: 1, seed: 3 },
    { temperature: 0.7, topK: 4, topP: 0.97, seed: 4 },
  ])('comes as often as its probability says: %j', (it) => {
    const count = 20_000;
    const found = new Array<number>(5).fill(0);
    for (let position = 0; position < count; position++) found[sample(five, it, { position })]!++;
    dense(5, candidates(five, it)).forEach((p, id) => {
      // Five standard deviations.
      expect(Math.abs(found[id]! / count - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / count));
    });
  });

  it('differs between seeds and between places', () => {
    const even = new Float32Array(1000);
    const at = (seed: number, position: number) => sample(even, { temperature: 1, seed }, { position });
    const places = Array.from({ length: 50 }, (_, position) => [at(0, position), at(1, position)] as const);
    expect(new Set(places.flat()).size).toBeGreaterThan(85);
  });
});

describe('what is refused', () => {
  it.each([
    [{ temperature: -1 }, 'sampler: expected temperature to be a number from 0, got -1'],
    [{ topK: 0 }, 'sampler: expected topK to be a whole number from 1, got 0'],
    [{ topP: 0 }, 'sampler: expected topP to be a number above 0, to 1, got 0'],
    [{ minP: 1.1 }, 'sampler: expected minP to be a number from 0 to 1, got 1.1'],
    [{ repetitionPenalty: 0 }, 'sampler: expected repetitionPenalty to be a number above 0, got 0'],
    [{ repetitionWindow: 0.5 }, 'sampler: expected repetitionWindow to be a whole number from 1, got 0.5'],
    [{ seed: Number.NaN }, 'sampler: expected seed to be a whole number from 0, got NaN'],
    [{ temperature: '1' }, 'sampler: expected temperature to be a number from 0, got 1'],
    [
      { top_k: 3 },
      'sampler: there is no option top_k; there are temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed',
    ],
  ])('options: %j', (it, message) => {
    expect(() => sample(five, it as SamplerOptions)).toThrow(message);
  });

  it('logits that are no numbers', () => {
    expect(() => sample(Float32Array.of(0, Number.NaN))).toThrow(
      'sampler: the logit of token 1 is NaN; the model gave no numbers to choose by',
    );
    expect(() => sample(Float32Array.of(Number.POSITIVE_INFINITY))).toThrow('the logit of token 0 is Infinity');
    expect(() => sample(Float32Array.of(Number.NEGATIVE_INFINITY))).toThrow('sampler: all logits are −∞');
    expect(() => sample(new Float32Array(0))).toThrow('or there are none');
  });
});
