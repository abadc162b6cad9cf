/** TransNormerLLM over one text, in plain loops: what defines it. */
type Rows = number[][];

export interface NaiveTransNormer {
  readonly L: number;
  readonly H: number;
  readonly M: number;
  readonly F: number;
  readonly V: number;
}

/** A matrix stored [out, in], flat. */
const times = (x: readonly number[], matrix: ArrayLike<number>, from = 0, out = 0) =>
  Array.from({ length: out }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * matrix[(from + o) * x.length + i]!, 0),
  );
const srms = (x: readonly number[]) => {
  const root = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + 1e-6);
  return x.map((value) => value / root);
};
const silu = (x: number) => x / (1 + Math.exp(-x));
const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]!);

/** Logits [T][V]. */
export function naiveTransNormer(
  ids: readonly number[],
  weights: Readonly<Record<string, ArrayLike<number>>>,
  { L, H, M, F, V }: NaiveTransNormer,
): Rows {
  const D = M / H;
  const table = weights['model.embed_tokens.weight']!;
  let x: Rows = ids.map((id) => Array.from({ length: M }, (_, m) => table[id * M + m]!));
  for (let l = 0; l < L; l++) {
    const w = (name: string) => weights[`model.layers.${l}.${name}`]!;
    const normed = x.map(srms);
    const joint = w('self_attn.qkvu_proj.weight');
    const [q, k, v, u] = [0, 1, 2, 3].map((part) => normed.map((row) => times(row, joint, part * M, M))) as [
      Rows,
      Rows,
      Rows,
      Rows,
    ];
    const made = x.map((_, t) => {
      const heads = Array.from({ length: M }, (_, at) => {
        const h = Math.floor(at / D);
        const depth = L === 1 ? 0 : l / (L - 1);
        const lambda = Math.exp(-(2 ** ((-8 * (h + 1)) / H)) * (1 - depth + 1e-5));
        let sum = 0;
        for (let s = 0; s <= t; s++) {
          let match = 0;
          for (let c = h * D; c < (h + 1) * D; c++) {
            const turn = l === 0 ? Math.cos((t - s) * w('self_attn.lrpe.theta')[c]!) : 1;
            match += silu(q[t]![c]!) * silu(k[s]![c]!) * turn;
          }
          sum += lambda ** (t - s) * match * v[s]![at]!;
        }
        return sum;
      });
      const gated = srms(heads).map((value, i) => value * u[t]![i]!);
      return times(gated, w('self_attn.out_proj.weight'), 0, M);
    });
    x = x.map((row, t) => plus(row, made[t]!));
    x = x.map((row) => {
      const inner = srms(row);
      const one = times(inner, w('mlp.gate_proj.weight'), 0, F);
      const other = times(inner, w('mlp.up_proj.weight'), 0, F);
      return plus(
        row,
        times(
          one.map((value, i) => value * other[i]!),
          w('mlp.down_proj.weight'),
          0,
          M,
        ),
      );
    });
  }
  return x.map((row) => times(srms(row), table, 0, V));
}
