import {
  add,
  concat,
  dot,
  iota,
  multiply,
  rename,
  size,
  slice,
  softmax,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { type SoftmaxOptions, softmaxSteps } from '../normalisers/softmax.ts';
import { type Rotary, rotate } from '../positions/rope.ts';
import type { Projections } from '../projections.ts';
import type { AttentionGiven, AttentionSteps, Queries, Scores } from '../steps.ts';

export interface PersistentTokens {
  /** Tokens in front of the text: [P, M], or [B, P, M]. */
  readonly tokens: Tensor<'P' | 'M'> | Tensor<'B' | 'P' | 'M'>;
  readonly count: number;
  readonly project: Pick<Projections, 'k' | 'v'>;
  readonly rotary?: Rotary | undefined;
}

type FrontScores = Tensor<'B' | 'G' | 'R' | 'T' | 'P'>;
type FrontKeys = Tensor<'B' | 'P' | 'G' | 'D'>;

/** Keys and values of tokens in front of the text; key p stands at `before` − count + p. */
export function frontKeysAndValues(
  { tokens, count, project, rotary }: PersistentTokens,
  before: Tensor<never> | 0 = 0,
) {
  const rows = rename(tokens as Tensor<'B' | 'P' | 'M'>, 'P', 'S');
  const places = add(subtract(iota('S', count), count), before) as Tensor<'S'>;
  const k = project.k(rows);
  return {
    k: rename(rotary ? rotate(k, places as never, rotary) : k, 'S', 'P') as FrontKeys,
    v: rename(project.v(rows), 'S', 'P') as FrontKeys,
  };
}

/**
 * Softmax attention with tokens in front of the text that every query sees, whatever its window (2501.00663, section 3.3): learned and
 * independent of the text, they are a learned sink with keys and values. Their mass is `attn.hook_sink`; rows + sink = 1.
 */
export function persistentTokenSteps(
  options: SoftmaxOptions,
  { q }: Pick<AttentionGiven, 'q'>,
  front: PersistentTokens,
): AttentionSteps {
  const { k, v } = frontKeysAndValues(front);
  const own = dot(multiply(q, options.scale), k, 'D') as FrontScores;
  const { fused: _, ...steps } = softmaxSteps(options);
  return {
    ...steps,
    normalise(scores) {
      const all = softmax(concat([rename(own, 'P', 'S') as Scores, scores], 'S'), 'S');
      const end = size(scores, 'S').plus(front.count);
      return {
        pattern: slice(all, 'S', front.count, end),
        sink: sum(slice(all, 'S', 0, front.count), 'S'),
      };
    },
    mix: (pattern, values, sink) =>
      add(steps.mix(pattern, values), multiply(sink!, dot(softmax(own, 'P'), v, 'P')) as Queries),
  };
}
