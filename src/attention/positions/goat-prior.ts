import { InputError } from '../../error.ts';
import {
  add,
  cast,
  concat,
  expand,
  multiply,
  rename,
  sizes,
  subtract,
  sum,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { checkSinkPart, keyPrior, type SinkPart } from './goat-key-prior.ts';
import { lineLayout, type PriorLayout, priorFrequencies } from './goat-layout.ts';

/** The relative part of a prior: Σ_r α_r cos ω_r(i − j) + β_r sin ω_r(i − j). */
export interface RelativePart {
  /** Frequencies, from 1 down to 1/base. Each takes two channels of a head. 0: no relative part. */
  readonly rank: number;
  /** Default 10 000. Smaller bases and higher ranks make sharper local patterns. */
  readonly base?: number;
}

export interface PriorOptions {
  readonly relative: RelativePart;
  /** Default: no u(j). */
  readonly sink?: SinkPart;
  /** Default: tokens of a text. */
  readonly layout?: PriorLayout;
}

/** A learned log-prior K_ij = K_rel(i − j) + u(j) of each key/value head, whole and as channels of queries and keys. */
export interface GoatPrior {
  /** Channels that it takes of a head: 2 · rank, and one for u. */
  readonly width: number;
  /** K_rel at lags i − j (int64) of a text [..., G]: the curve to look at. */
  relative<A extends string>(lags: Within<A>): Tensor<A | 'G'>;
  /** K_rel of positions of queries and keys (int64) [..., G], in any layout: the explicit form. */
  between<A extends string, B extends string>(queries: Within<A>, keys: Within<B>): Tensor<A | B | 'G'>;
  /** u at positions j (int64) [..., G]. */
  sink<A extends string>(positions: Within<A>): Tensor<A | 'G'>;
  /** Channels of queries at positions i [..., G, D = width], and of keys at positions j: their inner product is K_ij. */
  queryChannels<A extends string>(positions: Within<A>): Tensor<A | 'G' | 'D'>;
  keyChannels<A extends string>(positions: Within<A>): Tensor<A | 'G' | 'D'>;
}

/**
 * The prior of 2601.15380, below `self_attn.` with the names of the authors' package. D is the length of training that the features of u are
 * divided by: fixed, or decoding token by token would see other features than the whole text. Throws an InputError for options out of range.
 */
export function goatPrior(
  at: (name: string) => string,
  { G, context }: { readonly G: number; readonly context: number },
  { relative, sink, layout = lineLayout }: PriorOptions,
): GoatPrior {
  const rank = checkedRank('relative', relative.rank);
  checkedRank('sink', sink?.rank ?? 4);
  for (const [name, value] of Object.entries({ 'relative.base': relative.base ?? 1, context }))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new InputError(`GOAT: expected ${name} to be a positive number, got ${value}`);
  if (sink) checkSinkPart(sink);
  const frequencies = priorFrequencies(rank, relative.base);
  const wavesOf = (name: string) => weight(at(`self_attn.${name}`), { G, I: rank }) as unknown as Tensor<string>;

  function keyed(positions: Within<string>): Tensor<string> {
    if (!sink) throw new InputError('GOAT prior: there is no u(j) without a sink part');
    return keyPrior(at, { G, context }, layout, sink, positions);
  }
  function curve({ cosine, sine }: ReturnType<PriorLayout['waves']>): Tensor<string> {
    const even = multiply(wavesOf('lambda_sym'), cosine);
    return sum(add(even, multiply(wavesOf('lambda_asym'), sine)), 'I') as Tensor<string>;
  }

  const asChannels = (x: Tensor<string>) => rename(x, 'I', 'D') as Tensor<string>;
  /** Channels beside each other, the last one there only with a sink. */
  function channels(pairs: readonly Tensor<string>[], last: Tensor<string> | undefined): Tensor<string> {
    const parts = rank === 0 ? [] : pairs.map(asChannels);
    return concat(last ? [...parts, expand(last, { D: 1 }) as Tensor<string>] : parts, 'D');
  }
  const perHead = (x: Tensor<string>) => expand(x, { G }) as Tensor<string>;
  const ones = (positions: Within<string>) =>
    perHead(add(multiply(cast(positions as Tensor<string>, 'float32'), 0), 1));

  return {
    width: 2 * rank + (sink ? 1 : 0),
    relative(lags) {
      if (layout !== lineLayout)
        throw new InputError('GOAT prior: a lag says nothing on a grid; ask for K_rel between positions');
      return curve(layout.waves(lags, frequencies)) as never;
    },
    between: (queries, keys) => curve(layout.between(queries, keys, frequencies)) as never,
    sink: (positions) => keyed(positions) as never,
    queryChannels(positions) {
      if (rank === 0) return channels([], ones(positions)) as never;
      const { cosine, sine } = layout.waves(positions, frequencies);
      const [even, odd] = [wavesOf('lambda_sym'), wavesOf('lambda_asym')];
      const first = add(multiply(even, cosine), multiply(odd, sine));
      const second = subtract(multiply(even, sine), multiply(odd, cosine));
      return channels([first, second], sink ? ones(positions) : undefined) as never;
    },
    keyChannels(positions) {
      const last = sink ? keyed(positions) : undefined;
      if (rank === 0) return channels([], last) as never;
      const { cosine, sine } = layout.waves(positions, frequencies);
      return channels([perHead(cosine), perHead(sine)], last) as never;
    },
  };
}

function checkedRank(part: string, rank: number): number {
  if (!Number.isSafeInteger(rank) || rank < 0)
    throw new InputError(`GOAT: expected ${part}.rank to be a whole number of at least 0, got ${rank}`);
  return rank;
}

/** Repeats channels along the axes of `like` that they lack, except D. */
export function spread<A extends string>(channels: Within<A>, like: Tensor<A>): Tensor<A> {
  const lacking = [...sizes(like)].filter(([axis]) => axis !== 'D' && !channels.node.axes.has(axis));
  const whole = channels as unknown as Tensor<string>;
  return (lacking.length === 0 ? whole : expand(whole, Object.fromEntries(lacking) as never)) as unknown as Tensor<A>;
}
