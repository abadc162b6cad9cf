/** The replacements of 2510.11602 in plain loops. */

export type Rows = readonly (readonly number[])[];
export interface Named {
  readonly [name: string]: ArrayLike<number>;
}
export interface Sizes {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
}

export const silu = (x: number) => x / (1 + Math.exp(-x));

/** Rows of W x for a stored matrix [out, in]. */
export function matrix(x: Rows, w: ArrayLike<number>): number[][] {
  const inputs = x[0]!.length;
  return x.map((row) =>
    Array.from({ length: w.length / inputs }, (_, o) => row.reduce((s, value, i) => s + value * w[o * inputs + i]!, 0)),
  );
}

/** Half-split rotation of a head's channels at one position, base 10 000. */
export function turned(head: readonly number[], position: number): number[] {
  const pairs = head.length / 2;
  return head.map((value, d) => {
    const angle = position * 10_000 ** (-(d % pairs) / pairs);
    const partner = d < pairs ? -head[d + pairs]! : head[d - pairs]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

const headOf = (row: readonly number[], head: number, D: number) => row.slice(head * D, (head + 1) * D);
const inner = (a: readonly number[], b: readonly number[]) => a.reduce((s, value, d) => s + value * b[d]!, 0);

/** How two heads' channels become an unnormalised weight. */
export type Weight = (q: readonly number[], k: readonly number[]) => number;
export const exponential: Weight = (q, k) => Math.exp(inner(q, k) / Math.sqrt(q.length));
export const taylor: Weight = (q, k) => {
  const x = inner(q, k) / Math.sqrt(q.length);
  return 1 + x + (x * x) / 2;
};
export const diagonalTaylor: Weight = (q, k) => {
  const parts = q.map((value, d) => (value * k[d]!) / Math.sqrt(q.length));
  return 1 + parts.reduce((s, x) => s + x + (x * x) / 2, 0);
};

/** Weights [H][T][T] of queries on keys that both come from one stream, with RoPE. */
export function maps(x: Rows, w: Named, { H, G, D }: Sizes, weight: Weight): number[][][] {
  const [q, k] = [matrix(x, w['q_proj.weight']!), matrix(x, w['k_proj.weight']!)];
  return Array.from({ length: H }, (_, h) =>
    x.map((_row, i) => {
      const query = turned(headOf(q[i]!, h, D), i);
      const all = x.map((_key, j) => (j > i ? 0 : weight(query, turned(headOf(k[j]!, Math.floor((h * G) / H), D), j))));
      const total = all.reduce((a, b) => a + b, 0);
      return all.map((one) => one / total);
    }),
  );
}

/** Weights [H][T][T] that no query changes. */
export function queryIndependentMaps(x: Rows, w: Named, { H, G, D }: Sizes, rope = false): number[][][] {
  const [q, k] = [matrix(x, w['q_proj.weight']!), matrix(x, w['k_proj.weight']!)];
  return Array.from({ length: H }, (_, h) => {
    const s = x.map((_row, j) => {
      const opened = headOf(q[j]!, h, D).map(silu);
      const key = headOf(k[j]!, Math.floor((h * G) / H), D);
      return inner(rope ? turned(opened, j) : opened, rope ? turned(key, j) : key) / Math.sqrt(D);
    });
    return x.map((_row, i) => {
      const top = Math.max(...s.slice(0, i + 1));
      const all = s.map((one, j) => (j > i ? 0 : Math.exp(one - top)));
      const total = all.reduce((a, b) => a + b, 0);
      return all.map((one) => one / total);
    });
  });
}

/** Values of the stream, mixed by the maps and projected, [T][M]. */
export function mixed(x: Rows, rows: readonly Rows[], w: Named, { H, G, D }: Sizes): number[][] {
  const v = matrix(x, w['v_proj.weight']!);
  const z = x.map((_row, i) =>
    Array.from({ length: H * D }, (_, c) => {
      const [h, d] = [Math.floor(c / D), c % D];
      return x.reduce((s, _key, j) => s + rows[h]![i]![j]! * v[j]![Math.floor((h * G) / H) * D + d]!, 0);
    }),
  );
  return matrix(z, w['o_proj.weight']!);
}

/** W_down (SiLU(W_gate x) ⊙ W_up x). */
export function gated(x: Rows, gate: ArrayLike<number>, up: ArrayLike<number>, down: ArrayLike<number>): number[][] {
  const [g, u] = [matrix(x, gate), matrix(x, up)];
  return matrix(
    g.map((row, t) => row.map((value, f) => silu(value) * u[t]![f]!)),
    down,
  );
}
