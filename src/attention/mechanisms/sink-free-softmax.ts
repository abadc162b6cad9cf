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
