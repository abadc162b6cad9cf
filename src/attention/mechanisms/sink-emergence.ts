import type { MechanismFile } from '../mechanism.ts';
import { featureKernel } from '../normalisers/feature-kernels.ts';
import { keyBias } from '../normalisers/key-bias.ts';
import { pointwise } from '../normalisers/pointwise.ts';
import { pNormalisedSoftmax, scaledSoftmax } from '../normalisers/scaled-softmax.ts';

/**
 * The biases and attention operations of "When Attention Sink Emerges in Language Models" (2410.10781) that are not among the sink-free
 * normalisers: key biases with a fixed value or few learned components, kernels of features, and softmax with rows of another sum.
 * Sigmoid with Z = 1 is `sigmoidAttention({ bias: 0 })`, with Z = sum `normalisedSigmoid()`, elu + 1 with Z = 1
 * `pointwise({ kernel: 'eluPlusOne', exponent: 0 })`.
 *
 * The paper's finding: a sink needs rows that must sum to something; where nothing normalises there is none, and a null column with a value
 * near zero takes its place. The larger the fixed value of the column, the less it can, and the sink goes back to the first token.
 */
export const mechanismFile: MechanismFile = {
  card: 'sink-emergence',
  title: 'Attention operations of the emergence study',
  source: '2410.10781',
  idea: 'Changing what attention weights must sum to decides whether a sink emerges: rows that need not sum to one have none.',
  equation: 'o_i = Z_i^{-1} Σ_{j≤i} sim(φ(q_i), φ(k_j)) v_j',
  example: "keyBias({ value: { along: 'first', norm: 1 } })",
  citations: [
    {
      authors: 'Gu, Pang, Du, Liu, Zhang, Du, Wang, Lin',
      title: 'When Attention Sink Emerges in Language Models: An Empirical View',
      year: 2025,
      arxiv: '2410.10781',
    },
  ],
  variants: [
    { mechanism: () => keyBias({ value: { along: 'first', norm: 1 } }), sink: 'gone' },
    { mechanism: () => keyBias({ value: { along: 'first', norm: 5 } }), sink: 'reduced' },
    { mechanism: () => keyBias({ value: { along: 'first', norm: 20 } }), sink: 'keeps' },
    { mechanism: () => keyBias({ value: { along: 'all', norm: 1 } }), sink: 'open' },
    { mechanism: () => keyBias({ learned: 1 }), sink: 'reduced' },
    { mechanism: () => featureKernel({ features: 'elu', normaliser: 'sum' }), sink: 'keeps' },
    { mechanism: () => featureKernel({ features: 'mlp', normaliser: 'none' }), sink: 'gone' },
    {
      mechanism: () => featureKernel({ features: 'mlp', normaliser: 'largerOfSumAndOne' }),
      sink: 'gone',
      except: { gradient: 'a step of 1/512 crosses the bend at |sum| = 1' },
    },
    { mechanism: () => pointwise({ kernel: 'identity', exponent: 0 }), sink: 'gone' },
    { mechanism: () => scaledSoftmax({ total: 2 }), sink: 'keeps' },
    { mechanism: () => scaledSoftmax({ total: 0.1 }), sink: 'reduced' },
    { mechanism: () => pNormalisedSoftmax({ p: 2 }), sink: 'open' },
  ],
};
