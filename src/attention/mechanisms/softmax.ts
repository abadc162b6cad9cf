import { attention } from '../attention.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { projections } from '../projections.ts';

/** Softmax attention, 1706.03762: the baseline of every comparison. */
export function softmaxAttention(): Mechanism {
  return {
    name: 'softmax',
    source: '1706.03762',
    rows: 'one',
    attention({ at, sizes, position, window }) {
      const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
      const steps = softmaxSteps({ scale: sizes.D ** -0.5, window, output });
      return attention({ ...project, ...position, steps });
    },
  };
}

export const mechanismFile: MechanismFile = {
  card: 'sink-free-softmax',
  title: 'Softmax attention',
  source: '1706.03762',
  idea: 'Every row of weights sums to one, so a head with nothing to say must put its attention somewhere.',
  equation: 'w_j = e^{s_j} / Σ_k e^{s_k}',
  example: 'softmaxAttention()',
  citations: [{ authors: 'Vaswani et al.', title: 'Attention Is All You Need', year: 2017, arxiv: '1706.03762' }],
  variants: [{ mechanism: softmaxAttention, sink: 'keeps' }],
};
