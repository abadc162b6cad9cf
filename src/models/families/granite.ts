import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { divide, multiply } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { sandwichBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'granite',
  modelTypes: ['granite'],
  title: 'Granite 3',
  source: '2203.03466',
  about:
    'Llama with the four factors of μP: on embeddings, on scores, on what both parts add to the stream, on logits.',
  gguf: ['granite'],
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected };
    const mlpBias = c.bool('mlp_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const embeddingScale = c.number('embedding_multiplier', { default: 1 });
    const scale = c.number('attention_multiplier', { default: 1 });
    const added = c.number('residual_multiplier', { default: 1 });
    const divisor = c.number('logits_scaling', { min: 1e-6, default: 1 });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'granite',
      sizes,
      epsilon,
      tied,
      embeddingScale,
      logits: (x) => divide(x, divisor),
      block(_, at) {
        const { output, ...project } = projections(at, sizes, bias);
        const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
        const scaled = (x: Stream) => multiply(x, added);
        return sandwichBlock({
          attention: attention({ ...project, rotary: turn, steps: softmaxSteps({ scale, output }) }),
          ln1: over('input_layernorm'),
          ln1Post: scaled,
          ln2: over('post_attention_layernorm'),
          ln2Post: scaled,
          mlp: gatedMlp(at, sizes, activation, { bias: mlpBias }),
        });
      },
    });
  },
};
