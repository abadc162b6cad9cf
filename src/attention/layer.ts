import type { Tensor } from '../tensor/index.ts';
import type { Bank } from './cached.ts';
import type { Places } from './places.ts';
import type { Rotary } from './positions/rope.ts';
import type { Keys, Stream, Values } from './steps.ts';

/** Hook points inside attention, after `blocks.{i}.`. S marks keys, T queries. */
export interface AttentionHooks {
  'attn.q.hook_out': 'B' | 'T' | 'G' | 'R' | 'D';
  'attn.k.hook_out': 'B' | 'S' | 'G' | 'D';
  'attn.v.hook_out': 'B' | 'S' | 'G' | 'D';
  /** After RoPE and head norms. */
  'attn.hook_rot_q': 'B' | 'T' | 'G' | 'R' | 'D';
  'attn.hook_rot_k': 'B' | 'S' | 'G' | 'D';
  /** Scores by which an indexer chooses keys, or compressed entries, each at the last of its tokens; before the mask, only where there is one. */
  'attn.hook_index_scores': 'B' | 'T' | 'S';
  /** Scaled, before the mask. */
  'attn.hook_attn_scores': 'B' | 'G' | 'R' | 'T' | 'S';
  /** Weights of the keys. Rows sum to one, to one minus the mass on a learned sink, or to anything where the normaliser says so. */
  'attn.hook_pattern': 'B' | 'G' | 'R' | 'T' | 'S';
  /** Mass on a learned sink; only where there is one. An edit moves mass: rows are rescaled to sum to one minus the new value. */
  'attn.hook_sink': 'B' | 'G' | 'R' | 'T';
  /** Weights of compressed entries, each at the last of the tokens that it was made of; only where there are any. Rows sum to one with them. */
  'attn.hook_compressed': 'B' | 'G' | 'R' | 'T' | 'S';
  /** Gate on what a head gives out, repeated along D where a head has one number; only where there is one. */
  'attn.hook_gate': 'B' | 'T' | 'G' | 'R' | 'D';
  /** Per head, before the output projection (and before a gate on it). */
  'attn.hook_z': 'B' | 'T' | 'G' | 'R' | 'D';
  'attn.hook_out': 'B' | 'T' | 'M';
}

export type AttentionHook = keyof AttentionHooks;

/** Gives names to values while a layer runs. */
export interface AttentionTap {
  <N extends AttentionHook>(name: N, value: Tensor<AttentionHooks[N]>): Tensor<AttentionHooks[N]>;
  /** Is any of these read or edited? Then they must be values of their own in the graph. */
  watched(...names: AttentionHook[]): boolean;
}

export interface KeysAndValues {
  /** After RoPE and head norms. */
  readonly k: Keys;
  readonly v: Values;
  /** What else queries look at, by name, along the keys: keys of an indexer, compressed entries. */
  readonly more?: Readonly<Record<string, Keys>>;
}

/** What attention is given, and what it gives back to the block. */
export interface AttentionLayer {
  /** x is the normalised stream along the keys; `earlier` that of an earlier block, where the block looks back to one. */
  keysAndValues(
    x: Tensor<'B' | 'S' | 'M'>,
    places: Places,
    hook: AttentionTap,
    earlier?: Tensor<'B' | 'S' | 'M'>,
  ): KeysAndValues;
  /** The same along the queries. */
  attend(x: Stream, kv: KeysAndValues, places: Places, hook: AttentionTap, earlier?: Stream): Stream;
  /** Over keys and values that a cache keeps; absent where there are none, or where they do not suffice. */
  attendCached?(x: Stream, banks: readonly Bank[], hook: AttentionTap): Stream;
  /** How keys are rotated, for caches that move them. */
  readonly rotary?: Rotary;
}
