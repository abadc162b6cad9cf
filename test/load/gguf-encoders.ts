/** How the fixtures of encoders look in GGUF, which leaves their heads out. */
import { both, type FamilyCase, family } from './gguf-conventions.ts';

const causal = { 'attention.causal': false };
const epsilon = { 'attention.layer_norm_epsilon': { float: 1e-12 } };

const embeddings = (root: string) => ({
  [`${root}.word_embeddings.weight`]: 'token_embd.weight',
  [`${root}.position_embeddings.weight`]: 'position_embd.weight',
  ...both({ [`${root}.LayerNorm`]: 'token_embd_norm' }),
});

/** Tensors of the heads. */
const without = (...names: string[]) => Object.fromEntries(names.map((name) => [name, '']));

export const encoderCases: Readonly<Record<string, FamilyCase>> = {
  bert: family(
    'bert',
    { ...epsilon, ...causal, pooling_type: 1 },
    {
      headless: true,
      names: {
        ...embeddings('bert.embeddings'),
        'bert.embeddings.token_type_embeddings.weight': 'token_types.weight',
        ...both({
          'bert.encoder.layer.#.attention.self.query': 'blk.#.attn_q',
          'bert.encoder.layer.#.attention.self.key': 'blk.#.attn_k',
          'bert.encoder.layer.#.attention.self.value': 'blk.#.attn_v',
          'bert.encoder.layer.#.attention.output.dense': 'blk.#.attn_output',
          'bert.encoder.layer.#.attention.output.LayerNorm': 'blk.#.attn_output_norm',
          'bert.encoder.layer.#.intermediate.dense': 'blk.#.ffn_up',
          'bert.encoder.layer.#.output.dense': 'blk.#.ffn_down',
          'bert.encoder.layer.#.output.LayerNorm': 'blk.#.layer_output_norm',
        }),
        ...without('cls.predictions.bias'),
        ...without('cls.predictions.transform.dense.weight', 'cls.predictions.transform.dense.bias'),
        ...without('cls.predictions.transform.LayerNorm.weight', 'cls.predictions.transform.LayerNorm.bias'),
      },
    },
  ),
  distilbert: family(
    'bert',
    { ...epsilon, ...causal },
    {
      headless: true,
      names: {
        ...embeddings('distilbert.embeddings'),
        ...both({
          'distilbert.transformer.layer.#.attention.q_lin': 'blk.#.attn_q',
          'distilbert.transformer.layer.#.attention.k_lin': 'blk.#.attn_k',
          'distilbert.transformer.layer.#.attention.v_lin': 'blk.#.attn_v',
          'distilbert.transformer.layer.#.attention.out_lin': 'blk.#.attn_output',
          'distilbert.transformer.layer.#.sa_layer_norm': 'blk.#.attn_output_norm',
          'distilbert.transformer.layer.#.ffn.lin1': 'blk.#.ffn_up',
          'distilbert.transformer.layer.#.ffn.lin2': 'blk.#.ffn_down',
          'distilbert.transformer.layer.#.output_layer_norm': 'blk.#.layer_output_norm',
        }),
        ...without('vocab_layer_norm.weight', 'vocab_layer_norm.bias', 'vocab_projector.bias'),
        ...without('vocab_transform.weight', 'vocab_transform.bias'),
      },
    },
  ),
  modernbert: family(
    'modern-bert',
    {
      ...causal,
      'attention.layer_norm_rms_epsilon': { float: 1e-5 },
      'attention.sliding_window': 8,
      'attention.sliding_window_pattern': 3,
      'rope.freq_base': { float: 160_000 },
      'rope.freq_base_swa': { float: 10_000 },
      'rope.scaling.type': 'none',
      hidden_activation: 'gelu',
    },
    {
      headless: true,
      names: {
        'model.embeddings.tok_embeddings.weight': 'token_embd.weight',
        'model.embeddings.norm.weight': 'token_embd_norm.weight',
        'model.final_norm.weight': 'output_norm.weight',
        'model.layers.#.attn_norm.weight': 'blk.#.attn_norm.weight',
        'model.layers.#.attn.Wqkv.weight': 'blk.#.attn_qkv.weight',
        'model.layers.#.attn.Wo.weight': 'blk.#.attn_output.weight',
        'model.layers.#.mlp_norm.weight': 'blk.#.ffn_norm.weight',
        'model.layers.#.mlp.Wi.weight': 'blk.#.ffn_up.weight',
        'model.layers.#.mlp.Wo.weight': 'blk.#.ffn_down.weight',
        ...without('decoder.bias', 'head.dense.weight', 'head.norm.weight'),
      },
    },
  ),
};
