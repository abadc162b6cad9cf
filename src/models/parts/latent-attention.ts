import { type AttentionParts, attention } from '../../attention/attention.ts';
import type { AttentionLayer } from '../../attention/layer.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Rotary } from '../../attention/positions/rope.ts';
import type { AttentionGiven, AttentionSteps, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { concat, expand, rename, slice, type Tensor } from '../../tensor/index.ts';

export interface LatentAttentionOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly M: number;
  readonly H: number;
  /** Widths of a query and key head: without position, and the part that turns. */
  readonly still: number;
  readonly turning: number;
  /** Width of a value head. */
  readonly values: number;
  /** Widths of the latents; undefined: queries are projected from the stream. */
  readonly queryLatent: number | undefined;
  readonly keyValueLatent: number;
  /** Of the turning part. */
  readonly rotary: Rotary;
  readonly scale: number;
  /** Biases of the projections from the stream and of the output. */
  readonly bias: boolean;
  /** Replaces steps of plain softmax, from the layer's values. Default: none. */
  readonly change?: (plain: AttentionSteps, given: AttentionGiven) => AttentionSteps;
  /** What the changed steps look at along the keys. Default: nothing. */
  readonly more?: AttentionParts['more'];
}

/** The narrow latent of a token that its queries are made of; norms of latents have an ε of their own, whatever the configuration says. */
export function queryLatentOf(
  x: Stream,
  { at, M, bias, queryLatent }: Pick<LatentAttentionOptions, 'at' | 'M' | 'bias'> & { readonly queryLatent: number },
): Tensor<'B' | 'T' | 'C'> {
  const wide = linear(x, at('self_attn.q_a_proj'), { C: queryLatent }, { M }, { bias });
  return rmsNorm(wide, 'C', at('self_attn.q_a_layernorm'), { epsilon });
}

const epsilon = 1e-6;

/**
 * Multi-head latent attention (DeepSeek-V2, 2405.04434): keys and values of all heads from one narrow latent of a token, and one key part for
 * all heads that carries the position. In `attn.hook_rot_q` and `attn.hook_rot_k` the turning part comes first, the files have it last: scores
 * are the same.
 */
export function latentAttention(options: LatentAttentionOptions): AttentionLayer {
  const { at, M, H, still, turning, values, queryLatent, keyValueLatent, rotary, scale, bias } = options;
  const { change, more } = options;
  const heads = { G: H, R: 1 } as const;
  const D = still + turning;
  const turningFirst = <A extends string>(x: Tensor<A | 'D'>) =>
    concat([slice(x as Tensor<'D'>, 'D', still, D), slice(x as Tensor<'D'>, 'D', 0, still)], 'D') as Tensor<A | 'D'>;
  const latent = (x: Tensor<'B' | 'S' | 'M'>) =>
    linear(x, at('self_attn.kv_a_proj_with_mqa'), { C: keyValueLatent + turning }, { M }, { bias });
  const keysAndValues = (x: Tensor<'B' | 'S' | 'M'>) => {
    const narrow = rmsNorm(slice(latent(x), 'C', 0, keyValueLatent), 'C', at('self_attn.kv_a_layernorm'), { epsilon });
    return linear(narrow, at('self_attn.kv_b_proj'), { G: H, D: still + values }, { C: keyValueLatent });
  };
  const { fused, ...steps } = softmaxSteps({
    scale,
    output: (z) => linear(z, at('self_attn.o_proj'), { M }, { ...heads, D: values }, { bias }),
  });
  const layer = attention({
    q(x) {
      if (queryLatent === undefined) return turningFirst(linear(x, at('self_attn.q_proj'), { ...heads, D }, { M }));
      const narrow = queryLatentOf(x, { at, M, bias, queryLatent });
      return turningFirst(linear(narrow, at('self_attn.q_b_proj'), { ...heads, D }, { C: queryLatent }));
    },
    k(x) {
      const shared = rename(slice(latent(x), 'C', keyValueLatent, keyValueLatent + turning), 'C', 'D');
      return concat([expand(shared, { G: H }), slice(keysAndValues(x), 'D', 0, still)], 'D');
    },
    v: (x) => slice(keysAndValues(x), 'D', still, still + values),
    rotary,
    // The fused operator and a cache take keys and values of one width.
    steps: change ? (given) => change(steps, given) : values === D ? { ...steps, ...(fused ? { fused } : {}) } : steps,
    ...(more ? { more } : {}),
  });
  if (values === D || change) return layer;
  const { attendCached: _, ...whole } = layer;
  return whole;
}
