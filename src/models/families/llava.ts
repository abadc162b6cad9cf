import type { Stream } from '../../attention/steps.ts';
import { type ActivationName, activationNames, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import type { Checkpoint } from '../../load/checkpoint.ts';
import type { ConfigReader } from '../../load/config.ts';
import { harmlessKeys } from '../../load/config-harmless.ts';
import { merge, rename, size, slice } from '../../tensor/index.ts';
import type { Decoder } from '../decoder.ts';
import type { DecoderFamily, Family } from '../family.ts';
import { clipVision } from '../parts/clip-towers.ts';
import { withNames } from '../parts/renamed.ts';
import { siglipVision } from '../parts/siglip-towers.ts';
import { given } from '../parts/text-heads.ts';
import { isRecord } from '../parts/vision-config.ts';
import type { PixelStack } from '../stack.ts';
import { family as llama } from './llama.ts';
import { family as mistral } from './mistral.ts';
import { family as qwen2 } from './qwen2.ts';

const languages: Readonly<Record<string, DecoderFamily>> = { llama, mistral, qwen2 };

/** What releases leave out of the configuration of their language model, because its library takes it where nothing is said. */
const usualSizes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  llama: {
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    vocab_size: 32000,
  },
  mistral: {
    ...{
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      vocab_size: 32000,
    },
    num_key_value_heads: 8,
  },
};

/** The whole configuration of the language model, which tying at the top is part of. */
function withWholeText(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const text = config.text_config;
  if (!isRecord(text)) return config;
  const usual = usualSizes[String(text.model_type)] ?? {};
  const { tie_word_embeddings: tied, ...rest } = config;
  return { ...rest, text_config: { ...usual, ...text, ...(tied === true ? { tie_word_embeddings: tied } : {}) } };
}

/**
 * Names as the towers have them alone: releases store `language_model.model.…` and `vision_tower.vision_model.…`, transformers 5 keeps
 * `model.language_model.…` and `model.vision_tower.…`.
 */
const plainName = (name: string) =>
  name
    .replace(/^model\.(language_model|vision_tower|multi_modal_projector)\./, '$1.')
    .replace(/^language_model\.lm_head\./, 'lm_head.')
    .replace(/^language_model\.(model\.)?/, 'model.')
    .replace(/^vision_tower\.vision_model\./, 'vision_tower.');

export const family: Family = {
  name: 'llava',
  modelTypes: ['llava'],
  title: 'LLaVA 1.5',
  source: '2310.03744',
  about:
    'Patches of a CLIP or SigLIP tower, projected, stand in place of the image tokens of a Llama, Mistral or Qwen2.',
  reads: ['text with pictures', 'text'],
  limits: ['One layer of the picture tower is looked at; releases that join several are refused.'],
  adapt: (checkpoint) => withNames({ ...checkpoint, config: withWholeText(checkpoint.config) }, plainName),
  build(c, checkpoint) {
    const [text, vision] = [c.object('text_config'), c.object('vision_config')];
    if (!text) throw c.error('text_config', 'an object');
    if (!vision) throw c.error('vision_config', 'an object');
    const language = languageStack(text, checkpoint);
    const imageToken = readImageToken(c, language.sizes.V);
    const pictures = pictureTower(vision);
    const options = {
      layer: c.int('vision_feature_layer', { min: -4096, max: 4096, default: -2 }),
      first:
        c.oneOf('vision_feature_select_strategy', ['default', 'full'], { default: 'default' }) === 'default' ? 1 : 0,
      bias: c.bool('multimodal_projector_bias', { default: true }),
      activation: c.oneOf('projector_hidden_act', activationNames, { default: 'gelu' }),
      M: language.sizes.M,
    };
    const { L } = pictures.sizes;
    const blocks = options.layer < 0 ? L + 1 + options.layer : options.layer;
    if (blocks < 1 || blocks > L) throw c.error('vision_feature_layer', `a number from ${-L} to ${L}, and not 0`);
    // How many patches a picture has follows from its size; what is ignored in training; a copy of the language model's vocabulary.
    c.ignore(['image_seq_length', 'ignore_index', 'vocab_size', 'pad_token_id', 'tie_word_embeddings']);
    c.ignore(harmlessKeys);
    return {
      main: 'language',
      parts: { vision: projected(pictures, blocks, options), language: { ...language, imageToken } },
    };
  },
};

/** Two names of one key. */
function readImageToken(c: ConfigReader, V: number): number {
  const range = { max: V - 1 };
  const now = c.int('image_token_id', { ...range, default: undefined });
  const token = c.int('image_token_index', { ...range, default: now ?? 32000 });
  if (now !== undefined && token !== now) throw c.error('image_token_index', `${now} like image_token_id`);
  return token;
}

function languageStack(c: ConfigReader, checkpoint: Checkpoint): Decoder {
  const kind = c.oneOf('model_type', Object.keys(languages), { default: 'llama' });
  return { ...languages[kind]!.build(c, checkpoint), family: 'llava', part: 'language' };
}

function pictureTower(c: ConfigReader): PixelStack {
  const place = { family: 'llava', part: 'vision', root: 'vision_tower.' };
  const kind = c.oneOf('model_type', ['clip_vision_model', 'siglip_vision_model'], { default: 'clip_vision_model' });
  return kind === 'clip_vision_model' ? clipVision(c, place) : siglipVision(c, place);
}

interface Projector {
  /** Positions that are left out: the class token. */
  readonly first: number;
  readonly bias: boolean;
  readonly activation: ActivationName;
  /** Width of the language model. */
  readonly M: number;
}

/**
 * The tower up to the layer whose stream is looked at. Output: `image_hidden_states` [N, M], the projected patches of all pictures in order.
 */
function projected(tower: PixelStack, blocks: number, { first, bias, activation, M }: Projector): PixelStack {
  const { L, M: width } = tower.sizes;
  const part = (name: string) => `multi_modal_projector.${name}`;
  const states = (x: Stream) => {
    const patches = rename(slice(x, 'T', first, size(x, 'T')), 'M', 'E');
    const hidden = activations[activation](linear(patches, part('linear_1'), { F: M }, { E: width }, { bias }));
    return merge(linear(hidden, part('linear_2'), { M }, { F: M }, { bias }), ['B', 'T'], 'N');
  };
  // What the layers beyond and the tower's own head hold is not looked at.
  const beyond = Array.from({ length: L - blocks }, (_, i) => blocks + i).join('|');
  const layers = beyond === '' ? '' : `encoder\\.layers\\.(${beyond})|`;
  return {
    ...tower,
    sizes: { ...tower.sizes, L: blocks },
    pixels: { ...tower.pixels, anySize: false },
    blocks: tower.blocks.slice(0, blocks),
    norm: (x) => x,
    outputs: { image_hidden_states: (x) => given(states(x), ['N', 'M']) },
    ignoredTensors: new RegExp(`^vision_tower\\.(embeddings\\.position_ids$|(${layers}post_layernorm|head)\\.)`),
  };
}
