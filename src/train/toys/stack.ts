import { wholeText } from '../../attention/places.ts';
import type { Queries, Scores, Stream, Values } from '../../attention/steps.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { runBlock } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import { type MapStart, mappedBlocks } from '../map-sources.ts';
import { type SmallBlockOptions, smallBlock } from '../small-decoder.ts';

export interface StackOptions extends Omit<SmallBlockOptions, 'norm' | 'gated' | 'activation'> {
  /** Tokens of a text. Default the context of training. */
  readonly T?: number;
  /** Queries and keys of the replaced layers come from elsewhere (2510.11602). Default: every layer has its own. */
  readonly maps?: { readonly start: MapStart; readonly replaced: (layer: number) => boolean };
}

/** What the layers of a stack show. */
export interface Stacked {
  readonly output: Stream;
  readonly patterns: Scores[];
  /** Gates on what heads give out; none where the mechanism has none. */
  readonly gates: Queries[];
  /** Before the mask. */
  readonly scores: Scores[];
  readonly values: Values[];
  /** The residual behind each layer. */
  readonly streams: Stream[];
}

/** A few pre-norm blocks, `layers.{i}.…`, and a final norm, for toys that need more than one head; with the pattern of every layer. */
export function stack(x: Stream, { maps, T, ...options }: StackOptions): Stacked {
  const patterns: Scores[] = [];
  const gates: Queries[] = [];
  const scores: Scores[] = [];
  const values: Values[] = [];
  const lists: Readonly<Record<string, unknown[]>> = {
    ...{ hook_pattern: patterns, hook_gate: gates, hook_attn_scores: scores, 'v.hook_out': values },
  };
  const listOf = (name: string) => lists[name.split('.attn.')[1] ?? ''];
  const hooks = createHooks({
    watched: true,
    reads: (name) => listOf(name) !== undefined,
    read: (name, value) => void listOf(name)!.push(value),
  });
  const own = Array.from({ length: options.sizes.L }, (_, i) =>
    smallBlock(options, i, (name) => `layers.${i}.${name}`),
  );
  const mapped = maps && mappedBlocks(own, maps.replaced, maps.start);
  const places = wholeText(T ?? options.context);
  const streams: Stream[] = [];
  let stream = mapped ? mapped.embedded(x) : x;
  (mapped?.blocks ?? own).forEach((block, i) => {
    stream = runBlock(block, stream, places, hooks.block(i));
    streams.push(stream);
  });
  return { output: rmsNorm(stream, 'M', 'final_norm', { epsilon: 1e-5 }), patterns, gates, scores, values, streams };
}
