import { describe, expect, it } from 'vitest';
import * as naive from './naive/titans.ts';
import { worst } from './support.ts';
import {
  D,
  epsilon,
  flatOf,
  type Kind,
  kinds,
  loops,
  matrix,
  memoryOf,
  plain,
  recur,
  someTokens,
  titleOf,
  vector,
} from './titans-support.ts';

describe('inner gradient', () => {
  it.each(kinds.map((kind) => [titleOf(kind), kind] as const))(
    'is that of finite differences in double precision: %s',
    (_, kind) => {
      const [m, k, v] = [memoryOf(kind), vector(D), vector(D)];
      const options = { residual: kind.residual, epsilon };
      const loss = () => naive.read(m, k, options).reduce((total, value, i) => total + (value - v[i]!) ** 2, 0);
      const found = flatOf(naive.gradient(m, k, v, options));
      for (const part of Object.keys(m) as (keyof naive.Memory)[]) {
        const rows: number[][] = part === 'gamma' ? [m.gamma!] : m[part]!;
        let place = 0;
        for (const row of rows)
          for (let j = 0; j < row.length; j++) {
            const [step, here] = [1e-5, row[j]!];
            row[j] = here + step;
            const above = loss();
            row[j] = here - step;
            const below = loss();
            row[j] = here;
            expect(Math.abs((above - below) / (2 * step) - found[part]![place++]!)).toBeLessThan(1e-6);
          }
      }
    },
  );

  it.each(kinds.map((kind) => [titleOf(kind), kind] as const))(
    'moves the weights of the graph as it moves those of the loops: %s',
    async (_, kind) => {
      const [m, tokens] = [memoryOf(kind), someTokens(7)];
      for (const chunk of [1, 3]) {
        const [graph, wanted] = [await recur(kind, m, tokens, chunk), loops(kind, m, tokens, chunk)];
        expect(worst(graph.reads, wanted.reads)).toBeLessThan(1e-5);
        for (const [part, values] of Object.entries(wanted.weights))
          expect(worst(graph.weights[part]!, values)).toBeLessThan(1e-5);
      }
    },
  );
});

describe('recurrence', () => {
  it('is the gated delta rule for a linear memory without momentum: M ← ((1 − α) I − 2 θ k kᵀ) M + 2 θ k vᵀ', async () => {
    const tokens = someTokens(5).map(({ eta: _, ...rest }) => rest);
    const m = memoryOf(plain);
    let M = m.W!;
    for (const { k, v, theta, alpha } of tokens) {
      const kM = M[0]!.map((_, j) => k.reduce((total, value, i) => total + value * M[i]![j]!, 0));
      const kept = 1 - naive.sigmoid(alpha!);
      M = M.map((row, i) => row.map((value, j) => kept * value + 2 * theta * k[i]! * (v[j]! - kM[j]!)));
    }
    const { weights } = await recur(plain, m, tokens, 1);
    expect(worst(weights.W!, M.flat())).toBeLessThan(2e-6);
  });

  it('without steps and forgetting the memory is constant, and reading it is a static network', async () => {
    const kind: Kind = { layers: 2, norm: true, residual: true };
    const m = memoryOf(kind);
    const tokens = someTokens(5).map((token) => ({ ...token, theta: 0, alpha: -1e4 }));
    const { reads, weights } = await recur(kind, m, tokens, 2);
    for (const [part, values] of Object.entries(flatOf(m)))
      expect(worst(weights[part]!, Float32Array.from(values))).toBe(0);
    const wanted = tokens.flatMap(({ q }) => naive.read(m, q, { residual: true, epsilon }));
    expect(worst(reads, wanted)).toBeLessThan(2e-6);
  });

  it('with complete forgetting the memory is the last surprise', async () => {
    const m = memoryOf(plain);
    const tokens = someTokens(3).map(({ eta: _, ...token }) => ({ ...token, alpha: 1e4 }));
    const two = await recur(plain, m, tokens.slice(0, 2), 1);
    const before = Array.from({ length: D }, (_, i) => two.weights.W!.slice(i * D, (i + 1) * D));
    const { k, v, theta } = tokens[2]!;
    const surprise = naive
      .gradient({ W: before }, k, v, { residual: false, epsilon })
      .W!.flat()
      .map((g) => -theta * g);
    const { weights } = await recur(plain, m, tokens, 1);
    expect(worst(weights.W!, surprise)).toBeLessThan(1e-6);
  });

  it('a chunk of the whole text has one base: all gradients are taken at the initial weights', async () => {
    const m = memoryOf(plain);
    const tokens = someTokens(5).map(({ eta: _, alpha: __, ...rest }) => rest);
    const { reads, weights } = await recur(plain, m, tokens, 5);
    const moved = m.W!.flat();
    for (const { k, v, theta } of tokens)
      naive
        .gradient(m, k, v, { residual: false, epsilon })
        .W!.flat()
        .forEach((g, i) => {
          moved[i]! -= theta * g;
        });
    expect(worst(weights.W!, moved)).toBeLessThan(2e-6);
    // All but the last token, with which the chunk ends, read the initial weights.
    const first = tokens.slice(0, 4).flatMap(({ q }) => naive.read(m, q, { residual: false, epsilon }));
    expect(worst(reads.slice(0, 4 * D), first)).toBeLessThan(2e-6);
    expect(worst(reads.slice(4 * D), naive.read(m, tokens[4]!.q, { residual: false, epsilon }))).toBeGreaterThan(1e-2);
  });

  it('a text in parts with the state carried on is the text in one pass, wherever it is cut', async () => {
    const kind: Kind = { layers: 2, norm: true, residual: true };
    const [m, tokens] = [memoryOf(kind), someTokens(9)];
    const whole = await recur(kind, m, tokens, 4);
    for (const cuts of [[5], [4], [2, 3, 8]]) {
      const parts = await recur(kind, m, tokens, 4, cuts);
      expect(worst(parts.reads, whole.reads)).toBeLessThan(2e-6);
      for (const part of Object.keys(whole.weights))
        expect(worst(parts.weights[part]!, whole.weights[part]!)).toBeLessThan(2e-6);
    }
  });

  it('one pass over orthonormal keys with θ ½ stores every value exactly in a linear memory of zeros', async () => {
    const values = matrix(D, D, 1);
    const tokens = values.map((v, i) => {
      const k = Array.from({ length: D }, (_, j) => (i === j ? 1 : 0));
      return { k, v, q: k, theta: 0.5 };
    });
    const { weights } = await recur(plain, { W: matrix(D, D, 0) }, tokens, 1);
    expect(worst(weights.W!, Float32Array.from(values.flat()))).toBe(0);
  });
});
