import { concat, expand, sizes, slice, softmax, sum, type Tensor, type Within } from '../../tensor/index.ts';
import { someHeads } from '../some-heads.ts';
import type { Normalised, Scores } from '../steps.ts';

/** One number for every query of every head; may lack axes along which it is the same. */
export type SinkLogits = Within<'B' | 'G' | 'R' | 'T'>;

/** Logits along all of the scores' axes but the keys', and along one more of one place. */
export function logitColumn<A extends string>(
  logits: SinkLogits,
  like: Within<'B' | 'G' | 'R' | 'T' | 'S' | 'D'>,
  axis: A,
): Within<'B' | 'G' | 'R' | 'T' | A> {
  const missing = [...sizes(like)].filter(([name]) => 'BGRT'.includes(name) && !sizes(logits).has(name));
  return expand(logits as never, { ...Object.fromEntries(missing), [axis]: 1 } as never);
}

/**
 * Softmax with one logit b beside the scores: w_j = e^{s_j} / (e^b + Σ e^s). The sink takes e^b / (e^b + Σ e^s). It stays visible: rows of
 * the pattern sum to 1 − sink, nothing is renormalised. b → −∞ is plain softmax. One learned b for each head is GPT-OSS (2508.10925).
 */
export function learnedSink(all: SinkLogits): (scores: Scores, heads?: readonly number[]) => Normalised {
  return (scores, heads) => {
    const logits = sizes(all).has('G') ? someHeads(all as Tensor<'G'>, heads) : all;
    const keys = sizes(scores).get('S')!;
    const rows = softmax(concat([scores, logitColumn(logits, scores, 'S') as Scores], 'S'), 'S');
    return { pattern: slice(rows, 'S', 0, keys), sink: sum(slice(rows, 'S', keys, keys.plus(1)), 'S') };
  };
}
