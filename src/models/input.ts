import type { Places } from '../attention/places.ts';
import { wholeText } from '../attention/places.ts';
import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { input, iota, rename, type Tensor } from '../tensor/index.ts';

/** What an encoder gave: [B, S, M], and which positions of it are real. Default: all. */
export interface MemoryBatch {
  readonly values: Float32Array;
  readonly shape: readonly [B: number, S: number, M: number];
  /** [B, S] 1 for real positions, 0 for padding. */
  readonly real?: Uint8Array;
}

/** Embeddings that stand in place of tokens: rows of `values` [N, M]. */
export interface GivenEmbeddings {
  readonly values: Float32Array;
  readonly shape: readonly [N: number, M: number];
  /** [B][T] the row for each token, or −1 where the token's own embedding stays. */
  readonly rows: readonly (readonly number[])[];
}

/** Token ids of a batch. Texts of different length are padded; padding is never seen by real queries. */
export interface TokenBatch {
  readonly ids: readonly (readonly number[])[];
  /** Which side shorter texts are padded on. Default right. */
  readonly padding?: 'left' | 'right';
  /** 1 for real tokens, 0 for padding, where the ids contain padding already. */
  readonly attentionMask?: readonly (readonly number[])[];
  /** Token types, from 0 (which of a pair of texts), where the stack knows them. Default: all 0. */
  readonly types?: readonly (readonly number[])[];
  /** For decoders that look at an encoder. */
  readonly memory?: MemoryBatch;
  /** Embeddings in place of those of some tokens: pictures inside a text. */
  readonly given?: GivenEmbeddings;
}

/** Pictures, as the model's preprocessing leaves them. */
export interface PixelBatch {
  readonly pixels: Float32Array;
  readonly shape: readonly [B: number, C: number, Y: number, X: number];
}

/** Spectrograms, as the model's preprocessing leaves them. */
export interface FeatureBatch {
  readonly features: Float32Array;
  readonly shape: readonly [B: number, C: number, N: number];
}

/** What a stack reads. */
export type Batch = TokenBatch | PixelBatch | FeatureBatch;

/** A rectangular batch of tokens. */
export interface Rectangle {
  readonly B: number;
  readonly T: number;
  readonly ids: BigInt64Array;
  /** Absent when nothing is padding. */
  readonly real?: Uint8Array;
}

/** Checks a batch against the vocabulary and makes it rectangular. Throws an InputError naming the text and the id. */
export function rectangle(
  { ids, padding = 'right', attentionMask }: TokenBatch,
  { V }: { readonly V: number },
): Rectangle {
  const B = ids.length;
  const T = Math.max(0, ...ids.map((row) => row.length));
  if (B === 0 || ids.some((row) => row.length === 0))
    throw new InputError('ids: expected at least one text of at least one token');
  const flat = new BigInt64Array(B * T);
  const real = new Uint8Array(B * T);
  ids.forEach((row, b) => {
    const start = padding === 'left' ? T - row.length : 0;
    const mask = attentionMask?.[b];
    if (attentionMask && mask?.length !== row.length)
      throw new InputError(`attentionMask: text ${b} has ${row.length} tokens and a mask of ${mask?.length ?? 0}`);
    row.forEach((id, t) => {
      if (!Number.isInteger(id) || id < 0 || id >= V)
        throw new InputError(`ids: text ${b}, position ${t}: expected a token id from 0 to ${V - 1}, got ${id}`);
      flat[b * T + start + t] = BigInt(id);
      real[b * T + start + t] = mask ? (mask[t] ? 1 : 0) : 1;
    });
  });
  return real.every((bit) => bit === 1) ? { B, T, ids: flat } : { B, T, ids: flat, real };
}

/** The graph inputs of a batch and where its tokens stand. */
export interface BatchInputs {
  readonly ids: Tensor<'B' | 'T'>;
  readonly places: Places;
}

/** Symbolic inputs `ids` [B, T] and, for padded batches, `real` [B, T] and `positions` [B, T]. */
export function batchInputs(padded: boolean): BatchInputs {
  const ids = input('ids', { B: 'B', T: 'T' }, 'int64');
  if (!padded) return { ids, places: wholeText('T') };
  const positions = input('positions', { B: 'B', T: 'T' }, 'int64');
  return {
    ids,
    places: {
      queries: iota('T', 'T'),
      keys: iota('S', 'T'),
      queryPositions: positions,
      keyPositions: rename(positions, 'T', 'S'),
      keyIsReal: rename(input('real', { B: 'B', T: 'T' }, 'bool'), 'T', 'S'),
    },
  };
}

/** What `batchInputs` is fed: positions count real tokens from 0. */
export function batchFeeds({ B, T, ids, real }: Rectangle): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = { ids: { type: 'int64', shape: [B, T], data: ids } };
  if (!real) return feeds;
  const positions = new BigInt64Array(B * T);
  for (let b = 0; b < B; b++)
    for (let t = 0, seen = 0; t < T; t++)
      positions[b * T + t] = BigInt(real[b * T + t] ? seen++ : Math.max(0, seen - 1));
  return {
    ...feeds,
    real: { type: 'bool', shape: [B, T], data: real },
    positions: { type: 'int64', shape: [B, T], data: positions },
  };
}
