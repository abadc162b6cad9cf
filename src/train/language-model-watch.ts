import { wholeText } from '../attention/places.ts';
import type { Decoder } from '../models/decoder.ts';
import { hidden } from '../models/forward.ts';
import { createHooks, type Edits } from '../models/hooks.ts';
import {
  absolute,
  concat,
  expand,
  highest,
  mean,
  merge,
  multiply,
  pick,
  type Size,
  slice,
  sqrt,
  sum,
  type Tensor,
} from '../tensor/index.ts';

/**
 * alpha [L, B, H]: mean attention to key 0 over all queries, row 0 included: a head is a sink in a text where it is above ε (2410.10781).
 * alphaLater [L, B, H]: the same without row 0, whose attention to key 0 is always 1 (under softmax, without a learned sink).
 * largest [L]: largest |residual| after each block; typical [L]: its mean |residual|.
 * firstNorm, otherNorm [L]: mean length of the residual at position 0, and at all others.
 */
export type WatchedName = 'alpha' | 'alphaLater' | 'largest' | 'typical' | 'firstNorm' | 'otherNorm';

/** The watched values of a decoder on ids [B, T]. */
export function watchedValues(
  decoder: Decoder,
  ids: Tensor<'B' | 'T'>,
  T: Size,
  edit: Edits,
): Readonly<Record<WatchedName, Tensor<'B' | 'L' | 'H'> | Tensor<'L'>>> {
  const patterns: Tensor<'B' | 'G' | 'R' | 'T' | 'S'>[] = [];
  const streams: Tensor<'B' | 'T' | 'M'>[] = [];
  const hooks = createHooks({
    edit,
    reads: (name) => /^blocks\.\d+\.(attn\.hook_pattern|hook_out)$/.test(name),
    read: (name, value) => {
      if (name.endsWith('hook_pattern')) patterns.push(value as never);
      else streams.push(value as never);
    },
  });
  hidden(decoder, ids, wholeText(T), hooks);
  return {
    alpha: perHead(patterns.map((pattern) => mean(pick(pattern, 'S', 0), 'T'))),
    alphaLater: perHead(patterns.map((pattern) => mean(slice(pick(pattern, 'S', 0), 'T', 1, T), 'T'))),
    ...residualValues(streams, T),
  };
}

/** The last four of `WatchedName` from the residual behind each block. */
export function residualValues(
  streams: readonly Tensor<'B' | 'T' | 'M'>[],
  T: Size,
): Readonly<Record<'largest' | 'typical' | 'firstNorm' | 'otherNorm', Tensor<'L'>>> {
  const length = (x: Tensor<'B' | 'T' | 'M'>) => sqrt(sum(multiply(x, x), 'M'));
  return {
    largest: perLayer(streams.map((x) => highest(absolute(x), ['B', 'T', 'M']))),
    typical: perLayer(streams.map((x) => mean(absolute(x), ['B', 'T', 'M']))),
    firstNorm: perLayer(streams.map((x) => mean(pick(length(x), 'T', 0), 'B'))),
    otherNorm: perLayer(streams.map((x) => mean(slice(length(x), 'T', 1, T), ['B', 'T']))),
  };
}

/** One value a head from every layer. */
export const perHead = (each: readonly Tensor<'B' | 'G' | 'R'>[]): Tensor<'L' | 'B' | 'H'> =>
  concat(
    each.map((layer) => expand(merge(layer, ['G', 'R'], 'H'), { L: 1 })),
    'L',
  );

const perLayer = (each: readonly Tensor<never>[]): Tensor<'L'> =>
  concat(
    each.map((layer) => expand(layer, { L: 1 })),
    'L',
  );

/**
 * Share of heads with alpha above ε, over texts and all layers, and for each layer (2410.10781). Default ε 0.3.
 * @param alpha row-major [L, B, H]
 */
export function sinkRateOf(
  alpha: Float32Array,
  { layers, heads }: { readonly layers: number; readonly heads: number },
  epsilon = 0.3,
): { readonly all: number; readonly byLayer: readonly number[] } {
  const texts = alpha.length / (layers * heads);
  const above = new Array<number>(layers).fill(0);
  alpha.forEach((value, i) => {
    if (value > epsilon) above[Math.floor(i / (texts * heads))]!++;
  });
  const byLayer = above.map((count) => count / (texts * heads));
  return { all: byLayer.reduce((a, b) => a + b, 0) / layers, byLayer };
}
