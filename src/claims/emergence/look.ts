import type { RowSums } from '../../attention/mechanism.ts';
import { type Places, wholeText } from '../../attention/places.ts';
import type { Scores } from '../../attention/steps.ts';
import type { Decoder } from '../../models/decoder.ts';
import { hidden } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import { absolute, mean, multiply, pick, sum, type Tensor, type Within } from '../../tensor/index.ts';
import { perHead, residualValues } from '../../train/language-model-watch.ts';
import { shares } from '../../train/toys/metrics.ts';
import { T } from './sequences.ts';

/** Keys whose sinks are looked for. */
export const firstKeys = 5;

/**
 * Patterns and residuals of a decoder on ids [B, T], reduced in the graph. alpha0 … alpha4 [L, B, H]: mean attention to a key over the queries that
 * see it (2410.10781); the proxy |w| / Σ|w| for rows of any sum. `null`: mass on a null column, `mass`: Σ|w|; the residual as in `WatchedName`.
 */
export function lookAt(
  decoder: Decoder,
  ids: Tensor<'B' | 'T'>,
  rows: RowSums,
  prefix: number | null,
): Readonly<Record<string, Within<'L' | 'B' | 'H'>>> {
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
  const alpha = (key: number) => {
    // Queries that see the key: all of them where it is in a prefix.
    const queries = prefix !== null && key < prefix ? T : T - key;
    return perHead(patterns.map((pattern) => multiply(sum(pick(shares(pattern, rows), 'S', key), 'T'), 1 / queries)));
  };
  return {
    ...Object.fromEntries(Array.from({ length: firstKeys }, (_, key) => [`alpha${key}`, alpha(key)])),
    ...(rows === 'one' ? {} : { mass: perHead(patterns.map((pattern) => mean(sum(absolute(pattern), 'S'), 'T'))) }),
    ...(sinks.length > 0 ? { null: perHead(sinks.map((sink) => mean(sink, 'T'))) } : {}),
    ...residualValues(streams, T),
  };
}

export function placesOf(prefix: number | null): Places {
  return prefix === null ? wholeText(T) : { ...wholeText(T), prefix };
}
