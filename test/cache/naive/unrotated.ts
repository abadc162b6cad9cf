/** A Llama that decodes one token at a time in plain loops and double precision, over keys that are kept as they were before RoPE. */

export interface NaiveSizes {
  readonly L: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  readonly F: number;
  readonly V: number;
  readonly theta: number;
  readonly epsilon: number;
}

/** What one key/value head keeps; of each entry the attention received in this step and since it came, mean over the head's queries. */
export interface NaiveHead {
  readonly tokens: number[];
  readonly received: number[];
  readonly sums: number[];
}

/** Ranks that stay in each head of one layer. */
export type NaiveEviction = (heads: readonly NaiveHead[], layer: number) => number[][];

interface Kept {
  readonly token: number;
  readonly key: number[];
  readonly value: number[];
  sum: number;
}

/** Logits after each token. Positions are those of the text, or places in the cache. */
export function naiveStream(
  weights: ReadonlyMap<string, Float32Array>,
  { L, H, G, D, M, F, V, theta, epsilon }: NaiveSizes,
  ids: readonly number[],
  rule: 'absolute' | 'cache-relative',
  evict: NaiveEviction,
): number[][] {
  const w = (name: string) => weights.get(name)!;
  const R = H / G;
  const cache: Kept[][][] = Array.from({ length: L }, () => Array.from({ length: G }, () => []));

  // Matrices are stored [out, in].
  const times = (name: string, x: number[], out: number) =>
    Array.from({ length: out }, (_, o) => x.reduce((total, value, i) => total + w(name)[o * x.length + i]! * value, 0));
  const norm = (name: string, x: number[]) => {
    const scale = 1 / Math.sqrt(x.reduce((total, value) => total + value * value, 0) / x.length + epsilon);
    return x.map((value, i) => value * scale * w(name)[i]!);
  };
  const turn = (x: number[], position: number) =>
    x.map((value, i) => {
      const pair = i % (D / 2);
      const angle = position * theta ** ((-2 * pair) / D);
      const other = i < D / 2 ? -x[i + D / 2]! : x[i - D / 2]!;
      return value * Math.cos(angle) + other * Math.sin(angle);
    });

  return ids.map((id, at) => {
    let x = Array.from({ length: M }, (_, m) => w('model.embed_tokens.weight')[id * M + m]!);
    for (let layer = 0; layer < L; layer++) {
      const name = (part: string) => `model.layers.${layer}.${part}.weight`;
      const normed = norm(name('input_layernorm'), x);
      const q = times(name('self_attn.q_proj'), normed, H * D);
      const k = times(name('self_attn.k_proj'), normed, G * D);
      const v = times(name('self_attn.v_proj'), normed, G * D);
      const mixed: number[] = [];
      const heads = cache[layer]!.map((entries, g): NaiveHead => {
        const part = (from: number[]) => from.slice(g * D, (g + 1) * D);
        entries.push({ token: at, key: part(k), value: part(v), sum: 0 });
        const place = (index: number) => (rule === 'absolute' ? entries[index]!.token : index);
        const received = entries.map(() => 0);
        for (let r = 0; r < R; r++) {
          const h = g * R + r;
          const query = turn(q.slice(h * D, (h + 1) * D), place(entries.length - 1));
          const scores = entries.map(({ key }, j) => {
            const turned = turn(key, place(j));
            return query.reduce((total, value, d) => total + value * turned[d]!, 0) / Math.sqrt(D);
          });
          const most = Math.max(...scores);
          const e = scores.map((score) => Math.exp(score - most));
          const total = e.reduce((a, b) => a + b, 0);
          const row = e.map((value) => value / total);
          for (let d = 0; d < D; d++) mixed.push(row.reduce((a, weight, j) => a + weight * entries[j]!.value[d]!, 0));
          row.forEach((weight, j) => {
            received[j]! += weight / R;
          });
        }
        entries.forEach((entry, j) => {
          entry.sum += received[j]!;
        });
        return { tokens: entries.map(({ token }) => token), received, sums: entries.map(({ sum }) => sum) };
      });
      const kept = evict(heads, layer);
      cache[layer] = cache[layer]!.map((entries, g) => kept[g]!.map((rank) => entries[rank]!));
      const attended = times(name('self_attn.o_proj'), mixed, M);
      x = x.map((value, m) => value + attended[m]!);
      const inner = norm(name('post_attention_layernorm'), x);
      const gate = times(name('mlp.gate_proj'), inner, F);
      const up = times(name('mlp.up_proj'), inner, F);
      const product = gate.map((value, f) => (value / (1 + Math.exp(-value))) * up[f]!);
      const down = times(name('mlp.down_proj'), product, M);
      x = x.map((value, m) => value + down[m]!);
    }
    return times('lm_head.weight', norm('model.norm.weight', x), V);
  });
}
