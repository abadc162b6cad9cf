import { attention } from '../../attention/attention.ts';
import { gated } from '../../attention/mechanisms/gated-attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { type Rope, readRopeByLayerType } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { sandwichBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { headRmsNorms } from '../parts/head-norms.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { shortConvolution } from '../parts/short-convolution.ts';
import { standardDecoder } from '../parts/standard.ts';

/** Names of the parts of a feed-forward layer by those of Llama. */
const mlpNames: Readonly<Record<string, string>> = {
  'mlp.gate_proj': 'feed_forward.w1',
  'mlp.up_proj': 'feed_forward.w3',
  'mlp.down_proj': 'feed_forward.w2',
};

export const family: DecoderFamily = {
  name: 'lfm3',
  modelTypes: ['lfm3'],
  title: 'LFM3',
  about:
    'Short gated convolutions in most layers; attention in the others, windowed or full, with head norms and a gate for each head.',
  sinks: {
    kind: 'gated output',
    stored: 'self_attn.gate_proj.weight [H, M]',
    about: 'In the attention layers: one gate for each head.',
  },
  limits: ['It cannot be streamed yet: most layers keep a state.'],
  build(c) {
    for (const key of ['head_dim', 'num_key_value_heads', 'intermediate_size']) c.int(key, { min: 1 });
    const sizes = readSizes(c);
    const { M, F, D, L } = sizes;
    const epsilon = c.number('norm_eps', { default: 1e-5 });
    if (!c.has('rope_parameters')) throw c.error('rope_parameters', 'an object');
    const ropes = readRopeByLayerType(c, sizes);
    const turn = (rope: Rope) => {
      // The family's own code does not look at the share there.
      if (rope.kind === 'default' && rope.partial !== 1)
        throw c.error('rope_parameters', 'no partial_rotary_factor beside rope_type "default"');
      return rotary(rope, D);
    };
    const turns = { full_attention: turn(ropes.full_attention), sliding_attention: turn(ropes.sliding_attention) };
    const kinds = ['conv', 'full_attention', 'sliding_attention'] as const;
    const written = c.list('layer_types', kinds, { length: L, default: undefined });
    const usual = (i: number) => (i % 4 === 2 ? 'full_attention' : i % 4 === 0 && i > 0 ? 'sliding_attention' : 'conv');
    const window = c.int('sliding_window', { min: 1, default: 256 });
    const taps = c.int('conv_L_cache', { min: 1, max: 1024, default: 7 });
    const convolutionBias = c.bool('conv_bias', { default: false });
    const projected = c.bool('attention_bias', { default: false });
    const bias = { inputs: projected, output: projected };
    const hasGate = c.bool('use_attention_gate', { default: true });
    const sandwich = c.bool('use_sandwich_norm', { default: true });
    const tied = c.bool('tie_word_embeddings', { default: true });
    ignoreHarmless(c);
    const softmax = gated({
      position: 'sdpa-output',
      granularity: 'head-wise',
      layout: 'separate',
      headNorms: {},
      bias,
    });
    return standardDecoder({
      family: 'lfm3',
      sizes,
      epsilon,
      tied,
      norm: (x) => rmsNorm(x, 'M', 'model.embedding_norm', { epsilon }),
      block(layer, at) {
        const kind = written?.[layer] ?? usual(layer);
        const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
        const afterwards = (name: string) => (sandwich ? over(name) : (x: Stream) => x);
        return sandwichBlock({
          ...(kind === 'conv'
            ? { attention: shortConvolution({ at, M, taps, bias: convolutionBias }), keyValueHeads: 1, rows: 'none' }
            : attentionOf(kind)),
          ln1: over('operator_norm'),
          ln1Post: afterwards('post_operator_norm'),
          ln2: over('ffn_norm'),
          ln2Post: afterwards('post_ffn_norm'),
          mlp: gatedMlp((name) => at(mlpNames[name]!), { F, M }, 'silu'),
        });

        function attentionOf(kind: 'full_attention' | 'sliding_attention') {
          const view = kind === 'full_attention' ? undefined : window;
          const site = { at, sizes, layer, layers: L, epsilon, context: sizes.maxPositions };
          const { output, ...project } = projections(at, sizes, bias);
          const plain = {
            headNorms: headRmsNorms(at, { epsilon }),
            ...{ rotary: turns[kind], steps: softmaxSteps({ scale: D ** -0.5, window: view, output }) },
          };
          return {
            attention: hasGate
              ? softmax.attention({
                  ...{ ...site, position: { rotary: turns[kind] } },
                  ...(view === undefined ? {} : { window: view }),
                })
              : attention({ ...project, ...plain }),
            window: view,
          };
        }
      },
    });
  },
};
