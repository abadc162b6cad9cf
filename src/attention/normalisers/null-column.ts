import {
  add,
  concat,
  constant,
  divide,
  expand,
  fusedAttention,
  multiply,
  pad,
  pick,
  sizes,
  slice,
  type Tensor,
  type Within,
} from '../../tensor/index.ts';
import { additive, causalMask } from '../places.ts';
import type { AttentionSteps, Keys, Queries } from '../steps.ts';
import { learnedSink, logitColumn, type SinkLogits } from './learned-sink.ts';
import { type SoftmaxOptions, softmaxSteps } from './softmax.ts';

export interface NullColumnOptions extends SoftmaxOptions {
  /** Score of the column, already scaled. */
  readonly logits: SinkLogits;
  /** What the column gives out: its mass times this. Default: nothing. */
  readonly value?: Within<'G' | 'R' | 'D'> | undefined;
}

/**
 * Softmax over the keys and one column that stands nowhere, seen by every query: w_j = e^{s_j} / (e^b + Σ e^s), o = Σ w_j v_j + w_null v*.
 * The mass of the column is `attn.hook_sink`.
 *
 * Unwatched it is one fused operator: queries, keys and values get one more component, in which the query holds b and the column 1, so that
 * the scores are the same products and the last component of the result is the column's mass.
 */
export function nullColumnSteps({ logits, value, ...options }: NullColumnOptions): AttentionSteps {
  const { scale, window } = options;
  const steps = softmaxSteps(options);
  const withValue = (z: Queries, mass: Tensor<'B' | 'G' | 'R' | 'T'>): Queries =>
    value === undefined ? z : (add(z, multiply(mass, value as Tensor<'D'>)) as Queries);
  return {
    ...steps,
    normalise: learnedSink(logits),
    mix: (pattern, v, sink) => withValue(steps.mix(pattern, v), sink!),
    fused(q, k, v, places) {
      const width = sizes(q).get('D')!.constant!;
      const query = concat([q, logitColumn(divide(logits as Tensor<'B'>, scale), q, 'D') as Queries], 'D');
      // The padded column is 0, not −∞: every query sees it.
      const mask = pad(additive(causalMask(places, window) as Tensor<'T' | 'S'>), 'S', 0, 1);
      const all = fusedAttention(query, withColumn(k, width), withColumn(v, width), mask, scale);
      return withValue(slice(all, 'D', 0, width), pick(all, 'D', width));
    },
  };
}

/** Keys or values with a component more, which is 0, and a key more, which is 1 there and 0 elsewhere. */
function withColumn(x: Keys, width: number): Keys {
  const unit = constant([...new Array<number>(width).fill(0), 1], { D: width + 1 });
  const column = expand(unit, { B: sizes(x).get('B')!, S: 1, G: sizes(x).get('G')! });
  return concat([pad(x, 'D', 0, 1), column], 'S');
}
