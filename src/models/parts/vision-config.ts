import type { ConfigReader } from '../../load/config.ts';
import { harmlessKeys } from '../../load/config-harmless.ts';
import type { PixelStack, StackSizes } from '../stack.ts';

/** What a nested configuration may leave out, because it is what its library takes where nothing is said. */
export interface UsualSizes {
  readonly M: number;
  readonly H: number;
  readonly L: number;
  readonly F: number;
}

export interface TowerSizes extends Omit<StackSizes, 'maxPositions' | 'V'> {
  readonly F: number;
}

const fallback = (value: number | undefined) => (value === undefined ? {} : { default: value });

/** Sizes of a tower of blocks without grouped heads; F is the width of the feed-forward part. */
export function readTowerSizes(c: ConfigReader, usual?: UsualSizes, feedForward = true): TowerSizes {
  const M = c.int('hidden_size', { min: 1, max: 1 << 20, ...fallback(usual?.M) });
  const H = c.int('num_attention_heads', { min: 1, max: 1 << 14, ...fallback(usual?.H) });
  if (M % H !== 0) throw c.error('num_attention_heads', `a divisor of hidden_size, ${M}`);
  const L = c.int('num_hidden_layers', { min: 1, max: 4096, ...fallback(usual?.L) });
  const F = feedForward ? c.int('intermediate_size', { min: 1, max: 1 << 22, ...fallback(usual?.F) }) : 4 * M;
  return { L, H, G: H, D: M / H, M, F };
}

export interface PictureSizes extends Omit<PixelStack['pixels'], 'anySize'> {
  /** Patches of the pictures that it was made for. */
  readonly rows: number;
  readonly columns: number;
}

/** Sides of pictures and patches: one number, or a list of height and width. */
export function readPictureSizes(
  c: ConfigReader,
  usual?: { readonly side: number; readonly patch: number },
): PictureSizes {
  const sides = (key: string, most: number, value: number | undefined) => {
    if (c.hasList(key)) return c.ints(key, { min: 1, max: most, length: 2 }) as [number, number];
    const side = c.int(key, { min: 1, max: most, ...fallback(value) });
    return [side, side] as const;
  };
  const [height, width] = sides('image_size', 1 << 14, usual?.side);
  const [patch, across] = sides('patch_size', 1 << 10, usual?.patch);
  if (patch !== across) throw c.error('patch_size', 'a square');
  if (patch > Math.min(height, width)) throw c.error('patch_size', `at most image_size, ${Math.min(height, width)}`);
  const C = c.int('num_channels', { min: 1, max: 64, default: 3 });
  return { C, patch, height, width, rows: Math.floor(height / patch), columns: Math.floor(width / patch) };
}

/** Counts the keys that cannot change the forward pass of a stack of a picture or of its text as read. */
export function ignoreTowerKeys(c: ConfigReader): void {
  c.ignore(harmlessKeys);
  // Written by old releases into every nested configuration.
  c.ignore(['tie_word_embeddings', 'tie_encoder_decoder', 'use_bfloat16', 'tokenizer_class', 'prefix', 'pad_token_id']);
  c.ignore(['sep_token_id', 'decoder_start_token_id', 'cross_attention_hidden_size', 'tf_legacy_loss']);
  for (const key of ['is_decoder', 'is_encoder_decoder', 'add_cross_attention'])
    c.oneOf(key, [false], { default: false });
  c.object('pruned_heads');
}

/** Counts the keys of a backbone as read, which say what is handed to detectors and the like. */
export function ignoreBackboneKeys(c: ConfigReader): void {
  c.ignore([
    'apply_layernorm',
    'out_features',
    'out_indices',
    'stage_names',
    'reshape_hidden_states',
    'drop_path_rate',
  ]);
  // The value before training.
  c.ignore(['layerscale_value', 'use_mask_token']);
}

/** Is a part of an untrusted configuration an object? */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
