import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRopeByLayerType } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { olmoBlock } from '../parts/olmo-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'olmo3',
  modelTypes: ['olmo3'],
  title: 'OLMo 3',
  source: '2512.13961',
  about: 'OLMo 2 with three windowed layers to one full one; scaled RoPE in the full ones only.',
  gguf: ['olmo2'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    // Both kinds of layer share the base that the releases name once.
    const theta = c.number('rope_theta', { min: 1, default: 5e5 });
    const ropes = readRopeByLayerType(c, { ...sizes, theta, localTheta: theta });
    const turns = { full: rotary(ropes.full_attention, sizes.D), window: rotary(ropes.sliding_attention, sizes.D) };
    const window = c.int('sliding_window', { min: 1, default: 4096 });
    const windows = readWindows(c, sizes.L, (layer) => (layer + 1) % 4 !== 0, window);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'olmo3',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const view = windows[layer];
        const turn = view === undefined ? turns.full : turns.window;
        return olmoBlock({ at, sizes, epsilon, rotary: turn, activation, bias, window: view });
      },
    });
  },
};
