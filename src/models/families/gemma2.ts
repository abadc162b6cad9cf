import { attention } from '../../attention/attention.ts';
import { softCapped } from '../../attention/normalisers/soft-capped.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { activationNames } from '../../layers/activations.ts';
import { softCap } from '../../layers/soft-cap.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes, readSoftCap, readWindows } from '../parts/config.ts';
import { gemmaBlock } from '../parts/gemma-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'gemma2',
  modelTypes: ['gemma2'],
  title: 'Gemma 2',
  source: '2408.00118',
  about:
    'Every other layer windowed, scores and logits soft-capped, norms before and after both parts, stored minus one.',
  gguf: ['gemma2'],
  build(c) {
    const sizes = readSizes(c);
    const norm = { epsilon: c.number('rms_norm_eps', { default: 1e-6 }), offset: 1 };
    const turn = rotary(readRope(c, sizes), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: 4096 });
    // A second name of it in early releases.
    c.oneOf('sliding_window_size', [window], { default: undefined });
    const windows = readWindows(c, sizes.L, (layer) => layer % 2 === 0, window);
    const scale = c.number('query_pre_attn_scalar', { min: 1e-6, default: 256 }) ** -0.5;
    const scoreCap = readSoftCap(c, 'attn_logit_softcapping', 50);
    const logitCap = readSoftCap(c, 'final_logit_softcapping', 30);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_activation', activationNames, { default: 'gelu_pytorch_tanh' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('use_bidirectional_attention', [false], { default: false });
    // Stands beside hidden_activation in the releases, and is not what counts.
    c.ignore(['hidden_act']);
    ignoreHarmless(c);
    return standardDecoder({
      family: 'gemma2',
      sizes,
      ...norm,
      tied,
      embeddingScale: sizes.M ** 0.5,
      logits: (x) => softCap(x, logitCap),
      block(layer, at) {
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
        const view = windows[layer];
        const steps = softCapped(softmaxSteps({ scale, output, window: view }), scoreCap);
        const attended = attention({ ...project, rotary: turn, steps });
        return gemmaBlock({ at, sizes, norm, attention: attended, activation, window: view });
      },
    });
  },
};
