/**
 * Keys of `config.json` that cannot change a forward pass in evaluation, whatever the family. What a key of some family might
 * change (positions that depend on `pad_token_id`, `pruned_heads`, `quantization_config`, `auto_map`) is not here.
 */

const bookkeeping = [
  '_name_or_path',
  '_model_name_or_path',
  'cache_implementation',
  '_commit_hash',
  '_attn_implementation_autoset',
  'architectures',
  'transformers_version',
  'torch_dtype',
  'dtype',
  'use_cache',
  'torchscript',
  'return_dict',
  'output_attentions',
  'output_hidden_states',
  'keys_to_ignore_at_inference',
  'chunk_size_feed_forward',
  'transformers.js_config',
  'unsloth_fixed',
  'unsloth_version',
];

const trainingOnly = [
  'initializer_range',
  'initializer_factor',
  'gradient_checkpointing',
  'attention_dropout',
  'hidden_dropout',
  'activation_dropout',
  'residual_dropout',
  'embedding_dropout',
  'classifier_dropout',
  'dropout',
  'resid_pdrop',
  'embd_pdrop',
  'attn_pdrop',
  'hidden_dropout_prob',
  'attention_probs_dropout_prob',
  'summary_first_dropout',
  'router_aux_loss_coef',
  'output_router_logits',
  'tf_legacy_loss',
];

const labels = ['id2label', 'label2id', 'num_labels', 'problem_type', 'finetuning_task', 'task_specific_params'];

const generationOnly = [
  'max_length',
  'min_length',
  'max_new_tokens',
  'do_sample',
  'early_stopping',
  'num_beams',
  'num_beam_groups',
  'diversity_penalty',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'repetition_penalty',
  'length_penalty',
  'no_repeat_ngram_size',
  'encoder_no_repeat_ngram_size',
  'bad_words_ids',
  'num_return_sequences',
  'forced_bos_token_id',
  'forced_eos_token_id',
  'suppress_tokens',
  'begin_suppress_tokens',
  'exponential_decay_length_penalty',
  'remove_invalid_values',
  'return_dict_in_generate',
  'output_scores',
  'bos_token_id',
  'eos_token_id',
];

/** For `ConfigReader.ignore` in every family. */
export const harmlessKeys: readonly string[] = [...bookkeeping, ...trainingOnly, ...labels, ...generationOnly];

/**
 * For decoders of text only: `pad_token_id` (RoBERTa counts positions from it), the weights' tensor-parallel slicing, and the
 * pooling head of GPT-2's double-head variant, whose weights a decoder would not have.
 */
export const harmlessDecoderKeys: readonly string[] = [
  'pad_token_id',
  'unk_token_id',
  'sep_token_id',
  'decoder_start_token_id',
  'pretraining_tp',
  'summary_type',
  'summary_use_proj',
  'summary_activation',
  'summary_proj_to_labels',
];
