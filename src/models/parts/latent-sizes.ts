import type { ConfigReader } from '../../load/config.ts';
import type { Rope } from '../../load/rope-config.ts';

/** Sizes where heads are joined of two parts; D is the width of queries and keys. */
export function readLatentSizes(c: ConfigReader) {
  const width = { min: 1, max: 1 << 14 };
  const H = c.int('num_attention_heads', width);
  c.int('num_key_value_heads', { min: H, max: H, default: H });
  const still = c.int('qk_nope_head_dim', width);
  const turning = c.int('qk_rope_head_dim', width);
  if (turning % 2 !== 0) throw c.error('qk_rope_head_dim', 'an even number');
  const values = c.int('v_head_dim', width);
  const D = still + turning;
  c.int('qk_head_dim', { min: D, max: D, default: D });
  const sizes = {
    ...{ H, G: H, D },
    M: c.int('hidden_size', { min: 1, max: 1 << 20 }),
    L: c.int('num_hidden_layers', { min: 1, max: 4096 }),
    V: c.int('vocab_size', { min: 1, max: 1 << 24 }),
    F: c.int('intermediate_size', { min: 1, max: 1 << 22 }),
    maxPositions: c.int('max_position_embeddings', { min: 1, default: 4096 }),
  };
  return { sizes, still, turning, values };
}

/** YaRN's temperature, which DeepSeek puts on all scores instead of on the turning part alone: (0.1 · m · ln factor + 1)². */
export function temperature(rope: Rope): number {
  if (rope.kind !== 'yarn' || !rope.mscaleAllDim || rope.factor <= 1) return 1;
  return (0.1 * rope.mscaleAllDim * Math.log(rope.factor) + 1) ** 2;
}
