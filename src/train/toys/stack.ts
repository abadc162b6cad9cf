import { wholeText } from '../../attention/places.ts';
import type { Scores, Stream } from '../../attention/steps.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { runBlock } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import { type SmallBlockOptions, smallBlock } from '../small-decoder.ts';

export type StackOptions = Omit<SmallBlockOptions, 'norm' | 'gated' | 'activation'>;

/** A few pre-norm blocks, `layers.{i}.…`, and a final norm, for toys that need more than one head; with the pattern of every layer. */
export function stack(x: Stream, options: StackOptions): { output: Stream; patterns: Scores[] } {
  const patterns: Scores[] = [];
  const hooks = createHooks({
    watched: true,
    reads: (name) => name.endsWith('.hook_pattern'),
    read: (_, pattern) => patterns.push(pattern as unknown as Scores),
  });
  let stream = x;
  for (let i = 0; i < options.sizes.L; i++) {
    const block = smallBlock(options, i, (name) => `layers.${i}.${name}`);
    stream = runBlock(block, stream, wholeText(options.context), hooks.block(i));
  }
  return { output: rmsNorm(stream, 'M', 'final_norm', { epsilon: 1e-5 }), patterns };
}
