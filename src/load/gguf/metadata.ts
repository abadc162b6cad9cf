/** What the metadata of all architectures share, read into the keys of a `config.json`. */
import { LoadError } from '../../error.ts';
import type { ConfigReader } from '../config.ts';
import { type Llama3Parameters, recoverLlama3 } from './rope-factors.ts';

export type Config = Record<string, unknown>;

export interface GgufFacts {
  /** `general.architecture`, which begins its keys. */
  readonly architecture: string;
  readonly place: string;
  /** Is there a tensor of this name? */
  has(tensor: string): boolean;
  /** Length of its first axis, or undefined. */
  rows(tensor: string): number | undefined;
  /** `rope_freqs.weight`, decoded. */
  readonly ropeFactors?: Float32Array;
}

/** The decimal someone wrote down, from a float32: 9.99999974e-6 was 1e-5. */
export function written(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

export const positive = { min: 1e-9 };
export const size = { min: 1 };

/** A number as it was written down, or undefined. */
export function optional(c: ConfigReader, key: string): number | undefined {
  const value = c.number(key, { ...positive, default: undefined });
  return value === undefined ? undefined : written(value);
}

/** The small number in norms, of `kind` `layer_norm_epsilon` or `layer_norm_rms_epsilon`. */
export function epsilon(c: ConfigReader, p: string, kind: 'layer_norm_epsilon' | 'layer_norm_rms_epsilon'): number {
  return written(c.number(`${p}.attention.${kind}`, { min: 1e-15 }));
}

/** Rotary settings: `rope_theta`, `rope_scaling`, and the share of a head that is rotated. */
export function readRope(c: ConfigReader, facts: GgufFacts, headWidth: number, more: Config = {}) {
  const p = facts.architecture;
  const theta = written(c.number(`${p}.rope.freq_base`, { min: 1, default: 10_000 }));
  const kind = c.oneOf(`${p}.rope.scaling.type`, ['none', 'linear', 'yarn'], { default: 'none' });
  const factor = optional(c, `${p}.rope.scaling.factor`);
  const original = c.number(`${p}.rope.scaling.original_context_length`, { ...size, default: undefined });
  const fast = optional(c, `${p}.rope.scaling.yarn_beta_fast`);
  const slow = optional(c, `${p}.rope.scaling.yarn_beta_slow`);
  for (const key of ['attn_factor', 'yarn_ext_factor']) c.oneOf(`${p}.rope.scaling.${key}`, [1], { default: 1 });
  const temperature = c.number(`${p}.rope.scaling.yarn_attn_factor`, { ...positive, default: 1 });
  // Some files write out what the factor implies.
  const implied = 0.1 * Math.log(factor ?? 1) + 1;
  if (temperature !== 1 && Math.abs(temperature - implied) > 1e-5)
    throw c.error(`${p}.rope.scaling.yarn_attn_factor`, `1, or ${implied} as the factor implies`);
  let scaling: Config | undefined;
  if (kind !== 'none' && factor === undefined) throw c.error(`${p}.rope.scaling.factor`, 'a number');
  if (kind === 'linear') scaling = { rope_type: 'linear', factor };
  if (kind === 'yarn') {
    scaling = {
      rope_type: 'yarn',
      factor,
      ...(original !== undefined && { original_max_position_embeddings: original }),
      ...(fast !== undefined && { beta_fast: fast }),
      ...(slow !== undefined && { beta_slow: slow }),
      ...more,
    };
  }
  if (facts.ropeFactors !== undefined) {
    const found: Llama3Parameters | 'none' | undefined = recoverLlama3(theta, facts.ropeFactors);
    if (found === undefined || (found !== 'none' && scaling !== undefined)) {
      throw new LoadError(`${facts.place}: rope_freqs.weight is not the table of a Llama 3 rotary scaling alone`);
    }
    if (found !== 'none') scaling = { rope_type: 'llama3', ...found };
  }
  const width = c.int(`${p}.rope.dimension_count`, { ...size, max: headWidth, default: headWidth });
  return { theta, scaling, partial: shareOf(width, headWidth) };
}

/** A share of the head that gives the width back when it is multiplied and cut off, in spite of rounding. */
function shareOf(width: number, whole: number): number {
  const share = width / whole;
  return Math.trunc(whole * share) === width ? share : (width + 0.5) / whole;
}

/** Layers of the model: without those behind the last that predict further tokens. */
export function readLayers(c: ConfigReader, p: string): number {
  const all = c.int(`${p}.block_count`, { min: 1, max: 10_000 });
  return all - c.int(`${p}.nextn_predict_layers`, { max: all - 1, default: 0 });
}

/** Widths and counts that every architecture has. */
export function readSizes(c: ConfigReader, { architecture: p }: GgufFacts) {
  const width = c.int(`${p}.embedding_length`, size);
  const heads = c.int(`${p}.attention.head_count`, size);
  const headWidth = c.int(`${p}.attention.key_length`, { ...size, default: width / heads });
  if (!Number.isInteger(headWidth)) throw c.error(`${p}.attention.head_count`, `a divisor of the model width ${width}`);
  const value = c.int(`${p}.attention.value_length`, { ...size, default: headWidth });
  if (value !== headWidth) throw c.error(`${p}.attention.value_length`, `the key length ${headWidth}`);
  return {
    width,
    heads,
    headWidth,
    keyValueHeads: c.int(`${p}.attention.head_count_kv`, { ...size, max: heads, default: heads }),
    layers: readLayers(c, p),
    features: c.int(`${p}.feed_forward_length`, size),
    positions: c.int(`${p}.context_length`, size),
  };
}

/** Sizes and RoPE in the keys of Llama and most families after it. `output` names the tensor of a separate output matrix. */
export function decoderConfig(c: ConfigReader, facts: GgufFacts, more: Config = {}): Config {
  const { width, heads, headWidth, keyValueHeads, layers, features, positions } = readSizes(c, facts);
  const rope = readRope(c, facts, headWidth, more);
  return {
    head_dim: headWidth,
    hidden_size: width,
    intermediate_size: features,
    max_position_embeddings: positions,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: keyValueHeads,
    rope_theta: rope.theta,
    ...(rope.scaling !== undefined && { rope_scaling: rope.scaling }),
    ...(rope.partial !== 1 && { partial_rotary_factor: rope.partial }),
    tie_word_embeddings: tied(facts),
  };
}

/** Llama's kind of decoder: `decoderConfig` with RMSNorm. */
export function rmsConfig(c: ConfigReader, facts: GgufFacts, more: Config = {}): Config {
  return {
    ...decoderConfig(c, facts, more),
    rms_norm_eps: epsilon(c, facts.architecture, 'layer_norm_rms_epsilon'),
  };
}

export function tied(facts: GgufFacts): boolean {
  return !facts.has('output.weight');
}

/** Number of experts and of those that a token uses. */
export function readExperts(c: ConfigReader, p: string): { readonly count: number; readonly used: number } {
  const count = c.int(`${p}.expert_count`, { min: 1, max: 4096 });
  return { count, used: c.int(`${p}.expert_used_count`, { min: 1, max: count }) };
}

/** Width of an expert: its own key, else the one of the feed-forward part. */
export function expertFeatures(c: ConfigReader, p: string, features?: unknown): number {
  return c.int(`${p}.expert_feed_forward_length`, {
    ...size,
    ...(features !== undefined && { default: features as number }),
  });
}

/** Layers with and without a window: a list, or every `period`-th layer sees everything. */
export function layerTypes(c: ConfigReader, p: string, layers: number, period?: number): string[] {
  const key = `${p}.attention.sliding_window_pattern`;
  const windowed = c.hasList(key)
    ? c.list(key, [true, false, 0, 1]).slice(0, layers)
    : pattern(layers, c.int(key, { min: 1, ...(period !== undefined && { default: period }) }));
  if (windowed.length < layers) throw c.error(key, `a list of ${layers}`);
  return windowed.map((one) => (one ? 'sliding_attention' : 'full_attention'));
}

function pattern(layers: number, period: number): boolean[] {
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % period !== 0);
}
