import type { Stream } from '../../attention/steps.ts';
import {
  add,
  cast,
  concat,
  dot,
  equal,
  gather,
  groupPlaces,
  groupRows,
  merge,
  multiply,
  size,
  split,
  sum,
  type Tensor,
} from '../../tensor/index.ts';

/** Logits of the router. */
export type Router = Tensor<'B' | 'T' | 'E'>;

/** The experts that each token uses, and the factor of each: [B, T, K], experts as int64 from 0. */
export interface Choice {
  readonly experts: Tensor<'B' | 'T' | 'K'>;
  readonly shares: Tensor<'B' | 'T' | 'K'>;
}

/** Some rows of the stream, [N, M]. */
export type Rows = Tensor<'N' | 'M'>;

/** The function of one expert. */
export type Expert = (rows: Rows, index: number) => Rows;

/**
 * Σ_k share_k · expert_k(x) over the experts that each token chose, of E. Each expert is evaluated on the tokens that chose it and on no
 * others, perhaps on none; its rows are gathered before and every token's K results afterwards, so that nothing is scattered.
 */
export function chosenExperts(x: Stream, { experts, shares }: Choice, E: number, expert: Expert): Stream {
  const ids = merge(experts, ['B', 'T'], 'P');
  const tokens = merge(x, ['B', 'T'], 'P');
  const results = Array.from({ length: E }, (_, e) =>
    expert(gather(tokens, groupRows(ids, 'K', { groups: E, group: e }, 'N'), 'P'), e),
  );
  const each = gather(concat(results, 'N'), groupPlaces(ids, 'K'), 'N');
  const mixed = dot(each, merge(shares, ['B', 'T'], 'P'), 'K');
  return split(mixed, 'P', { B: size(x, 'B'), T: size(x, 'T') });
}

/** The same by evaluating every expert on every token, E / K times the work: plain to read, and right where all are chosen. */
export function allExperts(x: Stream, { experts, shares }: Choice, E: number, expert: Expert): Stream {
  const tokens = merge(x, ['B', 'T'], 'N');
  return Array.from({ length: E }, (_, e) => {
    const share = sum(multiply(cast(equal(experts, e), 'float32'), shares), 'K');
    return multiply(split(expert(tokens, e), 'N', { B: size(x, 'B'), T: size(x, 'T') }), share);
  }).reduce((total, one) => add(total, one));
}
