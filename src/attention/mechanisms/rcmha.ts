/**
 * Relative convolutional multi-head attention (RCMHA), 2308.03429: queries, keys and values of each head go through a short causal depthwise
 * convolution (Primer, 2109.08668), and scores know the distance by learned tables (after Transformer-XL, 1901.02860).
 *
 * y[t, c] = b[c] + Σ_τ w[c, τ] x[t − τ, c]; s_ij = ((q_i + u)·k_j + q_i·R[P + (j − i)] + S[P + (j − i)]) / √D.
 *
 * Shapes: filters [D, taps] for each of q, k, v; R [2P, H, D], S [2P, H], u [H, D], all zero at first.
 *
 * Caveat: the published script trains a library's relative attention without the convolution; this is what its attention file says. The
 * tables of the published P = 4096 are large: 8192 · H · (D + 1) numbers a layer.
 */
import { InputError } from '../../error.ts';
import { add, Dim, iota, type Tensor } from '../../tensor/index.ts';
import type { HeadFilters } from '../convolutions/head-convolution.ts';
import {
  type ConvolutionPast,
  nextPast,
  type RelativeConvolution,
  type RelativeMemory,
  relativeConvolutionLayer,
  relativeConvolutionParts,
} from '../convolutions/relative-convolution.ts';
import { cachedDecoding } from '../decoding.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import type { Values } from '../steps.ts';

interface ConvolutionOptions {
  /** Filters `shared` by all heads, as published, `separate` for each head, as Primer's, or `none`. Default `shared`. */
  readonly convolution?: HeadFilters['filters'] | 'none';
  /** Taps of the filters, at least 1; 1 is the control that sees no token before. Default 3. */
  readonly taps?: number;
}

export type RcmhaOptions = ConvolutionOptions &
  (
    | {
        /** Default. The site's own positions are left out. */
        readonly positions?: 'relative';
        /** P, the longest text in tokens: a whole number of at least the context, or `context` itself. Default 4096, as published. */
        readonly reach?: number | 'context';
      }
    | {
        /** `learned`: a table of the context's positions added to the layer's input. `model`: whatever positions the site has. */
        readonly positions: 'learned' | 'model';
      }
  );

function resolve(options: RcmhaOptions, context: number): RelativeConvolution {
  const { convolution = 'shared', taps = 3, positions = 'relative' } = options;
  if (positions !== 'relative') return { ...filtersOf(convolution, taps), positions: { kind: positions } };
  const reach = ('reach' in options ? options.reach : undefined) ?? 4096;
  return {
    ...filtersOf(convolution, taps),
    positions: { kind: 'relative', P: reach === 'context' ? context : reach },
  };
}

const filtersOf = (filters: HeadFilters['filters'] | 'none', taps: number) =>
  filters === 'none' ? {} : { filters: { filters, taps } };

/** One layer over segments that remember: keys and values of memory and segment, queries of the segment. */
export function rcmhaWithMemory(
  site: MechanismSite,
  memory: RelativeMemory,
  options: RcmhaOptions = {},
): AttentionLayer {
  return relativeConvolutionLayer(site, resolve(options, site.context), memory);
}

/** RCMHA; with one of its ideas left out MDHA or RMHA, with both multi-head attention. Throws an InputError for options out of range. */
export function rcmha(options: RcmhaOptions = {}): Mechanism {
  const { taps = 3, convolution = 'shared' } = options;
  const reach = 'reach' in options ? options.reach : undefined;
  if (!(Number.isSafeInteger(taps) && taps >= 1))
    throw new InputError(`rcmha: taps must be a whole number of at least 1, got ${taps}`);
  if (reach !== undefined && reach !== 'context' && !(Number.isSafeInteger(reach) && reach >= 1))
    throw new InputError(`rcmha: reach must be a whole number of at least 1 or 'context', got ${reach}`);
  const before = convolution === 'none' ? 0 : taps - 1;

  return {
    name: nameOf(options),
    source: '2308.03429',
    rows: 'one',
    attention: (site) => relativeConvolutionLayer(site, resolve(options, site.context)),
    decoding(site) {
      const made = resolve(options, site.context);
      const { G, D, H } = site.sizes;
      const B = Dim.of('B');
      const cached = (past: ConvolutionPast) =>
        cachedDecoding(relativeConvolutionParts(site, made, past, () => false).layer, { G, D });
      return {
        state: (past) => ({
          ...cached({}).state(past),
          ...(before > 0
            ? {
                plain_q: { B, T: before, G, R: H / G, D },
                plain_k: { B, S: before, G, D },
                plain_v: { B, S: before, G, D },
              }
            : {}),
        }),
        step(x, { k, v, plain_q, plain_k, plain_v }, past, hook) {
          const tail = { q: plain_q, k: plain_k as Values, v: plain_v as Values } as Required<ConvolutionPast>;
          const { output, state } = cached(before > 0 ? tail : {}).step(x, { k: k!, v: v! }, past, hook);
          if (before === 0) return { output, state };
          const { plain, placed } = relativeConvolutionParts(site, made);
          const here = add(iota('T', 1), past.index) as unknown as Tensor<'B' | 'T'>;
          const next = nextPast(plain, placed(x, here), tail, before) as unknown as Record<
            'q' | 'k' | 'v',
            Tensor<string>
          >;
          return { output, state: { ...state, plain_q: next.q, plain_k: next.k, plain_v: next.v } };
        },
      };
    },
    initial(name, shape, random) {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (/\.(key_pos_embeddings|key_pos_bias|query_pos_bias)$/.test(name)) return values;
      // As wide as Conv1d's default, uniform within ± 1/√taps, but normal.
      return /\.[qkv]_conv\./.test(name) ? values.map(() => random() / Math.sqrt(3 * taps)) : undefined;
    },
  };
}

function nameOf(options: RcmhaOptions): string {
  const { convolution = 'shared', taps = 3, positions = 'relative' } = options;
  const relative = positions === 'relative';
  const arm = convolution === 'none' ? (relative ? 'RMHA' : 'MHA') : relative ? 'RCMHA' : 'MDHA';
  const details = [
    ...(relative ? [] : [`${positions === 'model' ? "the model's" : 'learned'} positions`]),
    ...(convolution === 'separate' ? ['separate filters'] : []),
    ...(convolution !== 'none' && taps !== 3 ? [taps === 1 ? 'no past taps' : `${taps} taps`] : []),
  ];
  return `rcmha: ${[arm, ...details].join(', ')}`;
}

export const mechanismFile: MechanismFile = {
  card: 'rcmha',
  title: 'Relative convolutional multi-head attention',
  source: '2308.03429',
  idea: 'Heads see three tokens at once by a causal depthwise convolution, and the distance between tokens by learned tables.',
  equation: 's_ij = ((q_i + u)·k_j + q_i·R[j − i] + S[j − i]) / √D, with q, k, v = conv₃(x W)',
  example: "rcmha({ reach: 'context' })",
  citations: [
    {
      authors: 'Herman Sugiharto, Aradea, Husni Mubarok',
      title: 'RCMHA: Relative Convolutional Multi-Head Attention for Natural Language Modelling',
      year: 2023,
      arxiv: '2308.03429',
    },
  ],
  variants: [
    { mechanism: () => rcmha({ reach: 'context' }), sink: 'open' },
    { mechanism: () => rcmha({ reach: 'context', convolution: 'separate' }), sink: 'open' },
    { mechanism: () => rcmha({ positions: 'learned' }), sink: 'open' },
    { mechanism: () => rcmha({ reach: 'context', convolution: 'none' }), sink: 'open' },
    { mechanism: () => rcmha({ positions: 'learned', convolution: 'none' }), sink: 'keeps' },
    // The control: filters that see no token before must fall back to the relative arm.
    { mechanism: () => rcmha({ reach: 'context', taps: 1 }), sink: 'open' },
  ],
};
