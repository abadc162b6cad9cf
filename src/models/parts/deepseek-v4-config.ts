import type { ConfigReader } from '../../load/config.ts';
import { type Rope, readRopeObject } from '../../load/rope-config.ts';
import type { DecoderSizes } from '../decoder.ts';

/** What differs between layers. */
export interface DeepseekV4Layer {
  /** Tokens of a compressed entry; undefined where only the window is seen. */
  readonly rate: number | undefined;
  /** Each query sees the best entries alone, by an indexer. */
  readonly indexed: boolean;
  /** Experts by a table of token ids instead of by the router's scores. */
  readonly byTable: boolean;
}

const width = { min: 1, max: 1 << 20 };
const kinds = ['sliding_attention', 'compressed_sparse_attention', 'heavily_compressed_attention'] as const;
type Kind = (typeof kinds)[number];

/** Sizes, positions and layers of DeepSeek-V4, under the keys of its releases and of transformers 5. */
export function readDeepseekV4(c: ConfigReader) {
  const H = c.int('num_attention_heads', { min: 1, max: 1 << 14, default: 64 });
  const D = c.int('head_dim', { min: 1, max: 1 << 14, default: 512 });
  c.oneOf('num_key_value_heads', [1], { default: 1 });
  const L = c.int('num_hidden_layers', { min: 1, max: 4096 });
  const groups = c.int('o_groups', { min: 1, max: H, default: 8 });
  if (H % groups !== 0) throw c.error('o_groups', `a divisor of num_attention_heads, ${H}`);
  const partial = readPartial(c, D);
  const turning = 2 * Math.ceil(Math.trunc(D * partial) / 2);
  const sizes = {
    ...{ H, G: 1, D, L },
    M: c.int('hidden_size', width),
    V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
    streams: c.int('hc_mult', { min: 1, max: 64, default: 4 }),
    maxPositions: c.int('max_position_embeddings', { min: 1, default: 1 << 20 }),
  } satisfies DecoderSizes;
  return {
    sizes,
    window: c.int('sliding_window', { min: 1, default: 128 }),
    latents: {
      queryLatent: c.int('q_lora_rank', { ...width, default: 1024 }),
      groups,
      groupWidth: c.int('o_lora_rank', { ...width, default: 1024 }),
    },
    indexer: {
      heads: c.int('index_n_heads', { min: 1, max: 1 << 14, default: 64 }),
      D: c.int('index_head_dim', { min: turning, max: 1 << 14, default: 128 }),
      keep: c.int('index_topk', { min: 1, default: 512 }),
    },
    ropes: readRopes(c, partial, sizes.maxPositions),
    layers: readLayers(c, L),
  };
}

/** Share of a head that turns. */
function readPartial(c: ConfigReader, D: number): number {
  const turning = c.int('qk_rope_head_dim', { min: 1, max: D, default: undefined });
  const usual = turning === undefined ? 64 / 512 : turning / D;
  const partial = c.number('partial_rotary_factor', { min: 1e-6, max: 1, default: usual });
  if (turning !== undefined && Math.trunc(D * partial) !== turning)
    throw c.error('qk_rope_head_dim', `${Math.trunc(D * partial)}, as partial_rotary_factor says`);
  return partial;
}

/** Of layers that see the window alone, and of those with compressed entries; scaling is of the latter. */
function readRopes(
  c: ConfigReader,
  partial: number,
  maxPositions: number,
): { readonly main: Rope; readonly compress: Rope } {
  const theta = c.number('rope_theta', { min: 1, default: undefined });
  const compressTheta = c.number('compress_rope_theta', { min: 1, default: undefined });
  const bases = {
    main: { theta: theta ?? 10_000, partial },
    compress: { theta: compressTheta ?? 160_000, partial },
  };
  const nested = c.object('rope_parameters');
  const parts = { main: nested?.object('main'), compress: nested?.object('compress') };
  if (nested && parts.main && parts.compress) {
    const ropes = {
      main: readRopeObject(parts.main, { ...bases.main, maxPositions }),
      compress: readRopeObject(parts.compress, { ...bases.compress, maxPositions }),
    };
    // The family's own code looks at these keys no more where the nested ones are there.
    for (const [key, { theta: base }, other] of [
      ['rope_theta', ropes.main, theta],
      ['compress_rope_theta', ropes.compress, compressTheta],
    ] as const)
      if (other !== undefined && other !== base) throw c.error(key, `${base}, as rope_parameters says`);
    if (c.has('rope_scaling')) throw c.error('rope_scaling', 'nothing beside rope_parameters');
    return ropes;
  }
  if (nested) throw c.error('rope_parameters', 'an object with "main" and "compress"');
  const scaling = c.object('rope_scaling');
  const scaled: Rope = scaling
    ? readRopeObject(scaling, { ...bases.compress, maxPositions })
    : { kind: 'default', ...bases.compress };
  // YaRN without its factor on what turns, unless the file asks for one.
  const compress = scaled.kind === 'yarn' ? { ...scaled, attentionFactor: scaled.attentionFactor ?? 1 } : scaled;
  if (scaled.theta !== bases.compress.theta || scaled.partial !== partial)
    throw c.error('rope_scaling', 'scaling alone; the base is compress_rope_theta');
  return { main: { kind: 'default', ...bases.main }, compress };
}

function readLayers(c: ConfigReader, L: number): DeepseekV4Layer[] {
  const rates = c.object('compress_rates');
  const rate = (kind: Kind, older: string, usual: number) => {
    const range = { min: 1, max: 1 << 20 };
    const own = rates?.int(kind, { ...range, default: undefined });
    return c.int(older, { ...range, default: own ?? usual });
  };
  const rateOf: Record<Kind, number | undefined> = {
    sliding_attention: undefined,
    compressed_sparse_attention: rate('compressed_sparse_attention', 'compress_rate_csa', 4),
    heavily_compressed_attention: rate('heavily_compressed_attention', 'compress_rate_hca', 128),
  };
  const named = c.list('layer_types', kinds, { length: L, default: undefined });
  // A release lists the layers that predict further tokens as well.
  const ratios = c.list('compress_ratios', [0, 4, 128], { default: undefined })?.slice(0, L);
  if (!named && ratios && ratios.length < L) throw c.error('compress_ratios', `a number for each of ${L} layers`);
  const byRatio: Record<number, Kind> = { 0: kinds[0], 4: kinds[1], 128: kinds[2] };
  const usual = (i: number): Kind => (i < 2 || i % 2 === 0 ? kinds[2] : kinds[1]);
  const experts = c.list('mlp_layer_types', ['hash_moe', 'moe'], { length: L, default: undefined });
  const tables = c.int('num_hash_layers', { max: 4096, default: 3 });
  return Array.from({ length: L }, (_, i) => {
    const kind = named?.[i] ?? (ratios ? byRatio[ratios[i]!]! : usual(i));
    return {
      rate: rateOf[kind],
      indexed: kind === 'compressed_sparse_attention',
      byTable: experts ? experts[i] === 'hash_moe' : i < tables,
    };
  });
}
