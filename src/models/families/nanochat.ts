import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Keys, Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { simpleRmsNorm } from '../../layers/norms.ts';
import { softCap } from '../../layers/soft-cap.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes, readSoftCap } from '../parts/config.ts';
import { plainMlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'nanochat',
  modelTypes: ['nanochat'],
  title: 'nanochat',
  source: 'github.com/karpathy/nanochat',
  about:
    'Norms without parameters, also after the embeddings and over each query and key head, RoPE that turns the other way, squared ReLU, soft-capped logits.',
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const forwards = rotary(readRope(c, sizes), sizes.D);
    // Heads are normed after RoPE. A rotation keeps their length, so norms before it are the same unless RoPE has a factor.
    if (forwards.factor !== undefined)
      throw c.error(
        c.has('rope_scaling') ? 'rope_scaling' : 'rope_parameters',
        'RoPE without a factor on what it turns',
      );
    const turn = { frequencies: forwards.frequencies.map((frequency) => -frequency) };
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'relu2' });
    const cap = readSoftCap(c, 'final_logit_softcapping', 15);
    const tied = c.bool('tie_word_embeddings', { default: false });
    ignoreHarmless(c);
    const norm = (x: Stream) => simpleRmsNorm(x, 'M', { epsilon });
    const headNorms = {
      q: (x: Queries) => simpleRmsNorm(x, 'D', { epsilon }),
      k: (x: Keys) => simpleRmsNorm(x, 'D', { epsilon }),
    };
    const decoder = standardDecoder({
      family: 'nanochat',
      sizes,
      epsilon,
      tied,
      norm,
      logits: (x) => softCap(x, cap),
      block(_, at) {
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
        const steps = softmaxSteps({ scale: sizes.D ** -0.5, output });
        return serialBlock({
          attention: attention({ ...project, headNorms, rotary: turn, steps }),
          ln1: norm,
          ln2: norm,
          mlp: plainMlp({ up: at('mlp.fc1'), down: at('mlp.fc2') }, sizes, activation, { bias: false }),
        });
      },
    });
    return { ...decoder, embed: (ids, positions) => norm(decoder.embed(ids, positions)) };
  },
};
