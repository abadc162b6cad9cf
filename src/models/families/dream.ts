import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Family } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

/**
 * The masked diffusion model of 2508.15487, a Qwen2 that was trained on. As there, logits at a position are of the next one: whoever fills
 * in masks takes those of position i − 1 for position i. Not compared with its reference implementation, which is code beside the weights,
 * nor run from released weights: compared is a checkpoint of this layout with a Qwen2 that sees in both directions, computed another way.
 */
export const family: Family = {
  name: 'dream',
  modelTypes: ['Dream'],
  title: 'Dream, DiffuCoder',
  source: '2508.15487',
  about:
    'A masked diffusion language model: Qwen2 that sees texts in both directions; its logits are still those of the next position.',
  gguf: ['dream'],
  limits: ['The reference implementation is code beside the weights and was not run.'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('use_sliding_window', [false], { default: false });
    c.oneOf('use_mrope', [false], { default: false });
    c.int('mask_token_id', { max: sizes.V - 1, default: undefined });
    // Windows are off; the last names code beside the weights that does the same.
    c.ignore(['sliding_window', 'max_window_layers', 'auto_map']);
    ignoreHarmless(c);
    const shared = { sizes, epsilon, rotary: turn, activation, bias: { inputs: true }, causal: false };
    const block = (_: number, at: (name: string) => string) => llamaBlock({ ...shared, at });
    return { ...standardDecoder({ family: 'dream', sizes, epsilon, tied, block }), causal: false };
  },
};
