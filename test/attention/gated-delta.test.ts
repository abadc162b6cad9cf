import { describe, expect, it } from 'vitest';
import { gatedDelta, softplus } from '../../src/attention/recurrent/gated-delta.ts';
import { seededRandom } from '../../src/random.ts';
import { constant } from '../../src/tensor/index.ts';
import { evaluate, given } from './evaluate.ts';
import { worst } from './support.ts';

interface Head {
  readonly q: number[][];
  readonly k: number[][];
  readonly v: number[][];
  readonly beta: number[];
  readonly decay: number[];
}

/** The recurrence, token by token: S ← α S, u = β (v − k S), S ← S + k ⊗ u, o = q S. */
function naive({ q, k, v, beta, decay }: Head): number[][] {
  const state = k[0]!.map(() => v[0]!.map(() => 0));
  const read = (x: readonly number[]) =>
    v[0]!.map((_, e) => x.reduce((sum, value, c) => sum + value * state[c]![e]!, 0));
  return q.map((query, t) => {
    for (const row of state) for (let e = 0; e < row.length; e++) row[e]! *= Math.exp(decay[t]!);
    const old = read(k[t]!);
    state.forEach((row, c) => {
      for (let e = 0; e < row.length; e++) row[e]! += k[t]![c]! * beta[t]! * (v[t]![e]! - old[e]!);
    });
    return read(query);
  });
}

/** Keys of unit length; `same`: one key for all tokens, which is overwritten whole and never fades. */
function someHead(T: number, seed: number, same: boolean): Head {
  const random = seededRandom(seed);
  const rows = (width: number) =>
    Array.from({ length: T }, () => Array.from({ length: width }, () => 2 * random() - 1));
  const unit = (row: readonly number[]) => row.map((value) => value / Math.hypot(...row));
  const k = rows(4).map(unit);
  return {
    ...{ q: rows(4), k: same ? k.map(() => k[0]!) : k, v: rows(3) },
    beta: Array.from({ length: T }, () => (same ? 1 : random())),
    decay: Array.from({ length: T }, () => (same ? 0 : -random())),
  };
}

describe('the gated delta rule', () => {
  it.each([
    [1, false],
    [2, false],
    [37, false],
    [100, true],
  ])('of a whole text of %i tokens is its recurrence (one key for all of them: %s)', async (T, same) => {
    const heads = [someHead(T, 1, same), someHead(T, 2, same)];
    const rows = (name: 'q' | 'k' | 'v', D: number) =>
      given(
        name,
        { B: 1, G: 2, T, D },
        heads.flatMap((head) => head[name].flat()),
      );
    const numbers = (name: 'beta' | 'decay') =>
      given(
        name,
        { B: 1, G: 2, T },
        heads.flatMap((head) => head[name]),
      );
    const [q, k, v, beta, decay] = [rows('q', 4), rows('k', 4), rows('v', 3), numbers('beta'), numbers('decay')];
    const value = gatedDelta({
      ...{ q: q.tensor, k: k.tensor, v: v.tensor, beta: beta.tensor, decay: decay.tensor },
    });
    const { o } = await evaluate({ o: { value, order: ['B', 'G', 'T', 'D'] } }, [q, k, v, beta, decay]);
    expect(worst(o!, heads.map(naive).flat(2))).toBeLessThan(2e-5);
  });
});

it('softplus is ln(1 + eˣ) for any x', async () => {
  const x = [-200, -3, 0, 2, 200];
  const { y } = await evaluate({ y: { value: softplus(constant(x, { I: 5 })), order: ['I'] } }, []);
  expect([...y!]).toEqual([0, 0.0485873, Math.LN2, 2.126928, 200].map((value) => expect.closeTo(value, 6)));
});
