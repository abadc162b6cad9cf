import { linear } from '../layers/linear.ts';
import type { Tensor } from '../tensor/index.ts';
import type { Keys, Queries, Stream } from './steps.ts';

export interface HeadSizes {
  /** Query heads, key/value heads, head width, model width. */
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
}

export interface Projections {
  readonly q: (x: Stream) => Queries;
  readonly k: (x: Tensor<'B' | 'S' | 'M'>) => Keys;
  readonly v: (x: Tensor<'B' | 'S' | 'M'>) => Keys;
  readonly output: (z: Queries) => Stream;
}

/** `self_attn.{q,k,v,o}_proj`, the layout of Llama and most families after it. */
export function projections(
  at: (name: string) => string,
  { H, G, D, M }: HeadSizes,
  bias: { readonly inputs: boolean; readonly output: boolean },
): Projections {
  const R = H / G;
  const inputs = { bias: bias.inputs };
  return {
    q: (x) => linear(x, at('self_attn.q_proj'), { G, R, D }, { M }, inputs),
    k: (x) => linear(x, at('self_attn.k_proj'), { G, D }, { M }, inputs),
    v: (x) => linear(x, at('self_attn.v_proj'), { G, D }, { M }, inputs),
    output: (z) => linear(z, at('self_attn.o_proj'), { M }, { G, R, D }, { bias: bias.output }),
  };
}
