/** A family that people ask for and that is not read, with the reason. */
export interface RefusedFamily {
  readonly name: string;
  readonly modelTypes: readonly string[];
  readonly title: string;
  /** One sentence. */
  readonly reason: string;
}

const noAttention = 'It has no attention, so no attention sinks.';
const later = 'Nobody has written its descriptor yet.';

/** Refused by name, with a reason: what is not here either is refused as unknown. */
export const refusedFamilies: readonly RefusedFamily[] = [
  { name: 'mamba', modelTypes: ['mamba', 'mamba2', 'falcon_mamba'], title: 'Mamba', reason: noAttention },
  { name: 'rwkv', modelTypes: ['rwkv', 'rwkv5', 'rwkv6', 'rwkv7'], title: 'RWKV', reason: noAttention },
  { name: 'jamba', modelTypes: ['jamba'], title: 'Jamba', reason: later },
  { name: 'gpt_bigcode', modelTypes: ['gpt_bigcode'], title: 'SantaCoder, StarCoder', reason: later },
  { name: 'deepseek_v2', modelTypes: ['deepseek', 'deepseek_v2'], title: 'DeepSeek, DeepSeek-V2', reason: later },
  { name: 'llama4', modelTypes: ['llama4', 'llama4_text'], title: 'Llama 4', reason: later },
  { name: 'gemma3n', modelTypes: ['gemma3n', 'gemma3n_text'], title: 'Gemma 3n', reason: later },
  { name: 'glm', modelTypes: ['glm', 'glm4', 'glm4_moe', 'chatglm'], title: 'GLM', reason: later },
  { name: 'internlm2', modelTypes: ['internlm2', 'internlm3'], title: 'InternLM', reason: later },
  { name: 'bart', modelTypes: ['bart', 'mbart', 'marian', 'pegasus'], title: 'BART and Marian', reason: later },
  { name: 'mpnet', modelTypes: ['mpnet'], title: 'MPNet', reason: later },
  { name: 'umt5', modelTypes: ['umt5'], title: 'UMT5', reason: later },
  { name: 'deberta', modelTypes: ['deberta', 'deberta-v2'], title: 'DeBERTa', reason: later },
  { name: 'albert', modelTypes: ['albert'], title: 'ALBERT', reason: later },
  { name: 'swin', modelTypes: ['swin', 'swinv2'], title: 'Swin', reason: later },
  { name: 'wav2vec2', modelTypes: ['wav2vec2', 'hubert'], title: 'wav2vec 2.0, HuBERT', reason: later },
  { name: 'qwen2_vl', modelTypes: ['qwen2_vl', 'qwen2_5_vl', 'qwen3_vl'], title: 'Qwen-VL', reason: later },
];

/** Why a `model_type` is refused, where that is known. */
export function refusalOf(type: unknown): RefusedFamily | undefined {
  return refusedFamilies.find(({ modelTypes }) => modelTypes.includes(String(type)));
}
