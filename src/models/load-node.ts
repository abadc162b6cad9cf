import { dirname, join } from 'node:path';
import { LoadError } from '../error.ts';
import type { Checkpoint } from '../load/checkpoint.ts';
import type { GgufCheckpoint } from '../load/gguf.ts';
import { openLocal } from '../load/open-local.ts';
import { type ResolvedModel, type ResolveOptions, resolveModel } from '../load/resolve-model-node.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { tokenizerFromGguf } from '../load/tokenizer-gguf.ts';
import { loadTokenizer } from '../load/tokenizer-node.ts';
import { nodeRuntime } from '../runtime/node.ts';
import type { RuntimeOptions } from '../runtime/runtime.ts';
import { createModel, type Model } from './model.ts';

export interface LoadOptions extends ResolveOptions, RuntimeOptions {
  /** Looks into the hub cache only, as with `HF_HUB_OFFLINE=1`. Default false. */
  readonly offline?: boolean;
  /** Bytes of decoded weights that may stay in memory between runs. Default 0. */
  readonly keepWeights?: number;
  /** Which stack of a checkpoint that has several. Default: the family's main one. */
  readonly part?: string;
  /** `needed`: its absence is an error. `optional`: the model has none then. `none`: it is not looked for. Default optional. */
  readonly tokenizer?: 'needed' | 'optional' | 'none';
}

export interface LoadedModel {
  readonly model: Model;
  readonly resolved: ResolvedModel;
  /** Why there is no tokenizer, where one was looked for. */
  readonly noTokenizer?: LoadError;
}

/**
 * Loads a model to run in Node: a folder, a `.safetensors` or `.gguf` file, a Hugging Face id (`organisation/model`), or
 * SmolLM2-135M-Instruct when none is named. Dispose of it when done (`await using model = await load(…)`).
 *
 * @throws LoadError, by name, for files that are damaged, incomplete or not understood; InputError for a name that is none.
 */
export async function load(name?: string, options: LoadOptions = {}): Promise<Model> {
  return (await loadNamed(name, options)).model;
}

/** As `load`, and tells which file was used. */
export async function loadNamed(name: string | undefined, options: LoadOptions = {}): Promise<LoadedModel> {
  const { threads, verbose, offline, keepWeights, part, tokenizer: wanted = 'optional', ...resolving } = options;
  const resolved = await resolveModel(name, { ...resolving, ...(offline === undefined ? {} : { offline }) });
  options.signal?.throwIfAborted();
  const { path, weights, source, revision, commit } = resolved;
  const shown = commit ?? revision;
  const checkpoint = await openLocal(weights === undefined ? path : join(path, weights), {
    source,
    ...(shown === undefined ? {} : { revision: shown }),
  });
  const runtime = nodeRuntime({
    ...(threads === undefined ? {} : { threads }),
    ...(verbose === undefined ? {} : { verbose }),
  });
  try {
    let tokenizer: Tokenizer | undefined;
    let noTokenizer: LoadError | undefined;
    try {
      tokenizer = wanted === 'none' ? undefined : await tokenizerOf(checkpoint, resolved);
    } catch (error) {
      if (wanted === 'needed' || !(error instanceof LoadError)) throw error;
      noTokenizer = error;
    }
    const model = createModel({
      checkpoint,
      runtime,
      tokenizer,
      part,
      ...(keepWeights === undefined ? {} : { keepWeights }),
    });
    return { model, resolved, ...(noTokenizer === undefined ? {} : { noTokenizer }) };
  } catch (error) {
    await runtime.dispose();
    await checkpoint.close();
    throw error;
  }
}

async function tokenizerOf(checkpoint: Checkpoint, { kind, path, source }: ResolvedModel): Promise<Tokenizer> {
  const { ggufTokenizer } = checkpoint as GgufCheckpoint;
  if (ggufTokenizer) return tokenizerFromGguf(ggufTokenizer, `${source} tokenizer`);
  if (checkpoint.provenance.format === 'gguf')
    throw new LoadError(`${source}: the file carries no tokenizer; give token ids with --ids`);
  return loadTokenizer(kind === 'folder' ? path : dirname(path));
}
