import { dynamicMaskAttention } from '../../attention/mechanisms/dynamic-mask-attention.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { weightedResidualBlock } from '../parts/residual-blocks.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'doge',
  modelTypes: ['doge'],
  title: 'Doge',
  source: '2508.02124',
  about:
    'Values choose the keys that queries keep and bias their scores; both residuals have a weight for each channel.',
  build(c) {
    const sizes = readSizes(c);
    const { M, L } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const keep = c.int('keep_window_size', { min: 1, default: 2048 });
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const bias = c.bool('mlp_bias', { default: false });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('attention_bias', [false], { default: false });
    // The released router of its mixtures looks at later tokens, and at other texts of a batch.
    c.oneOf('is_moe', [false], { default: false });
    c.ignore(['num_experts', 'num_experts_per_tok', 'norm_topk_prob']);
    ignoreHarmless(c);
    // Equal scores (a repeated token, in the first layer) have no order in the released code; mostly the earlier one is kept.
    const mechanism = dynamicMaskAttention({ keep, headNorms: true, ties: 'earlier' });
    return standardDecoder({
      family: 'doge',
      sizes,
      epsilon,
      tied,
      block: (layer, at) =>
        weightedResidualBlock({
          attention: mechanism.attention({
            ...{ at, sizes, layer, layers: L, epsilon, context: sizes.maxPositions },
            position: { rotary: turn },
            ...(window === undefined ? {} : { window }),
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: gatedMlp(at, sizes, activation, { bias }),
          past: { attention: weight(at('input_residual'), { M }), mlp: weight(at('post_attention_residual'), { M }) },
          window,
        }),
    });
  },
};
