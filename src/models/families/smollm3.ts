import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'smollm3',
  modelTypes: ['smollm3'],
  title: 'SmolLM3',
  source: '2501.18795',
  about: 'Llama with every fourth layer without RoPE, which may have a window.',
  gguf: ['smollm3'],
  build(c) {
    const sizes = readSizes(c);
    const { L } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, { ...sizes, theta: 2e6 }), sizes.D);
    const interval = c.int('no_rope_layer_interval', { min: 1, default: 4 });
    // 1 where a layer has RoPE, in spite of the name.
    const turned =
      c.ints('no_rope_layers', { max: 1, default: undefined }) ??
      Array.from({ length: L }, (_, layer) => ((layer + 1) % interval === 0 ? 0 : 1));
    if (turned.length < L) throw c.error('no_rope_layers', `at least one number for each of ${L} layers`);
    const used = c.bool('use_sliding_window', { default: false });
    const size = c.int('sliding_window', { min: 1, default: undefined });
    const window = used ? size : undefined;
    const windows = readWindows(c, L, (layer) => window !== undefined && turned[layer] === 0, window);
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected, mlp: c.bool('mlp_bias', { default: false }) };
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    // Stands in the releases; the family has no such rule.
    c.ignore(['max_window_layers']);
    ignoreHarmless(c);
    const shared = { sizes, epsilon, activation, bias };
    return standardDecoder({
      family: 'smollm3',
      sizes,
      epsilon,
      tied,
      block: (layer, at) =>
        llamaBlock({ ...shared, at, rotary: turned[layer] === 1 ? turn : undefined, window: windows[layer] }),
    });
  },
};
