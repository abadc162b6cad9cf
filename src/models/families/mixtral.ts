import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { routedExperts, softmaxShares } from '../parts/routed-experts.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'mixtral',
  modelTypes: ['mixtral'],
  title: 'Mixtral',
  source: '2401.04088',
  about: 'Mistral with eight experts for the feed-forward part, of which each token uses two.',
  gguf: ['llama'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, theta: 1e6 }), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const E = c.int('num_local_experts', { min: 1, max: 4096, default: 8 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: 2 });
    const tied = c.bool('tie_word_embeddings', { default: false });
    // Noise on the stream in training.
    c.ignore(['router_jitter_noise']);
    ignoreHarmless(c);
    return standardDecoder({
      family: 'mixtral',
      sizes,
      epsilon,
      tied,
      block(_, at) {
        const feedForward = routedExperts({
          ...{ M: sizes.M, F: sizes.F, E, activation, router: at('block_sparse_moe.gate') },
          expert(index) {
            const one = at(`block_sparse_moe.experts.${index}`);
            return { gate: `${one}.w1`, up: `${one}.w3`, down: `${one}.w2` };
          },
          shares: softmaxShares(chosen, true),
        });
        return llamaBlock({ at, sizes, epsilon, rotary: turn, activation, window, feedForward });
      },
    });
  },
};
