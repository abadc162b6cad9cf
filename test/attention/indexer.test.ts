import { describe, expect, it } from 'vitest';
import { causalMask, wholeText } from '../../src/attention/places.ts';
import { indexScores, topKeys } from '../../src/attention/selection/indexer.ts';
import { cast, type Tensor } from '../../src/tensor/index.ts';
import { evaluate, given } from './evaluate.ts';

/** Keys that each query keeps of scores [T][S], causally. */
async function kept(scores: readonly (readonly number[])[], count: number): Promise<number[][]> {
  const T = scores.length;
  const all = given('scores', { B: 1, T, S: T }, scores.flat());
  const mask = topKeys(all.tensor, causalMask(wholeText(T)) as Tensor<'T' | 'S'>, count);
  const { chosen } = await evaluate({ chosen: { value: cast(mask, 'float32'), order: ['B', 'T', 'S'] } }, [all]);
  return Array.from({ length: T }, (_, t) => chosen!.slice(t * T, (t + 1) * T).flatMap((one, s) => (one ? [s] : [])));
}

describe('keys that an indexer chooses', () => {
  it('are the best of those that a query may see, all of them where there are no more', async () => {
    const row = [3, 9, -1, 4, 100];
    expect(await kept([row, row, row, row, row], 2)).toEqual([[0], [0, 1], [0, 1], [1, 3], [1, 4]]);
  });

  it('are the earlier ones of equal scores, and exactly as many as asked for', async () => {
    const row = [0, 2, 0, 0, 1];
    expect(await kept([row, row, row, row, row], 3)).toEqual([[0], [0, 1], [0, 1, 2], [0, 1, 2], [0, 1, 4]]);
  });

  it('are all of them where more are asked for than the text has', async () => {
    expect(
      await kept(
        [
          [1, 1],
          [0, 5],
        ],
        2048,
      ),
    ).toEqual([[0], [0, 1]]);
  });
});

it('an index score is the sum over heads of w · max(0, q · k) / √D / √N', async () => {
  const q = given('q', { B: 1, T: 1, N: 2, D: 4 }, [1, 0, 0, 0, -1, 2, 0, 0]);
  const k = given('k', { B: 1, S: 2, D: 4 }, [3, 1, 0, 0, -1, 1, 0, 0]);
  const weights = given('weights', { B: 1, T: 1, N: 2 }, [2, -1]);
  const value = indexScores({ q: q.tensor, weights: weights.tensor }, k.tensor);
  const { scores } = await evaluate({ scores: { value, order: ['B', 'T', 'S'] } }, [q, k, weights]);
  // Heads give 3 and max(0, −1), then max(0, −1) and 3.
  expect(scores!.map((score) => score * 2 * Math.SQRT2)).toEqual([
    expect.closeTo(2 * 3 - 1 * 0, 5),
    expect.closeTo(2 * 0 - 1 * 3, 5),
  ]);
});
