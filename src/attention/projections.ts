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

/** Where a family keeps the four projections: `{folder}.{inputs}` and `{folder}.{output}`. */
export interface ProjectionNames {
  /** Default `self_attn`. */
  readonly folder?: string;
  /** Those of queries, keys and values. Default `q_proj`, `k_proj`, `v_proj`. */
  readonly inputs?: readonly [q: string, k: string, v: string];
  /** Default `o_proj`. */
  readonly output?: string;
}

/** Default names: `self_attn.{q,k,v,o}_proj`, the layout of Llama and most families after it. */
export function projections(
  at: (name: string) => string,
  { H, G, D, M }: HeadSizes,
  bias: { readonly inputs: boolean; readonly output: boolean },
  { folder = 'self_attn', inputs: [q, k, v] = ['q_proj', 'k_proj', 'v_proj'], output = 'o_proj' }: ProjectionNames = {},
): Projections {
  const R = H / G;
  const inputs = { bias: bias.inputs };
  return {
    q: (x) => linear(x, at(`${folder}.${q}`), { G, R, D }, { M }, inputs),
    k: (x) => linear(x, at(`${folder}.${k}`), { G, D }, { M }, inputs),
    v: (x) => linear(x, at(`${folder}.${v}`), { G, D }, { M }, inputs),
    output: (z) => linear(z, at(`${folder}.${output}`), { M }, { G, R, D }, { bias: bias.output }),
  };
}
