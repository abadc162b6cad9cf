import type { Architecture } from './architecture.ts';
import { bert, modernBert } from './architectures/bert.ts';
import { deepseek2 } from './architectures/deepseek.ts';
import { dream, llada } from './architectures/diffusion.ts';
import { gemma, gemma2, gemma3 } from './architectures/gemma.ts';
import { gpt2, gptneox } from './architectures/gpt.ts';
import { gptOss } from './architectures/gpt-oss.ts';
import { bloom, falcon, mpt } from './architectures/joint.ts';
import { commandR, stablelm, starcoder2 } from './architectures/layer-norm.ts';
import { granite, graniteSwa, llama, smollm3 } from './architectures/llama.ts';
import { mimo2 } from './architectures/mimo.ts';
import { minimax } from './architectures/minimax.ts';
import { olmo, olmo2, olmoe } from './architectures/olmo.ts';
import { phi2, phi3 } from './architectures/phi.ts';
import { qwen2, qwen3, qwen3moe } from './architectures/qwen.ts';
import { qwen3next, qwen35 } from './architectures/qwen-hybrid.ts';

/** The files that are read, by their `general.architecture`; Mistral and Mixtral are stored as `llama`, OLMo 3 as `olmo2`, DistilBERT as `bert`. */
export const architectures: ReadonlyMap<string, Architecture> = new Map([
  ['llama', llama],
  ['qwen2', qwen2],
  ['qwen3', qwen3],
  ['qwen3moe', qwen3moe],
  ['qwen3next', qwen3next],
  ['qwen35', qwen35],
  ['gemma', gemma],
  ['gemma2', gemma2],
  ['gemma3', gemma3],
  ['gpt-oss', gptOss],
  ['gpt2', gpt2],
  ['gptneox', gptneox],
  ['phi2', phi2],
  ['phi3', phi3],
  ['stablelm', stablelm],
  ['starcoder2', starcoder2],
  ['command-r', commandR],
  ['olmo', olmo],
  ['olmo2', olmo2],
  ['olmoe', olmoe],
  ['granite', granite],
  ['granite_swa', graniteSwa],
  ['smollm3', smollm3],
  ['bloom', bloom],
  ['falcon', falcon],
  ['mpt', mpt],
  ['deepseek2', deepseek2],
  ['dream', dream],
  ['llada', llada],
  ['bert', bert],
  ['modern-bert', modernBert],
  ['mimo2', mimo2],
  ['minimax-01', minimax],
]);
