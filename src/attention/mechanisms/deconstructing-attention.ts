import type { MechanismFile } from '../mechanism.ts';
import { taylorAttention } from '../normalisers/taylor.ts';
import { queryIndependentAttention } from '../query-independent.ts';
import { tokenMlp } from '../token-mlp.ts';

/**
 * Deconstructed attention, 2510.11602: replacements with as many parameters that each give up one property of attention. Mixing of tokens
 * (`tokenMlp`), the form of the weights (`taylorAttention`, `queryIndependentAttention`); maps that do not depend on the sequence or not on
 * the layer's input need a second stream beside the layers, so a decoder as a whole (`deconstructedDecoder` of the training room). In all layers or,
 * under a `LayerPlan`, in some: the paper's point is that what fails everywhere may work between layers of standard attention.
 */
export const mechanismFile: MechanismFile = {
  card: 'deconstructing-attention',
  title: 'Deconstructed attention',
  source: '2510.11602',
  idea: 'Take away one property of attention at a time, at equal parameters: mixing, exponentials, queries, dependence on the sequence.',
  equation: 'w_ij ∝ 1 + x_ij + x_ij²/2 · w_ij ∝ e^{Σ_d SiLU(q_j)_d k_jd / √D} · o_i = W_d (SiLU(W_g x_i) ⊙ W_u x_i)',
  example: 'taylorAttention({ diagonalSquare: true })',
  citations: [
    {
      authors: 'Huiyin Xue, Nafise Sadat Moosavi, Nikolaos Aletras',
      title: 'Deconstructing Attention: Investigating Design Principles for Effective Language Modeling',
      year: 2025,
      arxiv: '2510.11602',
    },
  ],
  variants: [
    { mechanism: taylorAttention, sink: 'open' },
    { mechanism: () => taylorAttention({ diagonalSquare: true }), sink: 'open' },
    { mechanism: queryIndependentAttention, sink: 'open' },
    { mechanism: tokenMlp, sink: 'open' },
  ],
};
