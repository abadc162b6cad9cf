import { attention } from '../../attention/attention.ts';
import { learnedSink } from '../../attention/normalisers/learned-sink.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { AttentionSteps } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRopeByLayerType } from '../../load/rope-config.ts';
import { multiply, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { expertNames, routedExperts } from '../parts/routed-experts.ts';
import { readSigmoidRouter } from '../parts/sigmoid-router.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'mimo_v2_flash',
  modelTypes: ['mimo_v2_flash'],
  title: 'MiMo-V2-Flash',
  about:
    'Five windowed layers to one full one; the windowed ones have a learned sink logit for each head and twice the key/value heads. Values are scaled and narrower than keys; experts in all layers but the first.',
  gguf: ['mimo2'],
  sinks: {
    kind: 'learned logit',
    stored: 'self_attn.attention_sink_bias [H]',
    about: 'In the windowed layers: one logit for each head beside the scores.',
  },
  build(c) {
    for (const key of ['head_dim', 'num_key_value_heads']) c.int(key, { min: 1 });
    const sizes = readSizes(c);
    const { M, H, D, L } = sizes;
    const width = c.int('v_head_dim', { min: 1, max: 1 << 14, default: 128 });
    // A file may say null, which is no factor; without the key there is the usual one.
    // biome-ignore lint/suspicious/noApproximativeNumericConstant: the family's own three digits.
    const fallback = c.isNull('attention_value_scale') ? 1 : 0.707;
    const valueScale = c.number('attention_value_scale', { default: fallback });
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const ropes = readRopeByLayerType(c, { ...sizes, theta: 5e6, localTheta: 1e4, partial: 0.334 });
    const turns = { full: rotary(ropes.full_attention, D), window: rotary(ropes.sliding_attention, D) };
    // The key of the first release counts the keys before the query only.
    const before = c.int('sliding_window_size', { default: undefined });
    const written = c.int('sliding_window', { min: 1, default: 129 });
    const window = before === undefined ? written : before + 1;
    const windows = readWindows(c, L, (layer) => layer !== 0 && (layer + 1) % 6 !== 0, window);
    if (windows.some((one) => one !== undefined) && H % (2 * sizes.G) !== 0)
      throw c.error(
        'num_key_value_heads',
        `half a divisor of num_attention_heads, ${H}: windowed layers have twice as many`,
      );
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const kinds = c.list('mlp_layer_types', ['dense', 'sparse'], { length: L, default: undefined });
    const sparse = (layer: number) => (kinds ? kinds[layer] === 'sparse' : layer > 0);
    const F = c.int('moe_intermediate_size', { min: 1, max: 1 << 22, default: 2048 });
    const { E, shares } = readSigmoidRouter(c, { experts: 256, chosen: 8 });
    ignoreHarmless(c);
    return standardDecoder({
      family: 'mimo_v2_flash',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const view = windows[layer];
        const G = view === undefined ? sizes.G : 2 * sizes.G;
        const R = H / G;
        const { fused: _, ...plain } = softmaxSteps({
          scale: D ** -0.5,
          output: (z) => linear(z, at('self_attn.o_proj'), { M }, { G, R, D: width }),
          ...(view === undefined ? {} : { window: view }),
        });
        const steps: AttentionSteps =
          view === undefined
            ? plain
            : { ...plain, normalise: learnedSink(weight(at('self_attn.attention_sink_bias'), { G, R })) };
        // A cache holds keys and values of one size in all layers.
        const { attendCached: __, ...layerAttention } = attention({
          q: (x) => linear(x, at('self_attn.q_proj'), { G, R, D }, { M }, { bias }),
          k: (x) => linear(x, at('self_attn.k_proj'), { G, D }, { M }, { bias }),
          v: (x) => multiply(linear(x, at('self_attn.v_proj'), { G, D: width }, { M }, { bias }), valueScale),
          rotary: view === undefined ? turns.full : turns.window,
          steps,
        });
        return serialBlock({
          attention: layerAttention,
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: sparse(layer)
            ? routedExperts({
                ...{ M, F, E, activation, router: at('mlp.gate') },
                expert: (index) => expertNames(at(`mlp.experts.${index}`)),
                shares: shares(at),
              })
            : gatedMlp(at, sizes, activation),
          window: view,
          ...(G === sizes.G ? {} : { keyValueHeads: G }),
          learnedSink: view !== undefined,
        });
      },
    });
  },
};
