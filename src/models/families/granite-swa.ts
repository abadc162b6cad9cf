import { attention } from '../../attention/attention.ts';
import { nullColumnSteps } from '../../attention/normalisers/null-column.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { divide, multiply, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { sandwichBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

/**
 * Granite with windows in three of four layers, a learned sink b for each head, and a RoPE base for each layer (0: positions are not told).
 *
 * The sink is written as a factor σ(ln Σ e^s − b) on what a head gives out; that is 1 / (1 + e^b / Σ e^s), the share that a column with the
 * score b leaves to the keys. So it is computed as that column, and `attn.hook_sink` is its mass.
 */
export const family: DecoderFamily = {
  name: 'granite_swa',
  modelTypes: ['granite_swa'],
  title: 'Granite with windows',
  about:
    'Windows in three of four layers, a learned sink for each head, and a RoPE base for each layer (0: positions are not told).',
  gguf: ['granite_swa'],
  sinks: {
    kind: 'learned scale',
    stored: 'self_attn.sinks [H]',
    about:
      'What attention gives is scaled by σ(logsumexp − b): the same as a column with logit b, and shown as that column.',
  },
  build(c) {
    // Without the key the family has 4 of them; null stands for as many as query heads.
    if (!c.isNull('num_key_value_heads')) c.int('num_key_value_heads', { min: 1 });
    const sizes = readSizes(c);
    const { H, G, D, L } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const rope = readRope(c, sizes);
    const bases = c.ints('layer_rope_theta', { max: 1e12, length: L, default: undefined });
    const window = c.int('sliding_window', { min: 1, default: 128 });
    const windows = readWindows(c, L, (layer) => layer % 4 !== 0, window);
    const projected = c.bool('attention_bias', { default: false });
    const mlpBias = c.bool('mlp_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    const embeddingScale = c.number('embedding_multiplier', { default: 1 });
    const scale = c.number('attention_multiplier', { min: 1e-6, default: 1 });
    const added = c.number('residual_multiplier', { default: 1 });
    const divisor = c.number('logits_scaling', { min: 1e-6, default: 1 });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'granite_swa',
      sizes,
      epsilon,
      tied,
      embeddingScale,
      logits: (x) => divide(x, divisor),
      block(layer, at) {
        const { output, ...project } = projections(at, sizes, { inputs: projected, output: projected });
        const theta = bases?.[layer] ?? rope.theta;
        const logits = weight(at('self_attn.sinks'), { G, R: H / G });
        const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
        const scaled = (x: Stream) => multiply(x, added);
        return sandwichBlock({
          attention: attention({
            ...project,
            rotary: theta === 0 ? undefined : rotary({ ...rope, theta }, D),
            steps: nullColumnSteps({ scale, window: windows[layer], output, logits }),
          }),
          ln1: over('input_layernorm'),
          ln1Post: scaled,
          ln2: over('post_attention_layernorm'),
          ln2Post: scaled,
          mlp: gatedMlp(at, sizes, activation, { bias: mlpBias }),
          window: windows[layer],
          learnedSink: true,
          rowsBeforeSink: true,
        });
      },
    });
  },
};
