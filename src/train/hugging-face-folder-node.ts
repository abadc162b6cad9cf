import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../error.ts';
import { writeSafetensors } from '../load/write-safetensors-node.ts';
import type { ModelConfig } from './decoder-config.ts';
import { writeFolderAtomically, writeText } from './folder-node.ts';
import { memoryCheckpoint } from './memory-checkpoint.ts';
import type { TrainState } from './state.ts';

export interface HuggingFaceFolder {
  /** What `config.json` will say. */
  readonly config: ModelConfig;
  readonly parameters: TrainState['parameters'];
  /** Stored type: F16 halves the file and rounds to 11 bits. Default F32. */
  readonly dtype?: 'F32' | 'F16';
  /** Other files by name, as text or as JSON: `tokenizer.json`, `tokenizer_config.json`, `README.md`. Default none. */
  readonly files?: Readonly<Record<string, string | object>>;
  /** Replace a folder that is there already. Default false. */
  readonly replace?: boolean;
}

const own = ['config.json', 'generation_config.json', 'model.safetensors'];

/**
 * Writes an ordinary Hugging Face folder, whole or not at all: `config.json`, `generation_config.json`, `model.safetensors` (a tied
 * output table is stored once) and the files given. `sinklab scan` and Python's transformers open it alike. Throws an InputError when
 * parameters do not fit the configuration, or the folder exists.
 */
export async function writeHuggingFaceFolder(path: string, folder: HuggingFaceFolder): Promise<void> {
  const { config, parameters, dtype = 'F32', files = {}, replace = false } = folder;
  const { tensors } = memoryCheckpoint(config, parameters, path);
  for (const name of Object.keys(files))
    if (own.includes(name) || !/^[\w][\w.-]*$/.test(name))
      throw new InputError(`${path}: a file cannot be called ${JSON.stringify(name)} beside ${own.join(', ')}`);
  if (!replace && (await exists(path)))
    throw new InputError(`${path}: exists already; remove it, choose another name, or ask to replace it`);
  const toWrite = [...tensors].map(
    ([name, { shape }]) => [name, { dtype, shape, values: parameters.get(name)! }] as const,
  );
  const torchType = dtype === 'F16' ? 'float16' : 'float32';
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  await writeFolderAtomically(path, async (inside) => {
    await writeText(join(inside, 'config.json'), json({ ...architecture(config), ...config, torch_dtype: torchType }));
    await writeText(join(inside, 'generation_config.json'), json(generationConfig(config)));
    for (const [name, content] of Object.entries(files))
      await writeText(join(inside, name), typeof content === 'string' ? content : json(content));
    await writeSafetensors(join(inside, 'model.safetensors'), new Map(toWrite), new Map([['format', 'pt']]));
  });
}

const architectures: Readonly<Record<string, string>> = {
  ...{ llama: 'LlamaForCausalLM', mistral: 'MistralForCausalLM', qwen2: 'Qwen2ForCausalLM', qwen3: 'Qwen3ForCausalLM' },
  ...{ gemma3_text: 'Gemma3ForCausalLM', gpt2: 'GPT2LMHeadModel', gpt_neox: 'GPTNeoXForCausalLM' },
  gpt_oss: 'GptOssForCausalLM',
};

function architecture({ model_type }: ModelConfig): { architectures?: string[] } {
  const name = architectures[String(model_type)];
  return name === undefined ? {} : { architectures: [name] };
}

function generationConfig(config: ModelConfig): Record<string, unknown> {
  const kept = ['bos_token_id', 'eos_token_id', 'pad_token_id'].filter((key) => config[key] !== undefined);
  return { _from_model_config: true, ...Object.fromEntries(kept.map((key) => [key, config[key]])) };
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
