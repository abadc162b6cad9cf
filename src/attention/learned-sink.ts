import { concat, expand, sizes, slice, softmax, sum, type Tensor } from '../tensor/index.ts';
import type { Normalised, Scores } from './steps.ts';

/**
 * Softmax with one learned logit b per head beside the scores (GPT-OSS): w_j = e^{s_j} / (e^b + Σ e^s). The sink takes e^b / (e^b + Σ e^s)
 * and has no value. It stays visible: rows of the pattern sum to 1 − sink, nothing is renormalised. b → −∞ is plain softmax.
 */
export function learnedSink(logits: Tensor<'G' | 'R'>): (scores: Scores) => Normalised {
  return (scores) => {
    const size = (axis: string) => sizes(scores).get(axis)!;
    const column = expand(logits, { B: size('B'), T: size('T'), S: 1 });
    const keys = size('S');
    const all = softmax(concat([scores, column], 'S'), 'S');
    return { pattern: slice(all, 'S', 0, keys), sink: sum(slice(all, 'S', keys, keys.plus(1)), 'S') };
  };
}
