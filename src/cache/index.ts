/** Key/value caches under policies: streams that a model reads and continues without end. */

export { type ChunkWindow, seenChunks, slotPositions } from '../models/flow/chunks.ts';
export type { FlowSizes } from '../models/flow/flow-decoder.ts';
export { type GuidedVelocities, jointGuidance, shiftedTime, stepTimes } from '../models/flow/sampling.ts';
export { DecodingEngine, type EngineOptions } from './engine.ts';
export { type GeneratedToken, type GenerateOptions, generate } from './generate.ts';
export * from './judge/index.ts';
export { type BankLayout, type CacheLayout, layerwiseLayout, type TableLayout, uniformLayout } from './layout.ts';
export { attentionInfluence } from './moa/influence.ts';
export { paretoSpans } from './moa/pareto.ts';
export { chosenPlan, parseSpanPlan, type SpanPlan, shuffledPlan, uniformPlan } from './moa/plan.ts';
export { randomProblem, type SpanProblem, type SpanProblemOptions, spanProblem } from './moa/problem.ts';
export { type CalibrationText, type InfluenceProfile, type ProfileOptions, profileInfluence } from './moa/profile.ts';
export { type SearchSpaceOptions, type SpanRule, searchSpace, spanOf } from './moa/rules.ts';
export { type SpanGoal, type SpanSolution, solveSpans } from './moa/solve.ts';
export { bestPlan, planLosses, type ValidateOptions } from './moa/validate.ts';
export { ChunkCache, type ChunkStorage } from './motion/chunk-cache.ts';
export { type ChunkRequest, ChunkStream, type ChunkStreamOptions, type MadeChunk } from './motion/chunk-stream.ts';
export {
  type MultimodalOptions,
  type MultimodalPart,
  type MultimodalPositions,
  multimodalPositions,
} from './multimodal-positions.ts';
export {
  type DuoAttentionOptions,
  duoAttention,
  type HeadGates,
  retrievalHeads,
} from './policies/duo-attention.ts';
export { full } from './policies/full.ts';
export { type H2oOptions, h2o, h2oBudgets } from './policies/h2o.ts';
export { type MiddleTokensOptions, middleTokens } from './policies/middle-tokens.ts';
export { type MoaOptions, moa } from './policies/moa.ts';
export { type SnapKvOptions, snapKv } from './policies/snapkv.ts';
export { type StreamingLlmOptions, streamingLlm } from './policies/streaming-llm.ts';
export { type StreamingVlmOptions, streamingVlm } from './policies/streaming-vlm.ts';
export { type TaskKvDecision, type TaskKvOptions, taskKv } from './policies/task-kv.ts';
export { type TovaOptions, tova } from './policies/tova.ts';
export { slidingWindow, type WindowOptions } from './policies/window.ts';
export { type CachePolicy, type Entries, type PositionRule, positionRules } from './policy.ts';
export { type Candidate, candidates, type SampleContext, type SamplerOptions, sample } from './sampler.ts';
export { restoreStream, saveStream } from './save.ts';
export { createStream, type ReadOptions, Stream, type StreamOptions } from './stream.ts';
export { type KindBudget, type TypedSegmentsOptions, typedSegments } from './typed-segments.ts';
export { periodicKinds, type TokenKinds, TypedText } from './typed-text.ts';
