import type { Mechanism } from '../../attention/mechanism.ts';
import { softmaxAttention } from '../../attention/mechanisms/softmax.ts';
import { featureKernel } from '../../attention/normalisers/feature-kernels.ts';
import { keyBias, valueBias } from '../../attention/normalisers/key-bias.ts';
import { pointwise } from '../../attention/normalisers/pointwise.ts';
import { scaledSoftmax } from '../../attention/normalisers/scaled-softmax.ts';
import { normalisedSigmoid, sigmoidAttention } from '../../attention/normalisers/sigmoid.ts';

/** Biases and attention operations of the study, by the names of its tables. */
const made = {
  softmax: softmaxAttention,
  'K bias': () => keyBias(),
  'KV bias': () => keyBias({ value: 'learned' }),
  'V bias': () => valueBias(),
  'sigmoid, Z = 1': () => sigmoidAttention({ bias: 0 }),
  'sigmoid, Z = sum': normalisedSigmoid,
  'elu + 1, Z = 1': () => pointwise({ kernel: 'eluPlusOne', exponent: 0 }),
  'elu kernel, Z = sum': () => featureKernel({ features: 'elu', normaliser: 'sum' }),
  'identity, Z = 1': () => pointwise({ kernel: 'identity', exponent: 0 }),
  'MLP kernel, Z = 1': () => featureKernel({ features: 'mlp', normaliser: 'none' }),
  'softmax summing to 2': () => scaledSoftmax({ total: 2 }),
  'softmax summing to 0.2': () => scaledSoftmax({ total: 0.2 }),
} as const satisfies Record<string, () => Mechanism>;

export type AttentionName = keyof typeof made;
export const attentionNames = Object.keys(made) as [AttentionName, ...AttentionName[]];
export const attentionNamed = (name: AttentionName): Mechanism => made[name]();
