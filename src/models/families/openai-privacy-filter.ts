import { attention } from '../../attention/attention.ts';
import { learnedSink } from '../../attention/normalisers/learned-sink.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { weight } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { readSizes } from '../parts/config.ts';
import { onlyEncoder } from '../parts/encoder-config.ts';
import { clampedExperts } from '../parts/experts.ts';
import { standardDecoder } from '../parts/standard.ts';
import { tokenClasses } from '../parts/text-heads.ts';

export const family: Family = {
  name: 'openai_privacy_filter',
  modelTypes: ['openai_privacy_filter'],
  title: 'OpenAI Privacy Filter',
  about:
    'An encoder with the attention of GPT-OSS: a learned sink logit for each head, a window to both sides in every layer, experts; classes of tokens instead of a vocabulary.',
  sinks: {
    kind: 'learned logit',
    stored: 'self_attn.sinks [H]',
    about:
      'In every layer: one logit for each head stands beside the scores of each row, and takes its share of the softmax.',
  },
  build(c, checkpoint) {
    const sizes = readSizes(c);
    const { H, G, D, M } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    // Without either key the reference has YaRN of its own.
    if (!c.has('rope_scaling') && !c.has('rope_parameters')) throw c.error('rope_parameters', 'an object');
    const turn = { ...rotary(readRope(c, { ...sizes, theta: 150_000 }), D), interleaved: true };
    // The file counts the tokens on one side.
    const window = c.int('sliding_window', { min: 0, default: 128 }) + 1;
    const bias = c.bool('attention_bias', { default: true });
    const E = c.int('num_local_experts', { min: 1, max: 4096, default: 128 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(4, E) });
    const alpha = c.number('swiglu_alpha', { default: 1.702 });
    const limit = c.number('swiglu_limit', { default: 7 });
    c.bool('tie_word_embeddings', { default: false });
    c.ignore(['initial_context_length']);
    onlyEncoder(c);
    const outline = standardDecoder({
      family: 'openai_privacy_filter',
      sizes,
      epsilon,
      tied: false,
      block(_, at) {
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
        const { fused: _fused, ...steps } = softmaxSteps({ scale: D ** -0.5, causal: false, window, output });
        const normalise = learnedSink(weight(at('self_attn.sinks'), { G, R: H / G }));
        return serialBlock({
          attention: attention({ ...project, rotary: turn, steps: { ...steps, normalise } }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: clampedExperts(at, { ...sizes, E, chosen, alpha, limit, packed: 'halves' }),
          window,
          learnedSink: true,
        });
      },
    });
    return { ...outline, causal: false, ...tokenClasses({ checkpoint, name: 'score', M }) };
  },
};
