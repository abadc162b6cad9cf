import { attention } from '../../attention/attention.ts';
import { clippedProjections } from '../../attention/clipped-projections.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { simpleLayerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

/** No file says it. */
const epsilon = 1e-5;

export const family: DecoderFamily = {
  name: 'olmo',
  modelTypes: ['olmo'],
  title: 'OLMo',
  source: '2402.00838',
  about: 'Llama with LayerNorm that has no parameters; queries, keys and values may be clipped.',
  gguf: ['olmo'],
  build(c) {
    const sizes = readSizes(c);
    const turn = rotary(readRope(c, sizes), sizes.D);
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected };
    const limit = c.number('clip_qkv', { min: 1e-9, default: undefined });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    const norm = (x: Stream) => simpleLayerNorm(x, 'M', { epsilon });
    return standardDecoder({
      family: 'olmo',
      sizes,
      epsilon,
      tied,
      norm,
      block(_, at) {
        const { output, ...project } = clippedProjections(projections(at, sizes, bias), limit);
        const steps = softmaxSteps({ scale: sizes.D ** -0.5, output });
        return serialBlock({
          attention: attention({ ...project, rotary: turn, steps }),
          ln1: norm,
          ln2: norm,
          mlp: gatedMlp(at, sizes, activation),
        });
      },
    });
  },
};
