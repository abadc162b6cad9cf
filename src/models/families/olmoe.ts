import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { maximum, minimum, type Tensor } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { expertNames, routedExperts, softmaxShares } from '../parts/routed-experts.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'olmoe',
  modelTypes: ['olmoe'],
  title: 'OLMoE',
  source: '2409.02060',
  about:
    '64 small experts, of which each token uses 8; a norm over all query heads together and one over all key heads.',
  gguf: ['olmoe'],
  build(c) {
    const sizes = readSizes(c);
    const { M, F, D } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, sizes), D);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const E = c.int('num_experts', { min: 1, max: 4096, default: 64 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(8, E) });
    const normed = c.bool('norm_topk_prob', { default: false });
    const clip = c.number('clip_qkv', { min: 1e-9, default: undefined });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    const clipped = <A extends string>(x: Tensor<A>) =>
      clip === undefined ? x : (maximum(minimum(x, clip), -clip) as Tensor<A>);
    return standardDecoder({
      family: 'olmoe',
      sizes,
      epsilon,
      tied,
      block(_, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: bias, output: bias });
        return serialBlock({
          attention: attention({
            q,
            k,
            v: (x) => clipped(v(x)),
            headNorms: {
              q: (x) => clipped(rmsNorm(x, ['G', 'R', 'D'], at('self_attn.q_norm'), { epsilon })),
              k: (x) => clipped(rmsNorm(x, ['G', 'D'], at('self_attn.k_norm'), { epsilon })),
            },
            rotary: turn,
            steps: softmaxSteps({ scale: D ** -0.5, output }),
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: routedExperts({
            ...{ M, F, E, activation, router: at('mlp.gate') },
            expert: (index) => expertNames(at(`mlp.experts.${index}`)),
            shares: softmaxShares(chosen, normed),
          }),
        });
      },
    });
  },
};
