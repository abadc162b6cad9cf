import { InputError } from '../../error.ts';
import { linear } from '../../layers/linear.ts';
import {
  add,
  concat,
  divide,
  dot,
  maximum,
  mean,
  merge,
  multiply,
  power,
  rename,
  size,
  slice,
  split,
  sqrt,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { HeadSizes } from '../projections.ts';
import type { Queries, Stream, Values } from '../steps.ts';
import { depthwise, grouped, lastOf, withPast } from './causal-convolution.ts';

/** The parts of compressed convolutional attention, each of which can be left out. */
export interface LatentPieces {
  /** Which convolutions of queries and keys there are; without any, these pass as they are. */
  readonly convolutions: 'both' | 'depthwise' | 'grouped' | 'none';
  /** Taps of the depthwise and of the grouped convolution. */
  readonly taps: readonly [number, number];
  /** Add to queries and keys the mean of both before the convolutions. */
  readonly mean: boolean;
  /** Take the second half of the value channels from the token before. */
  readonly valueShift: boolean;
  /** Queries of norm √D, keys of norm √D · |β|. */
  readonly normalise: boolean;
}

/** What is kept of the tokens before: queries and keys before the convolutions, and the delayed values of the last token. */
export interface LatentPast {
  readonly tail?: Tensor<'B' | 'S' | 'head' | 'D'>;
  readonly delayed?: Tensor<'B' | 'S' | 'channel'>;
}

/** How many tokens before it the convolutions let a token see. */
export function reachBack({ convolutions, taps: [first, second] }: LatentPieces): number {
  const depth = convolutions === 'both' || convolutions === 'depthwise' ? first - 1 : 0;
  return depth + (convolutions === 'both' || convolutions === 'grouped' ? second - 1 : 0);
}

type Time = 'T' | 'S';
type Heads<P extends Time> = Tensor<'B' | P | 'head' | 'D'>;

/** Queries, keys and values in the latent space of H query and G key/value heads of width D; convolved heads lie along `head`, queries first. */
export function convolutionalLatent(
  at: (name: string) => string,
  { H, G, D, M }: HeadSizes,
  pieces: LatentPieces,
  past: LatentPast = {},
) {
  const R = H / G;
  const half = (G * D) / 2;
  if (pieces.valueShift && !Number.isInteger(half))
    throw new InputError(
      `compressed convolutional attention: the value shift halves the ${G * D} value channels (${G} heads of ${D}); expected an even number`,
    );
  const name = (own: string) => at(`self_attn.qkv_proj.${own}`);
  const reach = reachBack(pieces);

  // One node for each stored tensor: queries and keys both come from all of these.
  const wQ = weight(name('q_proj.weight'), { G, R, D, M });
  const wK = weight(name('k_proj.weight'), { G, D, M });
  const plainQueries = <P extends Time>(x: Tensor<'B' | P | 'M'>) =>
    dot(x as Stream, wQ, 'M') as unknown as Tensor<'B' | P | 'G' | 'R' | 'D'>;
  const plainKeys = <P extends Time>(x: Tensor<'B' | P | 'M'>) =>
    dot(x as Stream, wK, 'M') as unknown as Tensor<'B' | P | 'G' | 'D'>;
  const queryHeads = <P extends Time>(x: Tensor<'B' | P | 'M'>) =>
    merge(plainQueries(x) as Queries, ['G', 'R'], 'head') as unknown as Heads<P>;
  const keyHeads = <P extends Time>(x: Tensor<'B' | P | 'M'>) =>
    rename(plainKeys(x) as Values, 'G', 'head') as unknown as Heads<P>;

  const { convolutions, taps } = pieces;
  const depthwiseFilters = {
    weight: weight(name('conv_qk_depthwise.weight'), { head: H + G, D, tap: taps[0] }),
    bias: weight(name('conv_qk_depthwise.bias'), { head: H + G, D }),
  };
  const groupedFilters = {
    weight: weight(name('conv_qk_grouped.weight'), { head: H + G, out: D, D, tap: taps[1] }),
    bias: weight(name('conv_qk_grouped.bias'), { head: H + G, out: D }),
  };

  /** Both convolutions of heads `from` ≤ head < `to`. The text is padded once, before the first. */
  function convolve<P extends Time>(z: Heads<P>, time: P, from: number, to: number): Heads<P> {
    const axis = time as 'T';
    const own = <A extends string>(x: Tensor<A>) => slice(x as Tensor<A | 'head'>, 'head', from, to) as Tensor<A>;
    let y = withPast(z as Heads<'T'>, axis, reach, past.tail && rename(own(past.tail), 'S', axis));
    if (convolutions === 'both' || convolutions === 'depthwise')
      y = depthwise(y, axis, own(depthwiseFilters.weight), own(depthwiseFilters.bias));
    if (convolutions === 'both' || convolutions === 'grouped')
      y = grouped(y, axis, own(groupedFilters.weight), own(groupedFilters.bias));
    return y as unknown as Heads<P>;
  }

  /** ½ (q + k) of each query head with its key head. */
  const meanQueries = <P extends Time>(x: Tensor<'B' | P | 'M'>) =>
    multiply(add(plainQueries(x), plainKeys(x) as never), 0.5) as unknown as Tensor<'B' | P | 'G' | 'R' | 'D'>;

  const delayedValues = (x: Tensor<'B' | 'S' | 'M'>) => linear(x, name('v_proj_delayed'), { channel: half }, { M });

  return {
    q(x: Stream): Queries {
      const convolved = split(convolve(queryHeads(x), 'T', 0, H), 'head', { G, R });
      return pieces.mean ? add(convolved, meanQueries(x)) : convolved;
    },
    k(x: Tensor<'B' | 'S' | 'M'>): Values {
      const convolved = rename(convolve(keyHeads(x), 'S', H, H + G), 'head', 'G');
      return pieces.mean ? add(convolved, mean(meanQueries(x), 'R')) : convolved;
    },
    v(x: Tensor<'B' | 'S' | 'M'>): Values {
      if (!pieces.valueShift) return linear(x, name('v_proj'), { G, D }, { M });
      const current = linear(x, name('v_proj_current'), { channel: half }, { M });
      const before = slice(withPast(delayedValues(x), 'S', 1, past.delayed), 'S', 0, size(x, 'S'));
      return split(concat([current, before], 'channel'), 'channel', { G, D });
    },
    headNorms: {
      q: (x: Queries) => unitRoot(x, D),
      k: (x: Values) => multiply(unitRoot(x, D), weight(at('self_attn.qk_norm.temp'), { G })),
    },
    /** What the next token needs of this text and of what came before it. */
    next(x: Tensor<'B' | 'S' | 'M'>): LatentPast {
      const z = concat([queryHeads(x), keyHeads(x)], 'head');
      return {
        ...(reach > 0 ? { tail: lastOf(withPast(z, 'S', reach, past.tail), 'S', reach) } : {}),
        ...(pieces.valueShift ? { delayed: lastOf(delayedValues(x), 'S', 1) } : {}),
      };
    },
  };
}

/** Float32's machine epsilon, below which a norm counts as that. */
const smallest = 2 ** -23;

/** √D · x / max(‖x‖₂, ε), over the axis D. */
function unitRoot<A extends string>(x: Tensor<A | 'D'>, D: number): Tensor<A | 'D'> {
  const squares = maximum(sum(power(x, 2), 'D'), smallest ** 2);
  return divide(multiply(x, Math.sqrt(D)), sqrt(squares) as never) as unknown as Tensor<A | 'D'>;
}
