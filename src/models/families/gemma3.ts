import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRopeByLayerType } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { gemmaBlock } from '../parts/gemma-block.ts';
import { headRmsNorms } from '../parts/head-norms.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'gemma3',
  modelTypes: ['gemma3_text'],
  title: 'Gemma 3',
  source: '2503.19786',
  about:
    'Five windowed layers to one full one, each kind with its RoPE base; norms before and after both parts, stored minus one.',
  gguf: ['gemma3'],
  limits: ['Checkpoints that read pictures are refused.'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const ropes = readRopeByLayerType(c, { ...sizes, theta: 1e6, localTheta: 1e4 });
    const turns = { full: rotary(ropes.full_attention, sizes.D), window: rotary(ropes.sliding_attention, sizes.D) };
    const period =
      c.int('_sliding_window_pattern', { min: 1, default: undefined }) ??
      c.int('sliding_window_pattern', { min: 1, default: 6 });
    const window = c.int('sliding_window', { min: 1, default: 4096 });
    const windows = readWindows(c, sizes.L, (layer) => (layer + 1) % period !== 0, window);
    const scale = c.number('query_pre_attn_scalar', { min: 1e-6, default: 256 }) ** -0.5;
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_activation', activationNames, { default: 'gelu_pytorch_tanh' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('use_bidirectional_attention', [false], { default: false });
    for (const key of ['attn_logit_softcapping', 'final_logit_softcapping'])
      if (c.has(key)) throw c.error(key, 'no soft-capping in Gemma 3');
    ignoreHarmless(c);
    const norm = { epsilon, offset: 1 };
    return standardDecoder({
      family: 'gemma3',
      sizes,
      ...norm,
      tied,
      embeddingScale: sizes.M ** 0.5,
      block(layer, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: bias, output: bias });
        const view = windows[layer];
        const steps = softmaxSteps({ scale, output, ...(view === undefined ? {} : { window: view }) });
        const headNorms = headRmsNorms(at, norm);
        const attended = attention({
          q,
          k,
          v,
          headNorms,
          rotary: view === undefined ? turns.full : turns.window,
          steps,
        });
        return gemmaBlock({ at, sizes, norm, attention: attended, activation, window: view });
      },
    });
  },
};
