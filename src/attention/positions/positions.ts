import { gather, type Tensor, type Within, weight } from '../../tensor/index.ts';
import type { PositionInAttention } from '../mechanism.ts';
import type { HeadSizes } from '../projections.ts';
import { alibi, relativeBias } from './position-bias.ts';
import { rotary } from './rope-frequencies.ts';
import { sinusoidal } from './sinusoidal.ts';

export type PositionName = 'none' | 'sinusoidal' | 'learned' | 't5-relative' | 'alibi' | 'rope';

/** How a small decoder is told where its tokens stand. Every way but `none` has one of the two parts. */
export interface Position {
  readonly name: PositionName;
  readonly title: string;
  /** arXiv id. */
  readonly source: string;
  /** What a layer of these sizes is given; the same for every layer. */
  inAttention(sizes: HeadSizes): PositionInAttention;
  /** What is added to the embeddings; `longest` positions can be told apart where there is a table. */
  readonly inStream?: (
    positions: Within<'B' | 'T'>,
    sizes: { readonly M: number; readonly longest: number },
  ) => Within<'B' | 'T' | 'M'>;
}

const nowhere = (): PositionInAttention => ({});

/** The position encodings of the comparison in 2410.10781, by name. */
export const positions: { readonly [N in PositionName]: Position & { readonly name: N } } = {
  none: { name: 'none', title: 'no positions (NoPE)', source: '2305.19466', inAttention: nowhere },
  sinusoidal: {
    name: 'sinusoidal',
    title: 'sinusoidal, added to the embeddings',
    source: '1706.03762',
    inAttention: nowhere,
    inStream: (places, { M }) => sinusoidal(places, M),
  },
  learned: {
    name: 'learned',
    title: 'learned, added to the embeddings',
    source: '1705.03122',
    inAttention: nowhere,
    // Positions from `longest` on are none of the table: the program fails there.
    inStream: (places, { M, longest }) =>
      gather(weight('model.embed_positions.weight', { P: longest, M }), places as Tensor<'T'>, 'P') as Within<
        'B' | 'T' | 'M'
      >,
  },
  't5-relative': {
    name: 't5-relative',
    title: "T5's buckets of relative positions",
    source: '1910.10683',
    inAttention: (sizes) => ({ bias: relativeBias(sizes) }),
  },
  alibi: { name: 'alibi', title: 'ALiBi', source: '2108.12409', inAttention: (sizes) => ({ bias: alibi(sizes) }) },
  rope: {
    name: 'rope',
    title: 'RoPE',
    source: '2104.09864',
    inAttention: ({ D }) => ({ rotary: rotary({ kind: 'default', theta: 10_000, partial: 1 }, D) }),
  },
};

/** Names of the position encodings, in the order of the comparison. */
export const positionNames = Object.keys(positions) as PositionName[];
