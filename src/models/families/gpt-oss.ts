import { attention } from '../../attention/attention.ts';
import { learnedSink } from '../../attention/normalisers/learned-sink.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { withMxfp4 } from '../../load/mxfp4.ts';
import { readRope } from '../../load/rope-config.ts';
import { weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { clampedExperts } from '../parts/experts.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'gpt_oss',
  modelTypes: ['gpt_oss'],
  title: 'GPT-OSS',
  source: '2508.10925',
  about:
    'A learned sink logit for each head beside the scores, every other layer windowed, experts with clamped SwiGLU, as MXFP4 blocks in the release.',
  gguf: ['gpt-oss'],
  sinks: {
    kind: 'learned logit',
    stored: 'self_attn.sinks [H]',
    about:
      'In every layer: one logit for each head stands beside the scores of each row, and takes its share of the softmax.',
  },
  adapt: withMxfp4,
  build(c) {
    const sizes = readSizes(c);
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, theta: 150_000 }), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: 128 });
    const windows = readWindows(c, sizes.L, (layer) => layer % 2 === 0, window);
    const bias = c.bool('attention_bias', { default: true });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const E = c.int('num_local_experts', { min: 1, max: 4096 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E });
    c.int('experts_per_token', { min: chosen, max: chosen, default: chosen });
    const alpha = c.number('swiglu_alpha', { default: 1.702 });
    const limit = c.number('swiglu_limit', { default: 7 });
    c.oneOf('hidden_act', ['silu'], { default: 'silu' });
    const stored = c.object('quantization_config');
    stored?.oneOf('quant_method', ['mxfp4']);
    stored?.ignore(['modules_to_not_convert']);
    c.ignore(['initial_context_length']);
    ignoreHarmless(c);
    const { H, G, D } = sizes;
    return standardDecoder({
      family: 'gpt_oss',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const { q, k, v, output } = projections(at, sizes, { inputs: bias, output: bias });
        const view = windows[layer];
        const { fused: _, ...steps } = softmaxSteps({
          scale: D ** -0.5,
          output,
          ...(view === undefined ? {} : { window: view }),
        });
        const normalise = learnedSink(weight(at('self_attn.sinks'), { G, R: H / G }));
        return serialBlock({
          attention: attention({ q, k, v, rotary: turn, steps: { ...steps, normalise } }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: clampedExperts(at, { ...sizes, E, chosen, alpha, limit }),
          window: view,
          learnedSink: true,
        });
      },
    });
  },
};
