import { add, concat, Dim, iota, rename, sizes, type Tensor } from '../tensor/index.ts';
import type { AttentionLayer, AttentionTap } from './layer.ts';
import type { Stream } from './steps.ts';

/** Values that a layer keeps between tokens, by name. */
export type DecodingState = Readonly<Record<string, Tensor<string>>>;

/** A layer one token at a time. */
export interface DecodingLayer {
  /** Axes and sizes of the state of B texts after `past` tokens, in the order of names; sizes may grow with `past`. */
  state(past: Dim): Readonly<Record<string, Readonly<Record<string, Dim | number>>>>;
  /**
   * Output of one token and the state after it.
   * @param x normalised stream [B, T = 1, M]
   * @param past tokens before this one: the size, and its value as int64 without axes
   */
  step(
    x: Stream,
    state: DecodingState,
    past: { readonly size: Dim; readonly index: Tensor<never> },
    hook: AttentionTap,
  ): { readonly output: Stream; readonly state: DecodingState };
}

/**
 * Decoding with a cache of keys and values, right for every layer whose keys and values of a token depend on that token alone. State: k and
 * v [B, S = past, G, D].
 */
export function cachedDecoding(
  layer: AttentionLayer,
  { G, D }: { readonly G: number; readonly D: number },
): DecodingLayer {
  return {
    state: (past) => ({ k: { B: Dim.of('B'), S: past, G, D }, v: { B: Dim.of('B'), S: past, G, D } }),
    step(x, state, past, hook) {
      const here = add(iota('T', 1), past.index);
      const own = rename(here, 'T', 'S');
      const places = { queries: here, queryPositions: here };
      const fresh = layer.keysAndValues(rename(x, 'T', 'S'), { ...places, keys: own, keyPositions: own }, hook);
      const k = concat([state.k as typeof fresh.k, fresh.k], 'S');
      const v = concat([state.v as typeof fresh.v, fresh.v], 'S');
      const keys = iota('S', sizes(k).get('S')!);
      return {
        output: layer.attend(x, { k, v }, { ...places, keys, keyPositions: keys }, hook),
        state: { k, v } as unknown as DecodingState,
      };
    },
  };
}
