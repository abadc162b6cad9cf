/**
 * Head-wise RMSNorm, 2605.06611: each head's output is normalised before the heads are joined.
 *
 * Idea: the first token can only attend to itself, so its head outputs keep the whole variance of a value while later tokens average it
 * away; from that difference sinks and massive activations grow. Normalising every head's output gives all positions one variance.
 *
 *     ẑ = z / √(mean_D z² + ε) ⊙ λ     z [B, T, G, R, D], λ [D], initially 1, shared by the heads of a layer
 *
 * λ of its own for each head lets single heads undo the norm; it is there as an option. Once normalised, an output can no longer be small:
 * a sink with an empty value is no longer a way to contribute nothing. Not to be put behind the output projection (that is a sandwich norm).
 */
import { InputError } from '../../error.ts';
import { attention } from '../attention.ts';
import { headNorm } from '../gates/head-norm.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { projections } from '../projections.ts';

export interface HeadWiseRmsNormOptions {
  /** One λ for all heads of a layer (default) or one for each head. */
  readonly scale?: 'shared' | 'per-head';
  /** ε, at least 0. Default: that of the model's norms. */
  readonly epsilon?: number;
}

/** Softmax attention whose heads are normalised one by one. λ is stored as `self_attn.head_norm.weight`. Throws an InputError for options outside their range. */
export function headWiseRmsNorm({ scale = 'shared', epsilon }: HeadWiseRmsNormOptions = {}): Mechanism {
  if (scale !== 'shared' && scale !== 'per-head')
    throw new InputError(`head-wise RMSNorm: scale must be shared or per-head, got ${JSON.stringify(scale)}`);
  if (epsilon !== undefined && !(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new InputError(`head-wise RMSNorm: epsilon must be a number of at least 0, got ${epsilon}`);
  return {
    name: scale === 'shared' ? 'head-wise RMSNorm' : 'head-wise RMSNorm: per-head scale',
    source: '2605.06611',
    rows: 'one',
    attention({ at, sizes, position, window, epsilon: usual }) {
      const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
      const options = { epsilon: epsilon ?? usual, scale };
      const steps = softmaxSteps({
        scale: sizes.D ** -0.5,
        window,
        output: (z) => output(headNorm(z, at('self_attn.head_norm'), sizes, options)),
      });
      return attention({ ...project, ...position, steps });
    },
  };
}

export const mechanismFile: MechanismFile = {
  card: 'structural-origin',
  title: 'Head-wise RMSNorm',
  source: '2605.06611',
  idea: 'An RMSNorm over the output of every head gives all positions the same variance, so the first token no longer stands out.',
  equation: 'z_h / √(mean z_h² + ε) ⊙ λ',
  example: "headWiseRmsNorm({ scale: 'per-head' })",
  citations: [
    {
      authors: 'Siquan Li, Kaiqi Jiang, Jiacheng Sun, Tianyang Hu',
      title: 'The Structural Origin of Attention Sink: Variance Discrepancy, Super Neurons, and Dimension Disparity',
      year: 2026,
      arxiv: '2605.06611',
    },
  ],
  variants: [
    { mechanism: () => headWiseRmsNorm(), sink: 'reduced' },
    { mechanism: () => headWiseRmsNorm({ scale: 'per-head' }), sink: 'open' },
  ],
};
