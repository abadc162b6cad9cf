import { InputError } from '../../error.ts';
import { linear } from '../../layers/linear.ts';
import {
  add,
  cast,
  concat,
  divide,
  equal,
  expand,
  log,
  multiply,
  pick,
  rename,
  silu,
  sizes,
  subtract,
  sum,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { kernels } from '../normalisers/kernels.ts';
import { waves } from './sinusoidal.ts';

/** The relative part of a prior: Σ_r α_r cos ω_r(i − j) + β_r sin ω_r(i − j). */
export interface RelativePart {
  /** Frequencies, from 1 down to 1/base. Each takes two channels of a head. 0: no relative part. */
  readonly rank: number;
  /** Default 10 000. Smaller bases and higher ranks make sharper local patterns. */
  readonly base?: number;
}

/** The part u(j) that depends on the key alone: sinks and recency. */
export interface SinkPart {
  /** Frequencies of the features of j. Default 4. */
  readonly rank?: number;
  /** Default 10 000. */
  readonly base?: number;
  /** Fixed factor on u. Default 1. */
  readonly scale?: number;
  /** Standard deviation of the perceptron's initial weights. Default 0.001. */
  readonly deviation?: number;
}

export interface PriorOptions {
  readonly relative: RelativePart;
  /** Default: no u(j). */
  readonly sink?: SinkPart;
}

/** A learned log-prior K_ij = K_rel(i − j) + u(j) of each key/value head, whole and as channels of queries and keys. */
export interface GoatPrior {
  /** Channels that it takes of a head: 2 · rank, and one for u. */
  readonly width: number;
  /** K_rel at lags i − j (int64) [..., G]: the curve to look at, and the explicit form. */
  relative<A extends string>(lags: Within<A>): Tensor<A | 'G'>;
  /** u at positions j (int64) [..., G]. */
  sink<A extends string>(positions: Within<A>): Tensor<A | 'G'>;
  /** Channels of queries at positions i [..., G, D = width], and of keys at positions j: their inner product is K_ij. */
  queryChannels<A extends string>(positions: Within<A>): Tensor<A | 'G' | 'D'>;
  keyChannels<A extends string>(positions: Within<A>): Tensor<A | 'G' | 'D'>;
}

/** base^(−i / (rank − 1)): from 1 down to 1/base. */
function priorFrequencies(rank: number, base = 10_000): number[] {
  return Array.from({ length: rank }, (_, i) => base ** (-i / Math.max(rank - 1, 1)));
}

/** Hidden width of the perceptron behind u. */
const hidden = 4;

/**
 * The prior of 2601.15380 in one dimension, below `self_attn.` with the names of the authors' package. D is the length of training that the
 * features of u are divided by: fixed, or decoding token by token would see other features than the whole text. Throws an InputError for
 * options out of range.
 */
export function goatPrior(
  at: (name: string) => string,
  { G, context }: { readonly G: number; readonly context: number },
  { relative, sink }: PriorOptions,
): GoatPrior {
  const rank = checkedRank('relative', relative.rank);
  const features = checkedRank('sink', sink?.rank ?? 4);
  const ranged = { 'relative.base': relative.base ?? 1, 'sink.base': sink?.base ?? 1, context };
  for (const [name, value] of Object.entries(ranged))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new InputError(`GOAT: expected ${name} to be a positive number, got ${value}`);
  if (!Number.isFinite(sink?.scale ?? 1))
    throw new InputError(`GOAT: expected sink.scale to be a finite number, got ${sink?.scale}`);
  const frequencies = priorFrequencies(rank, relative.base);
  const own = (name: string) => weight(at(`self_attn.${name}`), { G });
  const wavesOf = (name: string) => weight(at(`self_attn.${name}`), { G, I: rank }) as unknown as Tensor<string>;

  function keyed(positions: Within<string>): Tensor<string> {
    if (!sink) throw new InputError('GOAT prior: there is no u(j) without a sink part');
    const { scale = 1, base } = sink;
    const j = cast(positions as Tensor<string>, 'float32');
    const { cosine, sine } = waves(positions, priorFrequencies(features, base));
    const column = (x: Tensor<string>) => expand(x, { I: 1 }) as Tensor<string>;
    const far = column(divide(j, context));
    const farLog = column(divide(log(add(j, 1)), Math.log1p(context)));
    const phi = concat(features === 0 ? [far, farLog] : [cosine, sine, far, farLog], 'I');
    const from = { I: 2 * features + 2 };
    const inner = silu(linear(phi, at('self_attn.key_bias.fc1'), { F: hidden }, from, { bias: true }));
    const shared = pick(linear(inner, at('self_attn.key_bias.fc2'), { J: 1 }, { F: hidden }, { bias: true }), 'J', 0);
    const first = cast(equal(positions as Tensor<string>, 0), 'float32');
    const terms = [
      multiply(own('sink_gain') as Tensor<string>, shared as Tensor<string>),
      multiply(own('sink_bump') as Tensor<string>, first),
      // Rising in j is falling in i − j, up to a constant of the row.
      multiply(kernels.softplus(own('recency_slope_raw')) as Tensor<string>, j),
    ];
    const u = terms.reduce((a, b) => add(a, b));
    return scale === 1 ? u : multiply(u, scale);
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
      const { cosine, sine } = waves(lags, frequencies);
      const even = multiply(wavesOf('lambda_sym'), cosine);
      return sum(add(even, multiply(wavesOf('lambda_asym'), sine)), 'I') as never;
    },
    sink: (positions) => keyed(positions) as never,
    queryChannels(positions) {
      if (rank === 0) return channels([], ones(positions)) as never;
      const { cosine, sine } = waves(positions, frequencies);
      const [even, odd] = [wavesOf('lambda_sym'), wavesOf('lambda_asym')];
      const first = add(multiply(even, cosine), multiply(odd, sine));
      const second = subtract(multiply(even, sine), multiply(odd, cosine));
      return channels([first, second], sink ? ones(positions) : undefined) as never;
    },
    keyChannels(positions) {
      const last = sink ? keyed(positions) : undefined;
      if (rank === 0) return channels([], last) as never;
      const { cosine, sine } = waves(positions, frequencies);
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

/** Initial values of the tensors of a prior and of its gate; undefined for any other. `frozen` starts as `uniform`. */
export function priorInitial(
  name: string,
  shape: readonly number[],
  random: () => number,
  start: 'seeded' | 'uniform' | 'frozen',
  deviation: number,
): Float32Array<ArrayBuffer> | undefined {
  const own = /self_attn\.(.+)$/.exec(name)?.[1];
  const seeded = start === 'seeded';
  const make = (value: (i: number) => number) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i));
  switch (own) {
    case 'lambda_sym':
      return make(() => (seeded ? 0.01 * random() : 0));
    case 'lambda_asym':
    case 'sink_bump':
    case 'key_bias.fc1.bias':
    case 'key_bias.fc2.bias':
      return make(() => 0);
    case 'key_bias.fc1.weight':
      return make(() => deviation * random());
    case 'key_bias.fc2.weight':
      return make(() => (seeded ? deviation * random() : 0));
    case 'sink_gain':
      return make(() => 1);
    case 'recency_slope_raw':
      // softplus⁻¹(slope) = ln(e^slope − 1)
      return make((i) => (seeded ? Math.log(Math.expm1(2 ** ((-8 * (i + 1)) / shape[0]!))) : -30));
    case 'prior_gate_scale_raw':
      return make(() => -10);
    case 'prior_gate_bias':
      return make(() => 10);
    default:
      return undefined;
  }
}
