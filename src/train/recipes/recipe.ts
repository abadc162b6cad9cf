import { InputError } from '../../error.ts';
import type { ModelConfig } from '../decoder-config.ts';
import type { Toy } from '../toys/toy.ts';

/** Everything that decides a run with a language model, the text apart. */
export interface LanguageModelSettings {
  /** V, tokens of the BPE that is trained on the text; 258 for bytes alone. */
  readonly vocabulary: number;
  /** M. */
  readonly width: number;
  /** L. */
  readonly layers: number;
  /** H; keys and values have as many. */
  readonly heads: number;
  /** F. */
  readonly feedForward: number;
  /** T, tokens of a sequence, BOS included. */
  readonly context: number;
  /** B, sequences of a step. */
  readonly batch: number;
  readonly steps: number;
  /** Peak of the cosine schedule. */
  readonly learningRate: number;
  /** Steps of linear warm-up. */
  readonly warmUp: number;
  /** Decoupled weight decay of matrices and tables. */
  readonly decay: number;
  /** Largest norm of the gradient. */
  readonly clip: number;
}

/** A Llama-style language model trained on a text from nothing. */
export interface LanguageModelRecipe {
  readonly kind: 'language model';
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly settings: LanguageModelSettings;
  /** What a token is: a piece of a BPE trained on the text, or a byte, where V is 258 with BOS and EOS and cannot be changed. */
  readonly tokens: 'bpe' | 'bytes';
  /** Where the text comes from: the one that ships, or a file that has to be named. */
  readonly corpus: 'shipped' | 'named';
  /** Steps between two looks at the attention, two validations, two checkpoints. */
  readonly every: { readonly watch: number; readonly validate: number; readonly save: number };
}

/** A toy experiment of the field. */
export interface ToyRecipe {
  readonly kind: 'toy';
  readonly name: string;
  readonly about: string;
  /** Whether it can be had without BOS as well. */
  readonly bos: boolean;
  readonly toy: (options: { readonly bos?: boolean }) => Toy;
}

export type Recipe = LanguageModelRecipe | ToyRecipe;

/**
 * A recipe's settings with some replaced. What depends on them follows where it was not given: F stays in proportion to M, the warm-up
 * takes a fifth of the steps at most. Throws an InputError where heads do not divide the width into even parts.
 */
export function settingsWith(
  { name, settings }: LanguageModelRecipe,
  given: Partial<LanguageModelSettings>,
): LanguageModelSettings {
  const all = { ...settings, ...given };
  const feedForward =
    given.feedForward ?? Math.max(8, 8 * Math.round((settings.feedForward * all.width) / settings.width / 8));
  const warmUp = given.warmUp ?? Math.min(settings.warmUp, Math.floor(all.steps / 5));
  if (all.width % (2 * all.heads) !== 0)
    throw new InputError(
      `train ${name}: ${all.heads} heads do not divide a width of ${all.width} into even parts; give --heads or --width that do`,
    );
  return { ...all, feedForward, warmUp };
}

/** The configuration of a Llama with tied embeddings. */
export function llamaConfig(
  { width, layers, heads, feedForward, context }: LanguageModelSettings,
  { V, bosId, eosId }: { readonly V: number; readonly bosId: number; readonly eosId: number },
): ModelConfig {
  return {
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: width,
    intermediate_size: feedForward,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    head_dim: width / heads,
    vocab_size: V,
    max_position_embeddings: context,
    tie_word_embeddings: true,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    bos_token_id: bosId,
    eos_token_id: eosId,
  };
}
