/** Families, hook points, the model function: loading, running, checking and describing models. */

export type { AttentionLayer } from '../attention/layer.ts';
export { type CaptureRequest, type PlannedTensor, planCapture } from './capture.ts';
export type { Block, Decoder, DecoderSizes } from './decoder.ts';
export type { DecoderFamily, Family, FamilyInput, SinkPortrait } from './family.ts';
export { type FamilyState, type FamilyStatus, familyStatus } from './family-status.ts';
export { type GreedyOptions, type GreedyText, greedyText } from './greedy.ts';
export {
  type BlockHook,
  type BlockHooks,
  canonicalHook,
  type HookAxes,
  type HookName,
  type HookPattern,
  hookOrder,
  hookOrders,
  type OuterHook,
  type OuterHooks,
} from './hook-names.ts';
export type { Edit, Edits, HookPlace } from './hooks.ts';
export type { Batch, FeatureBatch, GivenEmbeddings, MemoryBatch, PixelBatch, TokenBatch } from './input.ts';
export { type HookDescription, inspect, type ModelDescription, type WeightDescription } from './inspect.ts';
export { type LoadFilesOptions, load } from './load.ts';
export { type Loss, type LossOptions, loss } from './loss.ts';
export { estimateMemory, type MemoryEstimate, type RunSize } from './memory.ts';
export { createModel, type Model, type ModelOptions } from './model.ts';
export { families } from './registry.ts';
export { type Rounding, roundedWeights } from './rounded-weights.ts';
export { expandHooks, type RunOptions, type RunResult, run } from './run.ts';
export type { CaptureSelection } from './select-capture.ts';
export type { FeatureStack, PixelStack, Stack, StackOutput, StackSizes, Stacks, TokenStack } from './stack.ts';
export { hookShapes, traceHooks } from './trace-hooks.ts';
export { type TranscribeOptions, type Transcript, transcribe } from './transcribe.ts';
export {
  type LoweringName,
  type TensorComparison,
  type VerifyOptions,
  type VerifyResult,
  verify,
} from './verify.ts';
