import { describe, expect, it } from 'vitest';
import { uniformLayout } from '../../src/cache/layout.ts';
import { h2o } from '../../src/cache/policies/h2o.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { tova } from '../../src/cache/policies/tova.ts';
import { slidingWindow } from '../../src/cache/policies/window.ts';
import { type CachePolicy, type PositionRule, positionRules } from '../../src/cache/policy.ts';
import { bundled } from '../fixtures.ts';
import { open, openReference, someIds } from '../models/support.ts';
import { type NaiveEviction, type NaiveHead, naiveStream } from './naive/unrotated.ts';
import { logitsUnder, worst } from './support.ts';

const sizes = { L: 3, H: 4, G: 2, D: 8, M: 32, F: 48, V: 97, theta: 10_000, epsilon: 1e-6 };
const ids = someIds(28);

const byRank =
  (choose: (rank: number, length: number) => boolean): NaiveEviction =>
  (heads) =>
    heads.map(({ tokens }) => tokens.flatMap((_, rank) => (choose(rank, tokens.length) ? [rank] : [])));

/** Ranks of all but the smallest one; the newest of equals. */
const withoutSmallest = (values: readonly number[], among: number): number[] => {
  let smallest = 0;
  for (let i = 1; i < among; i++) if (values[i]! <= values[smallest]!) smallest = i;
  return values.flatMap((_, rank) => (rank === smallest ? [] : [rank]));
};

const mean = (heads: readonly NaiveHead[]) =>
  heads[0]!.received.map((_, j) => heads.reduce((total, { received }) => total + received[j]! / heads.length, 0));

/** Keeps every other entry when there are more than eight: gaps everywhere, and many keys turned at once. */
const everyOther = (positions: PositionRule): CachePolicy => ({
  ...{ name: 'every other', source: 'none', keeps: 'every other token', decides: 'now and then', positions },
  layout: ({ L }) => uniformLayout(L, { pinned: 0, entries: 8 }),
  keep: ({ tokens }) => (tokens.length > 8 ? tokens.flatMap((_, rank) => (rank % 2 === 0 ? [rank] : [])) : undefined),
});

const cases: readonly (readonly [string, (positions: PositionRule) => CachePolicy, NaiveEviction])[] = [
  ['a window', (positions) => slidingWindow({ recent: 7, positions }), byRank((rank, n) => rank >= n - 7)],
  [
    'StreamingLLM',
    (positions) => streamingLlm({ sinks: 2, recent: 5, positions }),
    byRank((rank, n) => rank < 2 || rank >= n - 5),
  ],
  [
    'H2O',
    (positions) => h2o({ heavy: 4, recent: 3, positions }),
    (heads) =>
      heads.map(({ sums }) => (sums.length > 7 ? withoutSmallest(sums, sums.length - 3) : sums.map((_, rank) => rank))),
  ],
  [
    'TOVA',
    (positions) => tova({ capacity: 7, positions }),
    (heads) => {
      const row = mean(heads);
      const kept = row.length > 7 ? withoutSmallest(row, row.length) : row.map((_, rank) => rank);
      return heads.map(() => kept);
    },
  ],
  ['a policy that drops every other token', everyOther, byRank((rank, n) => n <= 8 || rank % 2 === 0)],
];

describe('turning keys where they move is caching them before RoPE', () => {
  it.each(cases.flatMap(([name, policy, evict]) => positionRules.map((rule) => [name, rule, policy, evict] as const)))(
    '%s, positions %s: the logits of a plain loop',
    async (_, rule, policy, evict) => {
      const file = await openReference(`${bundled('families/llama')}/model.safetensors`);
      const weights = new Map<string, Float32Array>();
      for (const name of file.tensors.keys()) weights.set(name, await file.read(name));
      const expected = naiveStream(weights, sizes, ids, rule, evict).map((row) => Float32Array.from(row));
      await using model = await open(bundled('families/llama'));
      expect(worst(await logitsUnder(model, policy(rule), ids), expected)).toBeLessThan(2e-5);
    },
  );

  it('the two rules are told apart by what is kept with gaps', async () => {
    await using model = await open(bundled('families/llama'));
    const logits = (rule: PositionRule) => logitsUnder(model, everyOther(rule), ids);
    expect(worst(await logits('absolute'), await logits('cache-relative'))).toBeGreaterThan(1e-2);
  });
});
