import { linear } from '../../layers/linear.ts';
import { pick, rename, slice, split, type Tensor, type Within } from '../../tensor/index.ts';
import type { HeadSizes } from '../projections.ts';
import type { Queries, Stream } from '../steps.ts';

/**
 * Where the matrix of a gate on head outputs is stored.
 * `key-value-group`: in `q_proj`, for each key/value head its R query heads, then their R gates (the checkpoints of 2505.06708).
 * `query-head`: in `q_proj`, for each query head its D queries, then its D gates (Qwen3-Next, Qwen3.5); element-wise only.
 * `separate`: in `gate_proj`.
 */
export type GateLayout = 'key-value-group' | 'query-head' | 'separate';

export interface PackedOptions {
  readonly layout: Exclude<GateLayout, 'separate'>;
  /** One gate for each component of a query head, or one for the head. */
  readonly granularity: 'element-wise' | 'head-wise';
  /** Is there a `q_proj.bias`, in the order of the rows? Default false. */
  readonly bias?: boolean;
}

export interface QueryAndGate {
  readonly q: Queries;
  /** Scores of the gate before its activation; head-wise without D. */
  readonly scores: Within<'B' | 'T' | 'G' | 'R' | 'D'>;
}

/** Queries and scores of the gate from one matrix `self_attn.q_proj`. The two layouts agree only where R = 1. */
export function queryAndGate(
  x: Stream,
  at: (name: string) => string,
  { H, G, D, M }: HeadSizes,
  { layout, granularity, bias = false }: PackedOptions,
): QueryAndGate {
  const R = H / G;
  const name = at('self_attn.q_proj');
  if (layout === 'query-head') {
    const both = linear(x, name, { G, R, J: 2, D }, { M }, { bias });
    return { q: pick(both, 'J', 0), scores: pick(both, 'J', 1) };
  }
  const gates = granularity === 'head-wise' ? R : R * D;
  const both = linear(x, name, { G, rows: R * D + gates }, { M }, { bias });
  const part = (from: number, to: number): Tensor<'B' | 'T' | 'G' | 'rows'> => slice(both, 'rows', from, to);
  const scores = part(R * D, R * D + gates);
  return {
    q: split(part(0, R * D), 'rows', { R, D }),
    scores: granularity === 'head-wise' ? rename(scores, 'rows', 'R') : split(scores, 'rows', { R, D }),
  };
}
