import { headSliceGate } from '../gates/head-slice-gate.ts';
import type { MechanismFile } from '../mechanism.ts';
import { clippedSoftmax } from '../normalisers/clipped-softmax.ts';
import { keyBias, valueBias } from '../normalisers/key-bias.ts';
import { pointwise } from '../normalisers/pointwise.ts';
import { normalisedSigmoid, sigmoidAttention } from '../normalisers/sigmoid.ts';
import { sinkLogit, softmaxOne } from '../normalisers/sink-logit.ts';
import { softpick } from '../normalisers/softpick.ts';

/**
 * Attention in which a head may give (almost) nothing without parking its mass on a token: a term more in the denominator, a learned null
 * key, exact zeros, weights that nothing normalises, or a gate after the sum.
 *
 * They replace softmax while training. Put into a model trained with softmax they break it, but for a sink logit towards −∞ and gates at
 * one. Un-normalised weights change the scale of the output with the number of keys, and are measured by the proxy |w| / Σ|w|.
 */
export const mechanismFile: MechanismFile = {
  card: 'sink-free-softmax',
  title: 'Sink-free normalisers',
  source: '2410.10781',
  idea: 'Softmax makes every head give out a whole unit of attention, so one with nothing to say parks it on the first token. Each of these leaves it another way out.',
  equation: 'w_j = e^{s_j} / (e^b + Σ_k e^{s_k}); or w_j = h(s_j) with no sum at all',
  example: "pointwise({ kernel: 'relu' })",
  citations: [
    {
      authors: 'Gu et al.',
      title: 'When Attention Sink Emerges in Language Models: An Empirical View',
      year: 2025,
      arxiv: '2410.10781',
    },
    { authors: 'OpenAI', title: 'GPT-OSS', year: 2025 },
    { authors: 'Evan Miller', title: 'Attention Is Off By One', year: 2023 },
    {
      authors: 'Sun, Chen, Kolter, Liu',
      title: 'Massive Activations in Large Language Models',
      year: 2024,
      arxiv: '2402.17762',
    },
    { authors: 'Zuhri, Fuadi, Aji', title: 'Softpick', year: 2025, arxiv: '2504.20966' },
    {
      authors: 'Ramapuram et al.',
      title: 'Theory, Analysis, and Best Practices for Sigmoid Self-Attention',
      year: 2025,
      arxiv: '2409.04431',
    },
    {
      authors: 'Wortsman et al.',
      title: 'Replacing softmax with ReLU in Vision Transformers',
      year: 2023,
      arxiv: '2309.08586',
    },
    { authors: 'Bondarenko, Nagel, Blankevoort', title: 'Quantizable Transformers', year: 2023, arxiv: '2306.12929' },
  ],
  variants: [
    { mechanism: softmaxOne, sink: 'gone' },
    { mechanism: sinkLogit, sink: 'gone' },
    { mechanism: keyBias, sink: 'gone' },
    { mechanism: () => keyBias({ value: 'learned' }), sink: 'gone' },
    { mechanism: () => keyBias({ shared: true }), sink: 'gone' },
    { mechanism: () => keyBias({ value: 'learned', shared: true }), sink: 'open' },
    { mechanism: valueBias, sink: 'keeps' },
    { mechanism: softpick, sink: 'gone' },
    { mechanism: sigmoidAttention, sink: 'gone' },
    { mechanism: () => sigmoidAttention({ bias: 0 }), sink: 'gone' },
    { mechanism: normalisedSigmoid, sink: 'keeps' },
    { mechanism: () => pointwise({ kernel: 'eluPlusOne', exponent: 0 }), sink: 'gone' },
    { mechanism: () => pointwise({ kernel: 'relu' }), sink: 'gone' },
    { mechanism: () => pointwise({ kernel: 'relu', count: 'visible' }), sink: 'gone' },
    { mechanism: () => pointwise({ kernel: 'relu2' }), sink: 'gone' },
    { mechanism: () => pointwise({ kernel: 'gelu' }), sink: 'open' },
    { mechanism: () => pointwise({ kernel: 'softplus' }), sink: 'open' },
    { mechanism: clippedSoftmax, sink: 'reduced' },
    { mechanism: headSliceGate, sink: 'gone' },
    { mechanism: () => headSliceGate({ from: 'slice mlp' }), sink: 'open' },
    { mechanism: () => headSliceGate({ from: 'all features' }), sink: 'open' },
    { mechanism: () => headSliceGate({ from: 'head' }), sink: 'open' },
    { mechanism: () => headSliceGate({ from: 'slice, mean so far' }), sink: 'open' },
  ],
};
