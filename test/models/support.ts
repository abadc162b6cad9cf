import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { openSafetensorsFile, type SafetensorsFile } from '../../src/load/safetensors-file.ts';
import type { TokenBatch } from '../../src/models/input.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bundled, fixtures } from '../fixtures.ts';

/** Folders of the fixtures whose families this version reads. */
export const supported = [
  ...['llama', 'llama_tied', 'llama_bias', 'llama3_scaled', 'llama_yarn', 'llama_linear', 'mistral', 'qwen2', 'qwen3'],
  ...['mixtral', 'qwen3_moe', 'olmoe', 'doge', 'minimax', 'deepseek_v3', 'qwen3_next', 'qwen3_5'],
  ...['mimo_v2_flash', 'granite_swa', 'flint', 'gpt_oss_mxfp4', 'lfm3'],
  ...['deepseek_v4', 'deepseek_v4_compressed', 'hy_v4', 'hy_v4_heads'],
  ...['gemma', 'gemma2', 'granite', 'olmo', 'olmo2', 'olmo3'],
  ...['cohere', 'starcoder2', 'phi3', 'smollm3', 'nanochat'],
  ...['opt', 'gpt_neo', 'gptj', 'bloom', 'falcon', 'mpt', 'phi', 'stablelm'],
  ...['bert', 'roberta', 'distilbert', 'electra', 'modernbert', 'openai_privacy_filter'],
  ...['gemma3', 'gpt_oss', 'gpt2', 'gpt_neox', 'gpt_neox_serial'],
  ...['t5', 't5_v1_1', 'whisper'],
  ...['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit', 'siglip_vision', 'clip', 'llava'],
];
/** Those kept in the repository. */
export const always = ['llama', 'gpt_oss', 'gemma3', 'gpt2', 'deepseek_v4_compressed', 'hy_v4_heads'];

/** Folder of a fixture, or undefined where the shared fixtures are absent and it is not kept in the repository. */
export function familyFolder(name: string): string | undefined {
  const shared = fixtures();
  if (shared !== undefined && existsSync(join(shared, 'families', name))) return join(shared, 'families', name);
  return always.includes(name) ? bundled(`families/${name}`) : undefined;
}

/** `name` and its folder, for `it.each`; absent ones are left out and named by `absent`. */
export const present = supported.flatMap((name) => {
  const folder = familyFolder(name);
  return folder === undefined ? [] : [[name, folder] as const];
});
export const absent = supported.filter((name) => familyFolder(name) === undefined);

/** One model for each kind of difference between families. */
export const kinds = present.filter(([name]) =>
  [
    ...['llama', 'mistral', 'qwen3', 'gemma3', 'gpt_oss', 'gpt2', 'gpt_neox', 'gpt_neox_serial'],
    ...['gemma2', 'olmo2', 'cohere', 'nanochat'],
    ...['opt', 'gptj', 'bloom', 'falcon'],
    ...['deepseek_v4_compressed', 'hy_v4_heads'],
  ].includes(name),
);

/** A model on one thread. */
export async function open(path: string, config?: string): Promise<Model> {
  const checkpoint = await openLocal(path, config === undefined ? {} : { config });
  try {
    return createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** A file of expected values, closed after the test. */
export async function openReference(path: string): Promise<SafetensorsFile> {
  const file = await openSafetensorsFile(await openFile(path));
  onTestFinished(() => file.close());
  return file;
}

/** A copy of a fixture in a folder of its own, removed after the test. */
export async function copied(folder: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'sinklab-'));
  onTestFinished(() => rm(copy, { recursive: true, force: true }));
  await cp(folder, copy, { recursive: true });
  return copy;
}

/** Token ids below 97, the smallest vocabulary of the fixtures. */
export const someIds = (length: number, seed = 3) => Array.from({ length }, (_, i) => (i * 7 + seed * 11) % 97);

/** Largest |a − b|; NaN counts as infinite. */
export function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
  }
  return most;
}

export async function logitsOf(model: Model, batch: TokenBatch, watched = false): Promise<Float32Array> {
  const { logits } = await run(model, batch, watched ? { capture: ['blocks.*.attn.hook_pattern'] } : {});
  return logits!.data as Float32Array;
}
