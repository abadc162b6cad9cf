import { linear } from '../../layers/linear.ts';
import {
  add,
  and,
  cast,
  divide,
  dot,
  equal,
  exp,
  highest,
  less,
  log,
  merge,
  minimum,
  multiply,
  rename,
  select,
  softmax,
  stopGradient,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { type SoftmaxOptions, softmaxSteps } from '../normalisers/softmax.ts';
import { causalMask, type Places } from '../places.ts';
import type { HeadSizes } from '../projections.ts';
import type { AttentionSteps, Normalised, Scores, Values } from '../steps.ts';
import { scrambledOrder } from './scrambled-order.ts';
import { topVisible } from './top-visible.ts';

/** One number for each token and score head: [B, S, G], or [B, S, G, R] where every query head has its own. */
export type TokenScores = Tensor<'B' | 'S' | 'G' | 'R'>;

export interface ScoreHeads {
  readonly at: (name: string) => string;
  readonly sizes: HeadSizes;
  /** A score for each query head, or one for each key/value head that its query heads share. */
  readonly heads: 'query' | 'key-value';
}

const headAxes = ({ sizes: { H, G }, heads }: ScoreHeads) =>
  (heads === 'query' ? { G, R: H / G } : { G }) as { G: number; R: number };

/** r = v W_Δ, from the values of all key/value heads: `self_attn.dt_proj.weight` [H_s, G · D]. */
export function rawTokenScores(v: Values, given: ScoreHeads): TokenScores {
  const { G, D } = given.sizes;
  return linear(merge(v, ['G', 'D'], 'F'), given.at('self_attn.dt_proj'), headAxes(given), { F: G * D });
}

/** ln(1 + eˣ), the identity from 20 on, where the two are the same in single precision. */
function softplus<A extends string>(x: Tensor<A>): Tensor<A> {
  return select(less(20, x), x, log(add(exp(minimum(x, 20)), 1)));
}

/**
 * What is added to the scores of every query that sees the token, and by what tokens are ranked. δ = exp(A · softplus(r)), its exponent at
 * most 20 against overflow, or in the log form A · softplus(r). `self_attn.A` [H_s].
 * Ranks are those of δ before it is clamped or rounded: δ rises with r where A > 0, falls where A < 0, and is the same for all where A = 0.
 */
export function tokenScores(
  raw: TokenScores,
  form: 'exp' | 'log',
  given: ScoreHeads,
): { readonly added: TokenScores; readonly order: TokenScores } {
  const A = weight(given.at('self_attn.A'), headAxes(given));
  const exponent = multiply(softplus(raw), A);
  const direction = select(less(0, A), 1, select(less(A, 0), -1, multiply(A, 0)));
  return {
    added: form === 'exp' ? exp(minimum(exponent, 20)) : exponent,
    order: multiply(raw, stopGradient(direction)),
  };
}

/** How keys are chosen among those that a query may see. */
export type KeyChoice =
  | {
      readonly by: 'top';
      readonly keep: number;
      readonly order: 'score' | 'random' | 'recency';
      readonly first: number;
      readonly ties: 'earlier' | 'later';
    }
  | { readonly by: 'sign' };

/**
 * True where query T keeps key S. `top`: the `keep` keys of the highest scores (or of a fixed random order, or the latest), the text's
 * `first` tokens before all others. `sign`: every key whose score is above 0.
 */
export function keptKeys(
  scores: { readonly added: TokenScores; readonly order: TokenScores } | undefined,
  choice: KeyChoice,
  places: Places,
  {
    G,
    window,
    block,
  }: { readonly G: number; readonly window?: number | undefined; readonly block?: number | undefined },
): Within<'B' | 'G' | 'R' | 'T' | 'S'> {
  const visible = causalMask(places, window) as Tensor<'T' | 'S'>;
  const kept = choice.by === 'sign' ? and(visible, less(0, scores!.added)) : top(choice);
  return block === undefined ? (kept as never) : smoothBlocks(kept as Tensor<'T' | 'S'>, visible, places.keys, block);

  function top({ keep, order, first, ties }: KeyChoice & { by: 'top' }) {
    const constantScore = multiply(cast(places.keys, 'float32'), 0);
    const own = {
      score: scores?.order ?? constantScore,
      recency: constantScore,
      random: scrambledOrder(places.keys, G),
    };
    const ranked = own[order] as Tensor<'S'>;
    const raised = first === 0 ? ranked : select(less(places.keys, first), Number.POSITIVE_INFINITY, ranked);
    return topVisible(raised, visible, places.keys, keep, order === 'recency' ? 'later' : ties);
  }
}

/**
 * Whole blocks of keys, kept where strictly more than half of their keys are kept, else dropped. A query's last block counts only the keys
 * that it may see, so that a text read token by token keeps the same; released kernels count that block as long as the text makes it.
 */
function smoothBlocks(
  kept: Tensor<'T' | 'S'>,
  visible: Tensor<'T' | 'S'>,
  keys: Tensor<'S'>,
  block: number,
): Within<'B' | 'G' | 'R' | 'T' | 'S'> {
  const index = divide(keys, block);
  const together = cast(equal(index, rename(index, 'S', 'Other')), 'float32');
  const count = (mask: Tensor<'T' | 'S'>) => dot(cast(rename(mask, 'S', 'Other'), 'float32'), together, 'Other');
  return and(visible, less(count(visible), multiply(count(kept), 2))) as never;
}

/** Softmax along the keys, and rows without any key as zeros. */
export function softmaxOrNothing(scores: Scores): Normalised {
  const empty = equal(highest(scores, 'S'), Number.NEGATIVE_INFINITY);
  return { pattern: select(empty, 0, softmax(select(empty, 0, scores), 'S')) };
}

export interface DynamicMaskStepsOptions extends SoftmaxOptions {
  readonly kept: (places: Places) => Within<'B' | 'G' | 'R' | 'T' | 'S'>;
  readonly added: TokenScores | undefined;
  /** May a query keep nothing? */
  readonly emptyRows: boolean;
}

/** softmax(q · k · scale + δ over the kept keys) · v. */
export function dynamicMaskSteps({ kept, added, emptyRows, ...options }: DynamicMaskStepsOptions): AttentionSteps {
  const { fused: _, ...plain } = softmaxSteps(options);
  return {
    ...plain,
    mask(scores, places) {
      const biased = added === undefined ? scores : add(scores, added);
      return select(kept(places), biased, Number.NEGATIVE_INFINITY);
    },
    ...(emptyRows ? { normalise: softmaxOrNothing } : {}),
  };
}
