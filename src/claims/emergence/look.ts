import type { RowSums } from '../../attention/mechanism.ts';
import { type Places, wholeText } from '../../attention/places.ts';
import type { Scores } from '../../attention/steps.ts';
import type { Decoder } from '../../models/decoder.ts';
import { hidden } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import {
  absolute,
  add,
  concat,
  divide,
  expand,
  highest,
  mean,
  merge,
  multiply,
  pick,
  slice,
  sqrt,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { T } from './sequences.ts';

/** Keys whose sinks are looked for. */
export const firstKeys = 5;

type PerHead = Tensor<'L' | 'B' | 'H'>;

/** What a look at the attention fetches; `null` is the learned or implicit null column, `mass` Σ|w|, lengths are those of the residual. */
export interface Look {
  /** alpha0 … alpha4 [L, B, H]: mean attention to a key over the queries that see it (2410.10781); the proxy |w| / Σ|w| for rows of any sum. */
  readonly values: Readonly<Record<string, PerHead | Tensor<'L'>>>;
}

/** Patterns and residuals of a decoder on ids [B, T], reduced in the graph. */
export function lookAt(decoder: Decoder, ids: Tensor<'B' | 'T'>, rows: RowSums, prefix: number | null): Look['values'] {
  const patterns: Scores[] = [];
  const sinks: Tensor<'B' | 'G' | 'R' | 'T'>[] = [];
  const streams: Tensor<'B' | 'T' | 'M'>[] = [];
  const hooks = createHooks({
    watched: true,
    reads: (name) => /^blocks\.\d+\.(attn\.hook_pattern|attn\.hook_sink|hook_out)$/.test(name),
    read: (name, value) => {
      if (name.endsWith('pattern')) patterns.push(value as never);
      else if (name.endsWith('sink')) sinks.push(value as never);
      else streams.push(value as never);
    },
  });
  hidden(decoder, ids, placesOf(prefix), hooks);
  const share = (pattern: Scores) =>
    rows === 'any' ? divide(absolute(pattern), add(sum(absolute(pattern), 'S'), 1e-12) as never) : pattern;
  const alpha = (key: number) => {
    // Queries that see the key: all of them where it is in a prefix.
    const queries = prefix !== null && key < prefix ? T : T - key;
    return heads(patterns.map((pattern) => multiply(sum(pick(share(pattern), 'S', key), 'T'), 1 / queries)));
  };
  const length = (x: Tensor<'B' | 'T' | 'M'>) => sqrt(sum(multiply(x, x), 'M'));
  return {
    ...Object.fromEntries(Array.from({ length: firstKeys }, (_, key) => [`alpha${key}`, alpha(key)])),
    ...(rows === 'one' ? {} : { mass: heads(patterns.map((pattern) => mean(sum(absolute(pattern), 'S'), 'T'))) }),
    ...(sinks.length > 0 ? { null: heads(sinks.map((sink) => mean(sink, 'T'))) } : {}),
    largest: layers(streams.map((x) => highest(absolute(x), ['B', 'T', 'M']))),
    typical: layers(streams.map((x) => mean(absolute(x), ['B', 'T', 'M']))),
    firstNorm: layers(streams.map((x) => mean(pick(length(x), 'T', 0), 'B'))),
    otherNorm: layers(streams.map((x) => mean(slice(length(x), 'T', 1, T), ['B', 'T']))),
  };
}

export function placesOf(prefix: number | null): Places {
  return prefix === null ? wholeText(T) : { ...wholeText(T), prefix };
}

const heads = (each: readonly Tensor<'B' | 'G' | 'R'>[]): PerHead =>
  concat(
    each.map((layer) => expand(merge(layer, ['G', 'R'], 'H'), { L: 1 })),
    'L',
  );

const layers = (each: readonly Tensor<never>[]): Tensor<'L'> =>
  concat(
    each.map((layer) => expand(layer, { L: 1 })),
    'L',
  );
