/** Attention mechanisms and position encodings, each a replacement for the attention of a block. */
export { type AttentionParts, attention } from './attention.ts';
export { clippedSoftmax } from './clipped-softmax.ts';
export { cachedDecoding, type DecodingLayer } from './decoding.ts';
export { featureKernel } from './feature-kernels.ts';
export type { GatedOptions } from './gate-options.ts';
export { headSliceGate } from './head-slice-gate.ts';
export { keyBias, valueBias } from './key-bias.ts';
export type { AttentionHook, AttentionLayer, AttentionTap } from './layer.ts';
export { type LayerPlan, planned } from './layer-plans.ts';
export { learnedSink } from './learned-sink.ts';
export type { Mechanism, MechanismFile, MechanismSite, MechanismVariant, RowSums } from './mechanism.ts';
export { affineScaled } from './mechanisms/affine-scaled-attention.ts';
export { compressedConvolutionalAttention } from './mechanisms/compressed-convolutional-attention.ts';
export { dynamicMaskAttention } from './mechanisms/dynamic-mask-attention.ts';
export { gated } from './mechanisms/gated-attention.ts';
export { goat } from './mechanisms/goat.ts';
export { headWiseRmsNorm } from './mechanisms/head-wise-rms-norm.ts';
export { lightningAttention, miniMaxLightning } from './mechanisms/lightning-attention.ts';
export { mixtureOfHead } from './mechanisms/mixture-of-head.ts';
export { rcmha } from './mechanisms/rcmha.ts';
export { routingTransformer } from './mechanisms/routing-transformer.ts';
export { softmaxAttention } from './mechanisms/softmax.ts';
export {
  titansContext,
  titansGate,
  titansLayer,
  titansMemory,
  titansWindow,
} from './mechanisms/titans.ts';
export { type Places, wholeText } from './places.ts';
export { pointwise } from './pointwise.ts';
export { type Position, type PositionName, positionNames, positions } from './positions.ts';
export { queryIndependentAttention } from './query-independent.ts';
export { mechanismFiles } from './registry.ts';
export { pNormalisedSoftmax, scaledSoftmax } from './scaled-softmax.ts';
export { normalisedSigmoid, sigmoidAttention } from './sigmoid.ts';
export { sinkLogit, softmaxOne } from './sink-logit.ts';
export { type SoftmaxOptions, softmaxSteps } from './softmax.ts';
export { softpick } from './softpick.ts';
export type { AttentionGiven, AttentionSteps, Normalised } from './steps.ts';
export { taylorAttention } from './taylor.ts';
export { tokenMlp } from './token-mlp.ts';
