import { LoadError } from '../../error.ts';
import type { ConfigReader } from '../../load/config.ts';
import { harmlessDecoderKeys, harmlessKeys } from '../../load/config-harmless.ts';
import type { DecoderSizes } from '../decoder.ts';

/** Sizes under the keys of Llama and most families after it; F is the width of the feed-forward part. */
export function readSizes(c: ConfigReader): DecoderSizes & { readonly F: number } {
  const M = c.int('hidden_size', { min: 1, max: 1 << 20 });
  const H = c.int('num_attention_heads', { min: 1, max: 1 << 14 });
  const G = c.int('num_key_value_heads', { min: 1, max: 1 << 14, default: H });
  if (H % G !== 0) throw c.error('num_key_value_heads', `a divisor of num_attention_heads, ${H}`);
  const D = c.int('head_dim', { min: 1, max: 1 << 14, default: undefined }) ?? M / H;
  if (!Number.isInteger(D)) throw c.error('num_attention_heads', `a divisor of hidden_size, ${M}`);
  return {
    M,
    H,
    G,
    D,
    L: c.int('num_hidden_layers', { min: 1, max: 4096 }),
    V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
    F: c.int('intermediate_size', { min: 1, max: 1 << 22 }),
    maxPositions: c.int('max_position_embeddings', { min: 1, default: 2048 }),
  };
}

/** Window of each layer, from `layer_types` where the file has it, else from the family's own rule. */
export function readWindows(
  c: ConfigReader,
  layers: number,
  rule: (layer: number) => boolean,
  window: number | undefined,
): (number | undefined)[] {
  const types = c.list('layer_types', ['full_attention', 'sliding_attention'] as const, {
    length: layers,
    default: undefined,
  });
  return Array.from({ length: layers }, (_, i) => {
    if (!(types ? types[i] === 'sliding_attention' : rule(i))) return undefined;
    if (window === undefined)
      throw new LoadError(`${c.place}: layer ${i} has sliding attention, but there is no "sliding_window"`);
    return window;
  });
}

/** Counts the keys that cannot change the forward pass of a decoder as read. */
export function ignoreHarmless(c: ConfigReader): void {
  c.ignore(harmlessKeys).ignore(harmlessDecoderKeys);
}

/** Qwen's rule: with `use_sliding_window`, layers from `max_window_layers` on have the window. */
export function readQwenWindows(c: ConfigReader, layers: number): (number | undefined)[] {
  const used = c.bool('use_sliding_window', { default: false });
  const window = c.int('sliding_window', { min: 1, default: undefined });
  const from = c.int('max_window_layers', { default: 28 });
  return readWindows(c, layers, (layer) => used && window !== undefined && layer >= from, used ? window : undefined);
}

/** Cap on scores or logits; null in the file is no cap, a key that is absent the family's usual one. */
export function readSoftCap(c: ConfigReader, key: string, usual: number): number | undefined {
  const cap = c.number(key, { min: 1e-6, default: undefined });
  return cap ?? (c.isNull(key) ? undefined : usual);
}
