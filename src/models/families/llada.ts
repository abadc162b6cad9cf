import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { Family } from '../family.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { llamaBlock } from '../parts/llama-block.ts';
import { vocabulary } from '../parts/vocabulary.ts';

/** Names of a layer's weights, by those that Llama has for them. */
const names: Readonly<Record<string, string>> = {
  'self_attn.q_proj': 'q_proj',
  'self_attn.k_proj': 'k_proj',
  'self_attn.v_proj': 'v_proj',
  'self_attn.o_proj': 'attn_out',
  'mlp.gate_proj': 'ff_proj',
  'mlp.up_proj': 'up_proj',
  'mlp.down_proj': 'ff_out',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ff_norm',
};

/** Options of the code that this layout comes from, with the only value that is read. */
const only = {
  alibi: false,
  attention_layer_norm: false,
  bias_for_layer_norm: false,
  block_group_size: 1,
  block_type: 'llama',
  include_bias: false,
  input_emb_norm: false,
  layer_norm_type: 'rms',
  layer_norm_with_affine: true,
  multi_query_attention: false,
  rope: true,
  scale_logits: false,
} as const;

/**
 * The masked diffusion model of 2502.09992 from its released layout. Logits at a position are of the token behind the mask token
 * (`mask_token_id`) at that position. Not compared with its reference implementation, which is code beside the weights, nor run from released
 * weights: compared is a checkpoint of this layout with a Llama that sees in both directions, computed another way.
 */
export const family: Family = {
  name: 'llada',
  modelTypes: ['llada'],
  title: 'LLaDA, LLaDA 1.5',
  source: '2502.09992',
  about: 'A masked diffusion language model: Llama that sees texts in both directions and fills in mask tokens.',
  gguf: ['llada'],
  limits: ['The reference implementation is code beside the weights and was not run; LLaDA-MoE is refused.'],
  build(c) {
    const even = readEvenSizes(c, {
      width: ['d_model'],
      heads: ['n_heads'],
      layers: ['n_layers'],
      positions: 'max_sequence_length',
    });
    const { H, M } = even;
    const G = c.int('n_kv_heads', { min: 1, max: 1 << 14, default: H });
    if (H % G !== 0) throw c.error('n_kv_heads', `a divisor of n_heads, ${H}`);
    // The table may have more rows than there are tokens.
    const V = c.int('embedding_size', { min: even.V, max: 1 << 24, default: even.V });
    const ratio = c.int('mlp_ratio', { min: 1, max: 1 << 10, default: 4 });
    const F = c.int('mlp_hidden_size', { min: 1, max: 1 << 22, default: ratio * M });
    const sizes = { ...even, G, V, F };
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, sizes), sizes.D);
    const activation = c.oneOf('activation_type', ['silu'], { default: 'silu' });
    const inputs = c.bool('include_qkv_bias', { default: false });
    const tied = c.bool('weight_tying', { default: true });
    c.int('mask_token_id', { max: V - 1, default: undefined });
    for (const [key, value] of Object.entries(only)) c.oneOf(key, [value], { default: value });
    // How it was trained and in what precision; the last names code beside the weights that does the same.
    c.ignore(['alibi_bias_max', 'attention_layer_norm_with_affine', 'flash_attention', 'init_cutoff_factor']);
    c.ignore(['init_device', 'init_fn', 'init_std', 'precision', 'rope_full_precision', 'auto_map']);
    ignoreHarmless(c);
    const root = 'model.transformer.';
    const words = vocabulary({ V, M, embedding: `${root}wte`, output: tied ? `${root}wte` : `${root}ff_out` });
    return {
      family: 'llada',
      sizes,
      causal: false,
      ...words,
      blocks: Array.from({ length: sizes.L }, (_, layer) => {
        const at = (name: string) => `${root}blocks.${layer}.${names[name] ?? name}`;
        return llamaBlock({ at, sizes, epsilon, rotary: turn, activation, bias: { inputs }, causal: false });
      }),
      norm: (x) => rmsNorm(x, 'M', `${root}ln_f`, { epsilon }),
      ...(tied ? { tiedTensors: [`${root}ff_out.weight`] } : {}),
    };
  },
};
