/**
 * Compressed convolutional attention (CCA; with shared key/value heads CCGQA), 2510.04476: all of softmax attention in a narrow latent
 * space, which two short causal convolutions on queries and keys, a query–key mean and a value shift make expressive.
 *
 * z = [x W_Q ; x W_K]; q, k = grouped(depthwise(z)) + means of both in z; q ← √D q/‖q‖, k ← √D β k/‖k‖, then RoPE;
 * v[t] = [x[t] W_V1 ; x[t−1] W_V2]; y = softmax(q·k/√D) v · W_O. |score| ≤ √D |β|.
 *
 * Shapes: z [B, T, H + G, D], queries first; W_V1, W_V2 [G·D / 2, M]; β [G].
 *
 * Caveat: the mean is that before the convolutions, the text is padded once, before the first of them, and β is stored as 0 at first, as
 * ZAYA's code does: attention is uniform until β moves. Documents packed into one text see the end of the one before.
 */
import { InputError } from '../../error.ts';
import { Dim, multiply, rename, select, type Tensor } from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import {
  convolutionalLatent,
  type LatentPast,
  type LatentPieces,
  reachBack,
} from '../convolutions/convolutional-latent.ts';
import { cachedDecoding, type DecodingLayer } from '../decoding.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Mechanism, MechanismFile, MechanismSite, PositionInAttention } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import type { Places } from '../places.ts';
import { type HeadSizes, projections } from '../projections.ts';
import { expectWholeText } from '../whole-text.ts';

export interface CompressedConvolutionalOptions extends Partial<LatentPieces> {
  /** How many times narrower than the site's the heads are. A divisor of D. Default 1: the site's H·D and G·D are the latent widths. */
  readonly compression?: number;
  /** β before training, any number. Default 0, as in ZAYA's code; the paper does not say. */
  readonly keyScale?: number;
}

const who = 'compressed convolutional attention';

/** CCA where G = H, CCGQA where it is less. Parts default to the paper's: both convolutions of two taps, mean, value shift, norms. */
export function compressedConvolutionalAttention({
  compression = 1,
  keyScale = 0,
  ...given
}: CompressedConvolutionalOptions = {}): Mechanism {
  const pieces: LatentPieces = {
    ...{ convolutions: 'both', taps: [2, 2], mean: true, valueShift: true, normalise: true },
    ...given,
  };
  if (!pieces.taps.every((taps) => Number.isSafeInteger(taps) && taps >= 1))
    throw new InputError(`${who}: taps must be whole numbers of at least 1, got ${pieces.taps}`);
  if (!Number.isFinite(keyScale)) throw new InputError(`${who}: keyScale must be a number, got ${keyScale}`);

  /** The layer over a text that continues after `past`, and its projections. */
  function parts(site: MechanismSite, past?: LatentPast) {
    const sizes = narrow(site.sizes, compression);
    const { headNorms, ...latent } = convolutionalLatent(site.at, sizes, pieces, past);
    const { output } = projections(site.at, sizes, { inputs: false, output: false });
    const layer = attention({
      ...latent,
      ...(pieces.normalise ? { headNorms } : {}),
      ...narrowPosition(site.position, compression),
      steps: softmaxSteps({ scale: sizes.D ** -0.5, window: site.window, output }),
    });
    return { sizes, layer, latent };
  }

  return {
    name: nameOf(pieces, compression),
    source: '2510.04476',
    rows: 'one',
    attention(site): AttentionLayer {
      const { layer } = parts(site);
      return {
        keysAndValues: (x, places, hook) => layer.keysAndValues(realOnly(x, places), places, hook),
        attend(x, kv, places, hook) {
          if (reachBack(pieces) === 0) return layer.attend(x, kv, places, hook);
          expectWholeText(who, places);
          return layer.attend(rename(realOnly(rename(x, 'T', 'S'), places), 'S', 'T'), kv, places, hook);
        },
      };
    },
    decoding(site): DecodingLayer {
      const { sizes } = parts(site);
      const { H, G, D } = sizes;
      const cached = (layer: AttentionLayer) => cachedDecoding(layer, sizes);
      const reach = reachBack(pieces);
      return {
        state: (past) => ({
          ...cached(parts(site).layer).state(past),
          ...(reach > 0 ? { tail: { B: Dim.of('B'), S: reach, head: H + G, D } } : {}),
          ...(pieces.valueShift ? { delayed: { B: Dim.of('B'), S: 1, channel: (G * D) / 2 } } : {}),
        }),
        step(x, { k, v, ...before }, past, hook) {
          const { layer, latent } = parts(site, before as LatentPast);
          const { output, state } = cached(layer).step(x, { k: k!, v: v! }, past, hook);
          return { output, state: { ...state, ...(latent.next(rename(x, 'T', 'S')) as typeof state) } };
        },
      };
    },
    initial(name, shape, random) {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (name.endsWith('qk_norm.temp')) return values.fill(keyScale);
      // As wide as Conv1d's default, uniform within ± 1/√(fan in), but normal.
      const kind = /conv_qk_(depthwise|grouped)\./.exec(name)?.[1];
      if (!kind) return undefined;
      const fanIn = kind === 'depthwise' ? pieces.taps[0] : pieces.taps[1] * shape[1]!;
      return values.map(() => random() / Math.sqrt(3 * fanIn));
    },
  };
}

/** The latent sizes: heads narrower by `compression`. */
function narrow(sizes: HeadSizes, compression: number): HeadSizes {
  const D = sizes.D / compression;
  if (!(Number.isSafeInteger(D) && compression >= 1))
    throw new InputError(`${who}: compression must divide the head width ${sizes.D}, got ${compression}`);
  return { ...sizes, D };
}

/** RoPE of the same base for narrower heads: frequencies θ^(−2i/D) of width D / c are every c-th of those of width D. */
function narrowPosition({ rotary, ...rest }: PositionInAttention, compression: number): PositionInAttention {
  if (!rotary || compression === 1) return rotary ? { ...rest, rotary } : rest;
  const { frequencies } = rotary;
  if (frequencies.length % compression !== 0)
    throw new InputError(
      `${who}: compression ${compression} must divide the ${frequencies.length} pairs of components that RoPE turns`,
    );
  return { ...rest, rotary: { ...rotary, frequencies: frequencies.filter((_, i) => i % compression === 0) } };
}

/** The stream with zeros where it is padding, which convolutions would read otherwise. */
function realOnly(x: Tensor<'B' | 'S' | 'M'>, { keyIsReal }: Places): Tensor<'B' | 'S' | 'M'> {
  return keyIsReal ? multiply(x, select(keyIsReal, 1, 0)) : x;
}

function nameOf(pieces: LatentPieces, compression: number): string {
  const without = [
    pieces.convolutions === 'none' ? 'no convolution' : pieces.convolutions === 'both' ? '' : pieces.convolutions,
    ...(pieces.taps.join() === '2,2' ? [] : [`taps ${pieces.taps.join(' and ')}`]),
    pieces.mean ? '' : 'no mean',
    pieces.valueShift ? '' : 'no value shift',
    pieces.normalise ? '' : 'no norm',
  ].filter((part) => part !== '');
  return `cca: ${[`${compression}× narrower heads`, ...without].join(', ')}`;
}

const bare = { convolutions: 'none', mean: false, valueShift: false, normalise: false } as const;

export const mechanismFile: MechanismFile = {
  card: 'compressed-convolutional-attention',
  title: 'Compressed convolutional attention',
  source: '2510.04476',
  idea: 'Attention runs in a narrow latent space; short causal convolutions, a query–key mean and shifted values make up for the width.',
  equation: 'q, k = √D · unit(conv(conv(z)) + mean z), k scaled by β; v[t] = [x[t] W₁ ; x[t−1] W₂]',
  example: 'compressedConvolutionalAttention({ compression: 2 })',
  citations: [
    {
      authors: 'Figliolia et al.',
      title: 'Compressed Convolutional Attention: Efficient Attention in a Compressed Latent Space',
      year: 2025,
      arxiv: '2510.04476',
    },
  ],
  variants: [
    { mechanism: () => compressedConvolutionalAttention({ compression: 2 }), sink: 'open' },
    { mechanism: () => compressedConvolutionalAttention({ compression: 2, valueShift: false }), sink: 'open' },
    { mechanism: () => compressedConvolutionalAttention({ compression: 2, mean: false }), sink: 'open' },
    { mechanism: () => compressedConvolutionalAttention({ compression: 2, convolutions: 'depthwise' }), sink: 'open' },
    { mechanism: () => compressedConvolutionalAttention({ compression: 2, ...bare, normalise: true }), sink: 'open' },
    // The control: the same widths with nothing to make up for them.
    { mechanism: () => compressedConvolutionalAttention({ compression: 2, ...bare }), sink: 'keeps' },
  ],
};
