import { attention } from '../../attention/attention.ts';
import { nullColumnSteps } from '../../attention/normalisers/null-column.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes, readWindows } from '../parts/config.ts';
import { headRmsNorms } from '../parts/head-norms.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { expert, expertNames, routedExperts } from '../parts/routed-experts.ts';
import { sigmoidShares } from '../parts/sigmoid-shares.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'flint',
  modelTypes: ['flint'],
  title: 'Flint',
  about:
    'A learned sink logit for each head, norms over query and key heads, RoPE in windowed layers only (full ones are not told positions), and experts by sigmoid scores with one more that every token uses.',
  sinks: {
    kind: 'learned logit',
    stored: 'self_attn.softmax_offset [H]',
    about: 'In every layer: one logit for each head beside the scores.',
  },
  build(c) {
    for (const key of ['head_dim', 'num_key_value_heads']) c.int(key, { min: 1 });
    const sizes = readSizes(c);
    const { M, H, G, D, L } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const turn = rotary(readRope(c, sizes), D);
    const full = (layer: number) => layer < 2 || layer % 4 === 1 || layer === L - 1;
    const window = c.int('sliding_window', { min: 1, default: 513 });
    const windows = readWindows(c, L, (layer) => !full(layer), window);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const width = { min: 1, max: 1 << 22 };
    const F = c.int('moe_intermediate_size', { ...width, default: 512 });
    const sharedF = c.int('shared_expert_intermediate_size', { ...width, default: 1024 });
    const E = c.int('num_experts', { max: 4096, default: 256 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: Math.max(1, E), default: Math.min(6, E) });
    const normed = c.bool('norm_topk_prob', { default: true });
    const step = c.int('decoder_sparse_step', { min: 1, default: 1 });
    const plain = c.ints('mlp_only_layers', { max: 4096, default: [0, 1] });
    const sparse = (layer: number) => E > 0 && !plain.includes(layer) && (layer + 1) % step === 0;
    ignoreHarmless(c);
    return standardDecoder({
      family: 'flint',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const view = windows[layer];
        const { output, ...project } = projections(at, sizes, { inputs: bias, output: bias });
        const logits = weight(at('self_attn.softmax_offset'), { G, R: H / G });
        const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
        return serialBlock({
          attention: attention({
            ...project,
            headNorms: headRmsNorms(at, { epsilon }),
            rotary: view === undefined ? undefined : turn,
            steps: nullColumnSteps({ scale: D ** -0.5, window: view, output, logits }),
          }),
          ln1: over('input_layernorm'),
          ln2: over('post_attention_layernorm'),
          mlp: sparse(layer)
            ? routedExperts({
                ...{ M, F, E, activation, router: at('mlp.gate') },
                expert: (index) => expertNames(at(`mlp.experts.${index}`)),
                shares: sigmoidShares({ E, chosen, normed }),
                shared: (x) => expert(x, expertNames(at('mlp.shared_expert')), { F: sharedF, M }, activation),
              })
            : gatedMlp(at, sizes, activation),
          window: view,
          learnedSink: true,
        });
      },
    });
  },
};
