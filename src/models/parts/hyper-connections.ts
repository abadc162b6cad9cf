import type { Stream } from '../../attention/steps.ts';
import { simpleRmsNorm } from '../../layers/norms.ts';
import {
  type Axes,
  add,
  divide,
  dot,
  expand,
  merge,
  multiply,
  pick,
  rename,
  sigmoid,
  slice,
  softmax,
  split,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import type { Block } from '../block.ts';
import type { BlockTap } from '../hooks.ts';
import { attentionOnlyBlock, type BlockParts } from './blocks.ts';

/**
 * Hyper-connections (2409.19606): the residual is several streams, [B, T, streams · M] with stream i in components i · M to (i + 1) · M. Each
 * part of a block reads a weighted sum of them and writes to all of them, with weights that are made of the token's streams.
 */
export interface ResidualStreams {
  readonly streams: number;
  /** Width of one stream. */
  readonly M: number;
  /** ε of the norm over all streams together. */
  readonly epsilon: number;
  /** Added to the gates. */
  readonly floor: number;
}

/** Full names of a connection's weights: projection, bias, and a factor for each kind of weight. */
export interface ConnectionNames {
  readonly fn: string;
  readonly base: string;
  readonly scale: string;
}

/**
 * What becomes of the streams where a part writes: they stay, and gates of what is written are σ · magnitude + floor; or they are mixed by a
 * matrix that Sinkhorn's iterations make doubly stochastic (2512.24880), and gates are 2 σ.
 */
export type StreamMixing =
  | { readonly by: 'identity'; readonly magnitude: number }
  | { readonly by: 'sinkhorn'; readonly iterations: number };

export interface Connection {
  /** [B, T, streams · M] → [B, T, M]. */
  read(x: Stream): Stream;
  /** What the part gave back, [B, T, M], into the streams. */
  write(x: Stream, y: Stream): Stream;
}

type Gates = Tensor<'B' | 'T' | 'N'>;

/** The stream in every one of the residual streams: how they start. */
export const intoStreams = (x: Stream, streams: number): Stream => merge(expand(x, { N: streams }), ['N', 'M'], 'M');

/** Logits of one kind of weight, those from component `from` on, one for each of `into`. */
type Logits = <N extends string>(kind: number, from: number, into: Axes<N>) => Tensor<'B' | 'T' | N>;

/** Logits of all weights of a connection: of each kind a factor · projection of all streams + bias. Made once for the same streams. */
function logitsOf(
  { streams, M, epsilon }: ResidualStreams,
  names: ConnectionNames,
  { kinds, count }: { readonly kinds: number; readonly count: number },
): (x: Stream) => Logits {
  const made = new WeakMap<object, Logits>();
  return (x) => {
    const known = made.get(x.node);
    if (known) return known;
    const projection = weight(names.fn, { C: count, M: streams * M });
    const mixed = dot(simpleRmsNorm(x, 'M', { epsilon }), projection, 'M');
    const base = weight(names.base, { C: count });
    const scale = weight(names.scale, { K: kinds });
    const logits: Logits = (kind, from, into) => {
      const to = from + Object.values<number>(into as never).reduce((a, b) => a * b, 1);
      const part = add(multiply(slice(mixed, 'C', from, to), pick(scale, 'K', kind)), slice(base, 'C', from, to));
      return split(part, 'C', into);
    };
    made.set(x.node, logits);
    return logits;
  };
}

const weighted = (x: Stream, gates: Gates, { streams, M }: ResidualStreams): Stream =>
  dot(split(x, 'M', { N: streams, M }), gates, 'N');

/** The weighted sum of all streams, where nothing is written back: what the final norm is given. */
export function lastRead(x: Stream, names: ConnectionNames, sizes: ResidualStreams): Stream {
  const { streams, floor } = sizes;
  const gates = logitsOf(sizes, names, { kinds: 1, count: streams })(x)(0, 0, { N: streams });
  return weighted(x, add(sigmoid(gates), floor), sizes);
}

export function hyperConnection(names: ConnectionNames, sizes: ResidualStreams, mixing: StreamMixing): Connection {
  const { streams: N, M, floor } = sizes;
  const mixes = mixing.by === 'sinkhorn';
  const logits = logitsOf(sizes, names, { kinds: mixes ? 3 : 2, count: (mixes ? 2 + N : 2) * N });
  const gates = (x: Stream, kind: number) => sigmoid(logits(x)(kind, kind * N, { N }));
  return {
    read: (x) => weighted(x, add(gates(x, 0), floor), sizes),
    write(x, y) {
      const streams = split(x, 'M', { N, M });
      const own = gates(x, 1);
      const written = mixes ? multiply(own, 2) : add(multiply(own, mixing.magnitude), floor);
      const kept = mixes ? mixed(streams, mixing.iterations) : streams;
      return merge(add(multiply(written as never, y) as unknown as typeof streams, kept), ['N', 'M'], 'M');

      function mixed(all: typeof streams, iterations: number): typeof streams {
        const matrix = logits(x)(2, 2 * N, { N, Out: N });
        const doubly = sinkhorn(add(softmax(matrix, 'Out'), floor), iterations, floor);
        return rename(dot(all, doubly, 'N') as Tensor<'B' | 'T' | 'M' | 'Out'>, 'Out', 'N');
      }
    },
  };
}

/** Columns, then rows and columns again, scaled to sum to one. */
function sinkhorn<A extends string>(matrix: Tensor<A | 'N' | 'Out'>, iterations: number, floor: number) {
  const scaled = (x: Tensor<'N' | 'Out'>, axis: 'N' | 'Out') =>
    divide(x, add(sum(x, axis), floor) as never) as Tensor<'N' | 'Out'>;
  let x = scaled(matrix as unknown as Tensor<'N' | 'Out'>, 'N');
  for (let i = 1; i < iterations; i++) x = scaled(scaled(x, 'Out'), 'N');
  return x as unknown as Tensor<A | 'N' | 'Out'>;
}

export interface HyperBlockParts extends Omit<BlockParts, 'mlp'> {
  readonly connections: { readonly attention: Connection; readonly mlp: Connection };
  /** `ids`: of the tokens, where the block asks for them. */
  readonly mlp: (x: Stream, hook: BlockTap, ids?: Tensor<'B' | 'T'>) => Stream;
}

/** Attention, then feed-forward, each between a read and a write of the residual streams. */
export function hyperBlock({ connections, mlp, ln2, ...parts }: HyperBlockParts): Block {
  const { attention, mlp: fedForward } = connections;
  return {
    ...attentionOnlyBlock({ ...parts, ln1: (x) => parts.ln1(attention.read(x)) }),
    after(x, attended, hook, _, ids) {
      const middle = hook('hook_resid_mid', attention.write(x, attended));
      const fed = mlp(hook('ln2.hook_out', ln2(fedForward.read(middle))), hook, ids);
      return hook('hook_out', fedForward.write(middle, fed));
    },
  };
}
