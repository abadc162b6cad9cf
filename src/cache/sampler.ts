import { InputError, RunError } from '../error.ts';
import { seededRandom, seedFor } from '../random.ts';

/**
 * How a token is chosen from logits x [V]. In this order, which is that of Hugging Face's transformers:
 *
 * 1. repetition penalty θ (CTRL, 1909.05858, with the sign rule that is in use since): for every token among the last ones,
 *    x ← x / θ where x > 0, else x · θ;
 * 2. temperature τ: x ← x / τ; at 0 the token of the largest x is taken, and nothing below matters;
 * 3. top-k (1805.04833): those below the k-th largest x are left out; equals of it stay;
 * 4. top-p (1904.09751): the fewest tokens stay whose share of what is left is p or more, the most likely first;
 * 5. min-p (2407.01082): those less likely than that share of the most likely token are left out.
 *
 * What is left is drawn from by its probability. The same seed, text and place in the text give the same token.
 */
export interface SamplerOptions {
  /** From 0. Default 0, greedy. */
  readonly temperature?: number | undefined;
  /** From 1. Default: all tokens. */
  readonly topK?: number | undefined;
  /** Above 0, to 1. Default 1: all of them. */
  readonly topP?: number | undefined;
  /** From 0 to 1. Default 0: all of them. */
  readonly minP?: number | undefined;
  /** Above 0; below 1 repetition is rewarded. Default 1: none. */
  readonly repetitionPenalty?: number | undefined;
  /** Last tokens that are penalised, from 1. Default 64. */
  readonly repetitionWindow?: number | undefined;
  /** Whole number from 0. Default 0. */
  readonly seed?: number | undefined;
}

export interface SampleContext {
  /** Tokens before, of which the last `repetitionWindow` are penalised. Default none. */
  readonly before?: readonly number[];
  /** Index in the text of the token to choose: each place has random numbers of its own. Default 0. */
  readonly position?: number;
}

export const defaultRepetitionWindow = 64;

const ranges: Record<keyof SamplerOptions, readonly [fits: (value: number) => boolean, what: string]> = {
  temperature: [(value) => value >= 0 && Number.isFinite(value), 'a number from 0'],
  topK: [(value) => Number.isSafeInteger(value) && value >= 1, 'a whole number from 1'],
  topP: [(value) => value > 0 && value <= 1, 'a number above 0, to 1'],
  minP: [(value) => value >= 0 && value <= 1, 'a number from 0 to 1'],
  repetitionPenalty: [(value) => value > 0 && Number.isFinite(value), 'a number above 0'],
  repetitionWindow: [(value) => Number.isSafeInteger(value) && value >= 1, 'a whole number from 1'],
  seed: [(value) => Number.isSafeInteger(value) && value >= 0, 'a whole number from 0'],
};

/** @throws InputError for a name that is no option, or a value outside its range. */
export function checkSampler(options: SamplerOptions): void {
  for (const [name, value] of Object.entries(options) as [keyof SamplerOptions, unknown][]) {
    if (!Object.hasOwn(ranges, name))
      throw new InputError(`sampler: there is no option ${name}; there are ${Object.keys(ranges).join(', ')}`);
    const [fits, what] = ranges[name];
    if (value !== undefined && !(typeof value === 'number' && fits(value)))
      throw new InputError(`sampler: expected ${name} to be ${what}, got ${String(value)}`);
  }
}

/** A token that may be chosen, and its probability among those that may. */
export interface Candidate {
  readonly id: number;
  readonly probability: number;
}

/**
 * Chooses one token; the logits are not changed.
 * @throws InputError for options outside their range; RunError for logits that are NaN, +∞, or all −∞.
 */
export function sample(logits: Float32Array, options: SamplerOptions = {}, context: SampleContext = {}): number {
  const { seed = 0 } = options;
  const draw = () => seededRandom(seedFor(seed, context.position ?? 0))();
  const { scores, best, temperature } = prepared(logits, options, context);
  if (temperature === 0) return best;
  const weights = weightsOf(scores, best, temperature, options);
  if (!filters(options)) return drawn(draw(), weights, (at) => at) ?? best;
  const kept = filtered(weights, options);
  const chosen = drawn(
    draw(),
    kept.map((id) => weights[id]!),
    (at) => kept[at]!,
  );
  return chosen ?? best;
}

/** The tokens that may be chosen, the most likely first, with their probabilities, whose sum is 1. */
export function candidates(
  logits: Float32Array,
  options: SamplerOptions = {},
  context: Pick<SampleContext, 'before'> = {},
): Candidate[] {
  const { scores, best, temperature } = prepared(logits, options, context);
  if (temperature === 0) return [{ id: best, probability: 1 }];
  const weights = weightsOf(scores, best, temperature, options);
  const kept = filtered(weights, options);
  const total = kept.reduce((sum, id) => sum + weights[id]!, 0);
  return kept.map((id) => ({ id, probability: weights[id]! / total }));
}

const filters = ({ topK, topP = 1, minP = 0 }: SamplerOptions) => topK !== undefined || topP < 1 || minP > 0;

/** Scores after the penalty, and which is the largest: the first of equals. */
function prepared(logits: Float32Array, options: SamplerOptions, { before = [] }: SampleContext) {
  checkSampler(options);
  const { repetitionPenalty = 1, repetitionWindow = defaultRepetitionWindow, temperature = 0 } = options;
  const scores = repetitionPenalty === 1 ? logits : Float64Array.from(logits);
  if (repetitionPenalty !== 1)
    for (const id of new Set(before.slice(-repetitionWindow))) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    }
  let best = 0;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (!(score < Number.POSITIVE_INFINITY))
      throw new RunError(`sampler: the logit of token ${id} is ${score}; the model gave no numbers to choose by`);
    if (score > scores[best]!) best = id;
  }
  if (!(scores[best]! > Number.NEGATIVE_INFINITY))
    throw new RunError('sampler: all logits are −∞ or there are none; the model gave no numbers to choose by');
  return { scores, best, temperature };
}

/** exp((x − largest x) / τ). With min-p alone, those that it leaves out are 0 without being worked out. */
function weightsOf(
  scores: Float32Array | Float64Array,
  best: number,
  temperature: number,
  { topK, topP = 1, minP = 0 }: SamplerOptions,
): Float64Array {
  const weights = new Float64Array(scores.length);
  const largest = scores[best]!;
  const least = topK === undefined && topP === 1 ? Math.log(minP) - 1e-6 : Number.NEGATIVE_INFINITY;
  for (let id = 0; id < weights.length; id++) {
    const exponent = (scores[id]! - largest) / temperature;
    if (exponent >= least) weights[id] = Math.exp(exponent);
  }
  return weights;
}

/** Ids that top-k, top-p and min-p leave, the largest weight first, equals by id. The largest weight is 1. */
function filtered(weights: Float64Array, { topK, topP = 1, minP = 0 }: SamplerOptions): number[] {
  let total = 0;
  for (const weight of weights) total += weight;
  const ids = largestFirst(weights, Math.max(minP, 0.03), (least, count, mass) => {
    if (topP === 1 && least <= minP) return true;
    if (topK !== undefined) return count >= topK;
    return least <= minP || (topP < 1 && mass >= topP * total);
  });
  const kth = topK === undefined ? 0 : (weights[ids[topK - 1] ?? -1] ?? 0);
  const likely = ids.filter((id) => weights[id]! >= kth);
  // What top-k left is the whole for top-p.
  const whole = topK === undefined ? total : likely.reduce((sum, id) => sum + weights[id]!, 0);
  let before = 0;
  const end = likely.findIndex((id, rank) => {
    const weight = weights[id]!;
    if (rank > 0 && ((topP < 1 && before >= topP * whole) || weight < minP || weight === 0)) return true;
    before += weight;
    return false;
  });
  return end < 0 ? likely : likely.slice(0, end);
}

/** Ids in falling order of weight: as many as are enough. Sorting all of a large vocabulary takes as long as a step of a small model. */
function largestFirst(
  weights: Float64Array,
  start: number,
  enough: (least: number, count: number, mass: number) => boolean,
): number[] {
  for (const least of [start, 1e-3, 1e-6, 0]) {
    const ids: number[] = [];
    let mass = 0;
    for (let id = 0; id < weights.length; id++)
      if (weights[id]! >= least) {
        ids.push(id);
        mass += weights[id]!;
      }
    if (least === 0 || enough(least, ids.length, mass)) return ids.sort((a, b) => weights[b]! - weights[a]! || a - b);
  }
  return [];
}

/** The place in which a uniform number falls; undefined where rounding leaves it behind the last. */
function drawn(uniform: number, weights: ArrayLike<number>, id: (at: number) => number): number | undefined {
  let total = 0;
  for (let at = 0; at < weights.length; at++) total += weights[at]!;
  let left = uniform * total;
  for (let at = 0; at < weights.length; at++) {
    left -= weights[at]!;
    if (left < 0) return id(at);
  }
  return undefined;
}
