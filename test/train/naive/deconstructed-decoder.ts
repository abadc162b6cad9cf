import {
  exponential,
  gated,
  maps,
  matrix,
  mixed,
  type Named,
  type Rows,
  type Sizes,
} from '../../attention/naive/deconstructing-attention.ts';

export interface NaiveDecoder extends Sizes {
  readonly L: number;
  /** Does the layer, counted from 0, take its maps from the other stream? */
  readonly replaced: (layer: number) => boolean;
  /** The other stream before the first block, [T][M]; undefined: the embeddings of the text, at every layer. */
  readonly second?: Rows;
}

const plus = (a: Rows, b: Rows) => a.map((row, t) => row.map((value, m) => value + b[t]![m]!));

function norm(x: Rows, w: ArrayLike<number>): number[][] {
  return x.map((row) => {
    const root = Math.sqrt(row.reduce((s, value) => s + value * value, 0) / row.length + 1e-5);
    return row.map((value, m) => (value / root) * w[m]!);
  });
}

/** Logits [T][V] and maps [L][H][T][T] of a Llama-like decoder with tied tables, in plain loops. */
export function naiveDecoder(ids: readonly number[], w: Named, decoder: NaiveDecoder) {
  const { M, L, replaced, second } = decoder;
  const table = w['model.embed_tokens.weight']!;
  const embedded = ids.map((id) => Array.from({ length: M }, (_, m) => table[id * M + m]!));
  const layer = (l: number, name: string) => w[`model.layers.${l}.${name}.weight`]!;
  const own = (l: number): Named =>
    Object.fromEntries(['q', 'k', 'v', 'o'].map((part) => [`${part}_proj.weight`, layer(l, `self_attn.${part}_proj`)]));

  /** The block, with maps of one stream and values of another. */
  function block(l: number, values: Rows, from: Rows) {
    const rows = maps(norm(from, layer(l, 'input_layernorm')), own(l), decoder, exponential);
    const middle = plus(values, mixed(norm(values, layer(l, 'input_layernorm')), rows, own(l), decoder));
    const [gate, up, down] = ['gate', 'up', 'down'].map((part) => layer(l, `mlp.${part}_proj`));
    return { rows, x: plus(middle, gated(norm(middle, layer(l, 'post_attention_layernorm')), gate!, up!, down!)) };
  }

  let [x, other]: Rows[] = [embedded, second ?? embedded];
  const all: number[][][][] = [];
  for (let l = 0; l < L; l++) {
    const made = block(l, x!, replaced(l) ? other! : x!);
    all.push(made.rows);
    if (second) other = block(l, other!, other!).x;
    x = made.x;
  }
  return { logits: matrix(norm(x!, w['model.norm.weight']!), table), maps: all };
}
