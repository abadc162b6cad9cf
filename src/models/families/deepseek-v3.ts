import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { latentAttention } from '../parts/latent-attention.ts';
import { readLatentSizes, temperature } from '../parts/latent-sizes.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { expert, expertNames, routedExperts } from '../parts/routed-experts.ts';
import { readSigmoidRouter } from '../parts/sigmoid-router.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'deepseek_v3',
  modelTypes: ['deepseek_v3'],
  title: 'DeepSeek-V3, R1',
  source: '2412.19437',
  about: 'Keys and values from one narrow latent, many small experts beside one that every token uses.',
  gguf: ['deepseek2'],
  build(c) {
    const { sizes, still, turning, values } = readLatentSizes(c);
    const { M, H, L, D } = sizes;
    c.int('head_dim', { min: turning, max: turning, default: turning });
    const latents = {
      queryLatent: c.isNull('q_lora_rank') ? undefined : c.int('q_lora_rank', { min: 1, default: 1536 }),
      keyValueLatent: c.int('kv_lora_rank', { min: 1 }),
    };
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const rope = readRope(c, sizes);
    const interleaved = c.bool('rope_interleave', { default: true });
    const turn = { ...rotary(rope, turning), interleaved };
    const scale = D ** -0.5 * temperature(rope);
    const bias = c.bool('attention_bias', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const dense = c.int('first_k_dense_replace', { default: 3 });
    const F = c.int('moe_intermediate_size', { min: 1, max: 1 << 22 });
    const sharedF = F * c.int('n_shared_experts', { min: 1, max: 4096, default: 1 });
    for (const key of ['n_group', 'topk_group']) c.int(key, { min: 1 });
    const { E, shares } = readSigmoidRouter(c, { experts: 256, chosen: 8, scale: 2.5 });
    c.oneOf('scoring_func', ['sigmoid'], { default: 'sigmoid' });
    c.oneOf('topk_method', ['noaux_tc'], { default: 'noaux_tc' });
    c.oneOf('moe_layer_freq', [1], { default: 1 });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const extra = c.int('num_nextn_predict_layers', { max: 4096, default: 1 });
    // How it was trained.
    c.ignore(['ep_size', 'seq_aux', 'aux_loss_alpha']);
    ignoreHarmless(c);
    const decoder = standardDecoder({
      family: 'deepseek_v3',
      sizes,
      epsilon,
      tied,
      block: (layer, at) =>
        serialBlock({
          attention: latentAttention({
            ...{ at, M, H, still, turning, values, scale, bias },
            ...latents,
            rotary: turn,
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp:
            layer < dense
              ? gatedMlp(at, sizes, activation)
              : routedExperts({
                  ...{ M, F, E, activation, router: at('mlp.gate') },
                  expert: (index) => expertNames(at(`mlp.experts.${index}`)),
                  shares: shares(at),
                  shared: (x) => expert(x, expertNames(at('mlp.shared_experts')), { F: sharedF, M }, activation),
                }),
        }),
    });
    // Layers after the last predict further tokens; they have no part in this model's.
    const further = Array.from({ length: extra }, (_, i) => L + i).join('|');
    const ignoredTensors = new RegExp(
      `\\.rotary_emb\\.inv_freq$${extra > 0 ? `|^model\\.layers\\.(${further})\\.` : ''}`,
    );
    return { ...decoder, ignoredTensors };
  },
};
