import type { ByteFolder, HashableSource } from '../load/byte-folder.ts';
import { type GgufCheckpoint, openGguf } from '../load/gguf.ts';
import { openSafetensors, type SafetensorsOptions } from '../load/safetensors.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { tokenizerFromGguf } from '../load/tokenizer-gguf.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { createModel, type Model } from './model.ts';

export interface LoadFilesOptions extends SafetensorsOptions {
  /** Runs the model: `webRuntime()` in the page, `nodeRuntime()` in Node. The model owns it. */
  readonly runtime: Runtime;
  /** Default: the one that a GGUF file carries, else none. */
  readonly tokenizer?: Tokenizer;
}

/**
 * Loads a model from files that are at hand, in Node and in the page: a folder of safetensors files with its `config.json`
 * (`memoryFolder(name, files)`), or a GGUF file (`memorySource(name, bytes)`).
 *
 * @throws LoadError, by name, for files that are damaged or not understood: an unknown family, a configuration key nobody reads, a
 * missing, misshapen or unread tensor.
 */
export async function load(
  files: ByteFolder | HashableSource,
  { runtime, tokenizer, ...options }: LoadFilesOptions,
): Promise<Model> {
  const opened: GgufCheckpoint =
    'list' in files ? await openSafetensors(files, options) : await openGguf(files, options);
  try {
    const own = tokenizer ?? (opened.ggufTokenizer && tokenizerFromGguf(opened.ggufTokenizer));
    return createModel({ checkpoint: opened, runtime, tokenizer: own });
  } catch (error) {
    await opened.close();
    throw error;
  }
}
