/**
 * Rotary position settings in one normal form, from both spellings of `config.json`: the hub's (`rope_theta`, `rope_scaling`
 * with `type` or `rope_type`, `rope_local_base_freq`, `rotary_emb_base`, `rotary_pct`, `partial_rotary_factor`) and that of
 * transformers 5 (`rope_parameters`, possibly one per layer type).
 *
 * Sources: RoPE arXiv 2104.09864, linear interpolation arXiv 2306.15595, YaRN arXiv 2309.00071.
 */
import type { ConfigReader } from './config.ts';

export interface RopeBase {
  /** Base of the frequencies. */
  readonly theta: number;
  /** Share of the head width D that is rotated, in (0, 1]. */
  readonly partial: number;
}

/** Frequencies as they are: theta^(-2i / (partial D)). */
export interface DefaultRope extends RopeBase {
  readonly kind: 'default';
}

/** Frequencies of the whole head, of which only the first share turns, divided by `factor`; the others are 0. */
export interface ProportionalRope extends RopeBase {
  readonly kind: 'proportional';
  /** Default 1. */
  readonly factor: number;
}

/** Frequencies divided by `factor`. */
export interface LinearRope extends RopeBase {
  readonly kind: 'linear';
  readonly factor: number;
}

/** Low frequencies divided by `factor`, high ones kept, a smooth step between (Llama 3.1). */
export interface Llama3Rope extends RopeBase {
  readonly kind: 'llama3';
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  readonly highFrequencyFactor: number;
  readonly originalMaxPositions: number;
}

/** A ramp between kept and divided frequencies; cosines and sines multiplied by the attention factor. */
export interface YarnRope extends RopeBase {
  readonly kind: 'yarn';
  readonly factor: number;
  readonly originalMaxPositions: number;
  /** Default 32. */
  readonly betaFast: number;
  /** Default 1. */
  readonly betaSlow: number;
  /** Whether the ends of the ramp are rounded to whole dimensions; default true. */
  readonly truncate: boolean;
  /** When absent: mscale(factor, mscale) / mscale(factor, mscaleAllDim) if both are given and not 0, else 0.1 ln(factor) + 1. */
  readonly attentionFactor?: number;
  readonly mscale?: number;
  readonly mscaleAllDim?: number;
}

export type Rope = DefaultRope | ProportionalRope | LinearRope | Llama3Rope | YarnRope;

export interface RopeOptions {
  /** Base when the file names none; default 10,000. */
  readonly theta?: number;
  /** Base of the window layers when the file names none (read by layer type only); default 10,000. */
  readonly localTheta?: number;
  /** Share of the head that is rotated when the file names none; default 1. */
  readonly partial?: number;
  /** `max_position_embeddings`, which YaRN falls back to. */
  readonly maxPositions?: number;
}

const positive = { min: 1e-9 };
const optional = { ...positive, default: undefined };

/** The settings inside `rope_scaling`, or inside one `rope_parameters`. */
function readKind(c: ConfigReader, base: RopeBase, options: RopeOptions): Rope {
  const kinds = ['default', 'proportional', 'linear', 'llama3', 'yarn'] as const;
  const legacy = c.oneOf('type', kinds, { default: undefined });
  const kind = c.oneOf('rope_type', kinds, { default: legacy ?? 'default' });
  if (legacy !== undefined && legacy !== kind) throw c.error('type', `"${kind}" as rope_type says`);
  const fallback = options.maxPositions === undefined ? {} : { default: options.maxPositions };
  switch (kind) {
    case 'default':
      return { kind, ...base };
    case 'proportional':
      return { kind, ...base, factor: c.number('factor', { ...positive, default: 1 }) };
    case 'linear':
      return { kind, ...base, factor: c.number('factor', positive) };
    case 'llama3': {
      const rope: Llama3Rope = {
        kind,
        ...base,
        factor: c.number('factor', positive),
        lowFrequencyFactor: c.number('low_freq_factor', positive),
        highFrequencyFactor: c.number('high_freq_factor', positive),
        originalMaxPositions: c.number('original_max_position_embeddings', { min: 1 }),
      };
      if (rope.highFrequencyFactor <= rope.lowFrequencyFactor) {
        throw c.error('high_freq_factor', `more than low_freq_factor, ${rope.lowFrequencyFactor}`);
      }
      return rope;
    }
    case 'yarn': {
      const attentionFactor = c.number('attention_factor', optional);
      const mscale = c.number('mscale', { default: undefined });
      const mscaleAllDim = c.number('mscale_all_dim', { default: undefined });
      return {
        kind,
        ...base,
        factor: c.number('factor', positive),
        originalMaxPositions: c.number('original_max_position_embeddings', { min: 1, ...fallback }),
        betaFast: c.number('beta_fast', { ...positive, default: 32 }),
        betaSlow: c.number('beta_slow', { ...positive, default: 1 }),
        truncate: c.bool('truncate', { default: true }),
        ...(attentionFactor !== undefined && { attentionFactor }),
        ...(mscale !== undefined && { mscale }),
        ...(mscaleAllDim !== undefined && { mscaleAllDim }),
      };
    }
  }
}

/** The first of several spellings that is present; all that are present must agree. */
function spelt(c: ConfigReader, keys: readonly string[], range: { min: number; max?: number }): number | undefined {
  let found: number | undefined;
  for (const key of keys) {
    const value = c.number(key, { ...range, default: undefined });
    if (value !== undefined && found !== undefined && value !== found)
      throw c.error(key, `${found} like its other spelling`);
    found ??= value;
  }
  return found;
}

const thetaRange = { min: 1 };
const partialRange = { min: 1e-6, max: 1 };

/** Hub spelling: bases at the top, the scaling in an object. Undefined when not one of its keys is there. */
function readHub(c: ConfigReader, options: RopeOptions): Rope | undefined {
  const theta = spelt(c, ['rope_theta', 'rotary_emb_base'], thetaRange);
  const partial = spelt(c, ['partial_rotary_factor', 'rotary_pct'], partialRange);
  const scaling = c.object('rope_scaling');
  if (theta === undefined && partial === undefined && scaling === undefined) return undefined;
  const base = { theta: theta ?? options.theta ?? 10_000, partial: partial ?? options.partial ?? 1 };
  return scaling === undefined ? { kind: 'default', ...base } : readKind(scaling, readBase(scaling, base), options);
}

function readBase(c: ConfigReader, base: RopeBase): RopeBase {
  return {
    theta: c.number('rope_theta', { ...thetaRange, default: base.theta }),
    partial: c.number('partial_rotary_factor', { ...partialRange, default: base.partial }),
  };
}

function defaults(options: RopeOptions, theta = options.theta ?? 10_000): RopeBase {
  return { theta, partial: options.partial ?? 1 };
}

function same(a: Rope, b: Rope): boolean {
  const sorted = (rope: Rope) => JSON.stringify(Object.entries(rope).sort());
  return sorted(a) === sorted(b);
}

function agree(c: ConfigReader, hub: Rope | undefined, v5: Rope): Rope {
  if (hub !== undefined && !same(hub, v5)) {
    throw c.error('rope_parameters', 'the same settings as rope_theta and rope_scaling, which are also there');
  }
  return v5;
}

/** One setting for all layers. Throws a LoadError for kinds and keys it does not know. */
export function readRope(c: ConfigReader, options: RopeOptions = {}): Rope {
  const hub = readHub(c, options);
  const v5 = c.object('rope_parameters');
  if (v5 === undefined) return hub ?? { kind: 'default', ...defaults(options) };
  return agree(c, hub, readKind(v5, readBase(v5, defaults(options)), options));
}

/** Settings from the object that holds them: `rope_scaling`, or one of several in `rope_parameters`. What it does not say is as in the options. */
export function readRopeObject(c: ConfigReader, options: RopeOptions = {}): Rope {
  return readKind(c, readBase(c, defaults(options)), options);
}

/** One setting for layers that see everything and one for those with a window (Gemma 3). */
export interface RopeByLayerType {
  readonly full_attention: Rope;
  readonly sliding_attention: Rope;
}

/**
 * Settings by layer type. The hub spelling keeps those of the window layers in `rope_local_base_freq`, without scaling; a file
 * of one setting only (`rope_parameters` without layer types) gives it to full attention and `localTheta` to the windows.
 */
export function readRopeByLayerType(c: ConfigReader, options: RopeOptions = {}): RopeByLayerType {
  const hub = readHub(c, options);
  const hubLocal = c.number('rope_local_base_freq', { ...thetaRange, default: undefined });
  const local: Rope = { kind: 'default', ...defaults(options, hubLocal ?? options.localTheta ?? 10_000) };
  const v5 = c.object('rope_parameters');
  if (v5 === undefined)
    return { full_attention: hub ?? { kind: 'default', ...defaults(options) }, sliding_attention: local };
  const full = v5.object('full_attention');
  const sliding = v5.object('sliding_attention');
  if (full === undefined && sliding === undefined) {
    return {
      full_attention: agree(c, hub, readKind(v5, readBase(v5, defaults(options)), options)),
      sliding_attention: local,
    };
  }
  if (full === undefined) throw v5.error('full_attention', 'an object');
  if (sliding === undefined) throw v5.error('sliding_attention', 'an object');
  const slidingRope = readKind(sliding, readBase(sliding, defaults(options, local.theta)), options);
  return {
    full_attention: agree(c, hub, readKind(full, readBase(full, defaults(options)), options)),
    sliding_attention: hubLocal === undefined ? slidingRope : agree(c, local, slidingRope),
  };
}
