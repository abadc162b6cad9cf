import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/random.ts';
import { ngramLogProbabilities, ngramPerplexity } from '../../src/train/ngram.ts';
import { sortedEnds } from '../../src/train/ngram-sort.ts';
import { naiveKneserNey } from './naive/ngram.ts';

/** A text with habits: each token mostly follows from the two before it. */
function habits(length: number, V: number, seed: number): number[] {
  const random = seededRandom(seed);
  const text: number[] = [];
  for (let i = 0; i < length; i++) {
    const usual = ((text[i - 1] ?? 0) * 3 + (text[i - 2] ?? 1) * 5 + 1) % V;
    text.push(random() < 0.7 ? usual : Math.floor(random() ** 2 * V));
  }
  return text;
}

describe('an n-gram model', () => {
  it.each([1, 2, 3, 5])('of order %i gives every token the probability of the definition', (order) => {
    const V = 7;
    const [train, validation] = [habits(400, V, 1), habits(60, V, 2)];
    const { probability, discounts } = naiveKneserNey(train, order, V);
    const found = ngramLogProbabilities(train, validation, { order, vocabularySize: V });
    const padded = [...Array(order - 1).fill(V), ...validation];
    const wanted = validation.map((word, i) => Math.log(probability(word, padded.slice(i, i + order - 1))));
    expect(found.discounts).toEqual(discounts.slice(1));
    for (const [i, value] of wanted.entries()) expect(found.logProbabilities[i]).toBeCloseTo(value, 12);
  });

  it.each([2, 5])('of order %i sums to one over the vocabulary, after seen and unseen contexts', (order) => {
    const V = 6;
    const train = habits(150, V - 1, 3);
    const random = seededRandom(4);
    for (let trial = 0; trial < 25; trial++) {
      // Token V − 1 never occurs in training: contexts with it are unseen.
      const context = Array.from({ length: order - 1 }, () => Math.floor(random() * V));
      const text = Array.from({ length: V }, (_, word) => [...context, word]).flat();
      const { logProbabilities } = ngramLogProbabilities(train, text, { order, vocabularySize: V });
      let sum = 0;
      for (let word = 0; word < V; word++) sum += Math.exp(logProbabilities[word * order + order - 1]!);
      expect(sum).toBeCloseTo(1, 12);
    }
  });

  it('of one token knows nothing: perplexity V on tokens it has not seen enough, 1 on a text of one symbol', () => {
    expect(ngramPerplexity([0], [1], { vocabularySize: 4, order: 1 }).perplexity).toBeCloseTo(8, 12);
    expect(ngramPerplexity([0, 0, 0], [0, 0], { vocabularySize: 1 }).perplexity).toBeCloseTo(1, 12);
  });

  it('reports the perplexity of its probabilities, and longer contexts help where the text has habits', () => {
    const [train, validation] = [habits(3_000, 12, 5), habits(500, 12, 6)];
    const by = (order: number) => ngramPerplexity(train, validation, { order, vocabularySize: 12 });
    const { logProbabilities } = ngramLogProbabilities(train, validation, { vocabularySize: 12 });
    const mean = logProbabilities.reduce((sum, value) => sum + value, 0) / 500;
    expect(by(5)).toMatchObject({ loss: -mean, perplexity: Math.exp(-mean), tokens: 500, order: 5 });
    expect(by(3).perplexity).toBeLessThan(0.75 * by(2).perplexity);
    expect(by(3).perplexity).toBeLessThan(0.75 * by(1).perplexity);
    // More data, better model: no accident of one split.
    const less = ngramPerplexity(train.slice(0, 300), validation, { order: 3, vocabularySize: 12 });
    expect(by(3).perplexity).toBeLessThan(less.perplexity);
  });

  it('takes typed arrays and ids beyond 16 bits', () => {
    const ids = Uint32Array.from([70_000, 1, 70_000, 1, 70_000, 2]);
    const { logProbabilities } = ngramLogProbabilities(ids, ids, { vocabularySize: 70_001, order: 2 });
    const { probability } = naiveKneserNey([...ids], 2, 70_001);
    expect(logProbabilities[1]).toBeCloseTo(Math.log(probability(1, [70_000])), 12);
    expect(logProbabilities[5]).toBeCloseTo(Math.log(probability(2, [70_000])), 12);
  });

  it('refuses what it cannot count, in plain words', () => {
    const message = (train: number[], order?: number, V = 4) => {
      try {
        ngramPerplexity(train, [0], { vocabularySize: V, ...(order !== undefined && { order }) });
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    };
    expect(message([])).toBe('n-gram, train: expected at least one token, got none');
    expect(message([0, 4])).toBe('n-gram, train: token 1 is 4, the vocabulary has ids 0 to 3');
    expect(message([0.5])).toBe('n-gram, train: token 0 is 0.5, the vocabulary has ids 0 to 3');
    expect(message([0], 9)).toBe('n-gram, order: expected an integer from 1 to 8, got 9');
    expect(message([0], 5, 0)).toBe('n-gram, vocabularySize: expected an integer from 1 to 4000000, got 0');
  });
});

it('ends of n-grams are sorted by the last token first', () => {
  const padded = Uint16Array.from([9, 9, 2, 1, 2, 1, 1]);
  expect([...sortedEnds(padded, 3, 10)]).toEqual([6, 5, 3, 4, 2]);
});
