import { linear } from '../../layers/linear.ts';
import {
  add,
  concat,
  constant,
  divide,
  expand,
  gather,
  maximum,
  mean,
  merge,
  multiply,
  pick,
  power,
  rename,
  scalar,
  size,
  slice,
  softmax,
  split,
  sqrt,
  straightThrough,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import type { HeadSizes } from '../projections.ts';
import type { AttentionGiven } from '../steps.ts';
import type { ResolvedBudget } from './head-budget.ts';
import { chooseHeads, type HeadChoice, type HeadLoad, type HeadScores, headLoad } from './head-choice.ts';

/** A gate for every query head, and how the routed ones were used; `load` is absent where all heads are shared. */
export interface RoutedGates {
  readonly gate: Tensor<'B' | 'T' | 'G' | 'R'>;
  readonly load?: HeadLoad;
}

export interface RouterOptions {
  readonly choice: HeadChoice;
  /** Index of the layer: noise differs from layer to layer. */
  readonly layer: number;
}

/** Float32's machine epsilon: the smallest sum of shares to divide by. */
const smallest = 2 ** -23;

/**
 * Two-stage routing with the factors of the released code: shared gates h_s · softmax(W_s x), routed gates K · softmax(W_r x) renormalised
 * over the chosen, each stage times 2 · softmax(W_h x). With weights of zero every active head has gate one. W_s, W_r, W_h are stored as
 * `wg_1`, `wg`, `wg_0`.
 */
export function learnedGates(
  given: AttentionGiven,
  at: (name: string) => string,
  { G, H, M }: HeadSizes,
  budget: ResolvedBudget,
  { choice, layer, twoStage }: RouterOptions & { readonly twoStage: boolean },
): RoutedGates {
  const { x, places } = given;
  const [always, routed] = [budget.shared.length, budget.routed.length];
  const ofHeads = (name: string, heads: number) => linear(x, at(`self_attn.${name}`), { head: heads }, { M });
  const shared =
    always > 1 ? multiply(softmax(ofHeads('wg_1', always), 'head'), always) : always === 1 ? ones(given, 1) : undefined;
  if (routed === 0) return { gate: headsInPlace([shared!], budget, { G, H }) };
  const logits = ofHeads('wg', routed);
  const probability = softmax(logits, 'head');
  const chosen = chooseHeads(logits, budget.active, choice, { queries: places.queries, layer });
  const kept = multiply(probability, chosen);
  const share = divide(kept, maximum(sum(kept, 'head'), smallest) as never) as HeadScores;
  const gates = multiply(share, budget.active);
  const load = headLoad(probability, chosen);
  if (!shared) return { gate: headsInPlace([gates], budget, { G, H }), load };
  const stages = twoStage ? multiply(softmax(linear(x, at('self_attn.wg_0'), { J: 2 }, { M }), 'J'), 2) : undefined;
  const staged = [shared, gates].map((part, i) =>
    stages ? (multiply(part, pick(stages, 'J', i) as never) as HeadScores) : part,
  );
  return { gate: headsInPlace(staged, budget, { G, H }), load };
}

/**
 * Routing without parameters, for models trained without it: softmax of the norms of the routed heads' queries divided by their standard
 * deviation over these heads; the K largest have gate 1, the others 0, with the gradient of the softmax (straight-through). RoPE leaves
 * norms as they are, so they are taken after it; a factor on what it rotates cancels where it rotates whole heads.
 */
export function queryNormGates(
  given: AttentionGiven,
  { G, H }: HeadSizes,
  budget: ResolvedBudget,
  { choice, layer }: RouterOptions,
): RoutedGates {
  const { q, places } = given;
  const [always, routed] = [budget.shared.length, budget.routed.length];
  // One routed head is always chosen, and has no standard deviation.
  if (routed < 2) return { gate: headsInPlace([ones(given, always + routed)], budget, { G, H }) };
  const norms = sqrt(add(sum(power(q, 2), 'D'), tiny));
  const own = takeHeads(merge(norms, ['G', 'R'], 'head'), budget.routed);
  const off = subtract(own, mean(own, 'head') as never) as HeadScores;
  const variance = divide(sum(power(off, 2), 'head'), routed - 1);
  const logits = divide(own, sqrt(add(variance, tiny)) as never) as HeadScores;
  const probability = softmax(logits, 'head');
  const chosen = chooseHeads(logits, budget.active, choice, { queries: places.queries, layer });
  const gates = straightThrough(chosen, probability);
  const parts = always > 0 ? [ones(given, always), gates] : [gates];
  return { gate: headsInPlace(parts, budget, { G, H }), load: headLoad(probability, chosen) };
}

/** Added to squares, so that the slope of a root is finite where all are zero. */
const tiny = 1e-12;

function ones({ x }: AttentionGiven, heads: number): HeadScores {
  return expand(scalar(1), { B: size(x, 'B'), T: size(x, 'T'), head: heads });
}

const consecutive = (indices: readonly number[]) => indices.every((index, i) => index === indices[0]! + i);

/** The given heads in the given order. */
function takeHeads(x: HeadScores, indices: readonly number[]): HeadScores {
  const [first = 0] = indices;
  if (consecutive(indices)) return slice(x, 'head', first, first + indices.length);
  const ids = constant(indices, { place: indices.length }, 'int64');
  return rename(gather(x, ids, 'head'), 'place', 'head') as HeadScores;
}

/** Shared and routed gates, each head at its own place. */
function headsInPlace(
  parts: readonly HeadScores[],
  { shared, routed }: ResolvedBudget,
  { G, H }: Pick<HeadSizes, 'G' | 'H'>,
): Tensor<'B' | 'T' | 'G' | 'R'> {
  const order = [...shared, ...routed];
  const all = takeHeads(
    concat(parts, 'head'),
    order.map((_, head) => order.indexOf(head)),
  );
  return split(all, 'head', { G, R: H / G });
}
