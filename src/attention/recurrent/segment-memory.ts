import { InputError } from '../../error.ts';
import { concat, iota, rename, size, slice, type Tensor } from '../../tensor/index.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Places } from '../places.ts';
import type { Stream } from '../steps.ts';

/** What a segment remembers of those before it (Transformer-XL, 1901.02860). */
export interface SegmentMemory {
  /** Inputs of this layer at the tokens before the segment, through the same norm as the segment's own: [B, S, M]. */
  readonly stream: Tensor<'B' | 'S' | 'M'>;
}

/** A layer that takes keys and values from memory and segment, and queries from the segment alone. */
export function withMemory(layer: AttentionLayer, { stream }: SegmentMemory): AttentionLayer {
  return {
    keysAndValues: (x, places, hook) => layer.keysAndValues(concat([stream, x], 'S'), after(stream, places), hook),
    attend: (x, kv, places, hook) => layer.attend(x, kv, after(stream, places), hook),
  };
}

/** Places of a segment after its memory. */
function after(stream: Tensor<'B' | 'S' | 'M'>, { queries, keyIsReal, prefix }: Places): Places {
  if (keyIsReal || prefix !== undefined)
    throw new InputError('segment memory: expected segments without padding and prefix, got some that have them');
  const before = size(stream, 'S');
  const T = size(queries, 'T');
  const here = slice(iota('T', before.plus(T)), 'T', before, before.plus(T));
  const keys = iota('S', before.plus(T));
  return { queries: here, keys, queryPositions: here, keyPositions: keys };
}

/**
 * Memory of the next segment: the last `length` inputs of this layer, those of the memory before included. Feed it as a value, or stop its
 * gradient: published memories carry none.
 */
export function nextMemory(
  memory: Tensor<'B' | 'S' | 'M'> | undefined,
  inputs: Stream,
  length: number,
): Tensor<'B' | 'S' | 'M'> {
  const own = rename(inputs, 'T', 'S');
  const all = memory ? concat([memory, own], 'S') : own;
  const held = size(all, 'S');
  const kept = held.constant;
  if (kept === undefined || !Number.isSafeInteger(length) || length < 1)
    throw new InputError(
      `segment memory: expected segments of a known length and a memory of at least 1 token, got ${held} and ${length}`,
    );
  return kept <= length ? all : slice(all, 'S', kept - length, kept);
}
