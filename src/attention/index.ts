/** Attention mechanisms and position encodings, each a replacement for the attention of a block. */
export { type AttentionParts, attention } from './attention.ts';
export { cachedDecoding, type DecodingLayer } from './decoding.ts';
export type { GatedOptions } from './gates/gate-options.ts';
export { headSliceGate } from './gates/head-slice-gate.ts';
export type { AttentionHook, AttentionLayer, AttentionTap } from './layer.ts';
export { type LayerPlan, planned } from './layer-plans.ts';
export type { Mechanism, MechanismFile, MechanismSite, MechanismVariant, RowSums } from './mechanism.ts';
export { affineScaled } from './mechanisms/affine-scaled-attention.ts';
export { compressedConvolutionalAttention } from './mechanisms/compressed-convolutional-attention.ts';
export { dynamicMaskAttention } from './mechanisms/dynamic-mask-attention.ts';
export { gated } from './mechanisms/gated-attention.ts';
export { goat, goatGrid } from './mechanisms/goat.ts';
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
export { clippedSoftmax } from './normalisers/clipped-softmax.ts';
export { featureKernel } from './normalisers/feature-kernels.ts';
export { keyBias, valueBias } from './normalisers/key-bias.ts';
export { learnedSink } from './normalisers/learned-sink.ts';
export { pointwise } from './normalisers/pointwise.ts';
export { pNormalisedSoftmax, scaledSoftmax } from './normalisers/scaled-softmax.ts';
export { normalisedSigmoid, sigmoidAttention } from './normalisers/sigmoid.ts';
export { sinkLogit, softmaxOne } from './normalisers/sink-logit.ts';
export { type SoftmaxOptions, softmaxSteps } from './normalisers/softmax.ts';
export { softpick } from './normalisers/softpick.ts';
export { taylorAttention } from './normalisers/taylor.ts';
export { type Places, wholeText } from './places.ts';
export { type Position, type PositionName, positionNames, positions } from './positions/positions.ts';
export { queryIndependentAttention } from './query-independent.ts';
export { mechanismFiles } from './registry.ts';
export {
  type BlockSkipping,
  type BlockSkippingOptions,
  skippedBlocks,
} from './selection/block-skipping.ts';
export type { AttentionGiven, AttentionSteps, Normalised } from './steps.ts';
export { tokenMlp } from './token-mlp.ts';
