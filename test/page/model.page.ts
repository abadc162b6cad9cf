import { memoryFolder, memorySource } from '../../src/load/bytes-memory.ts';
import { openSafetensors } from '../../src/load/safetensors.ts';
import { openSafetensorsFile, type SafetensorsFile } from '../../src/load/safetensors-file.ts';
import type { HookName } from '../../src/models/hook-names.ts';
import { createModel } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { webRuntime } from '../../src/runtime/web.ts';

async function fetched(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Rows of token ids or of a mask. */
async function rows(file: SafetensorsFile, name: string): Promise<number[][]> {
  const [B, T] = file.tensors.get(name)!.shape as [number, number];
  const flat = Array.from(await file.read(name));
  return Array.from({ length: B }, (_, b) => flat.slice(b * T, (b + 1) * T));
}

/** Largest |a − b| / max(1, |b|); infinite where a number is missing or not one. */
function distance(a: ArrayLike<number> | undefined, b: ArrayLike<number>): number {
  if (a?.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!));
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }
  return largest;
}

/** The hook point that a tensor of a reference file holds. */
function hookOf(name: string, layers: number): HookName | undefined {
  const [, kind, index] = /^output\.(hidden_states|attentions|sinks)\.(\d+)$/.exec(name) ?? [];
  if (kind === undefined) return undefined;
  const layer = Number(index);
  if (kind === 'attentions') return `blocks.${layer}.attn.hook_pattern`;
  if (kind === 'sinks') return `blocks.${layer}.attn.hook_sink`;
  return layer === layers ? 'ln_final.hook_out' : `blocks.${layer}.hook_in`;
}

export interface Comparison {
  readonly family: string;
  /** Distance from the reference, by tensor, `fast.logits` for the fused lowering. */
  readonly distances: Record<string, number>;
}

/** Fetches a fixture, loads and runs it in the page, and compares it with what its reference computed. */
export async function compare(folder: string): Promise<Comparison> {
  const names = ['config.json', 'model.safetensors'];
  const files = new Map(
    await Promise.all(names.map(async (name) => [name, await fetched(`${folder}/${name}`)] as const)),
  );
  const expected = await openSafetensorsFile(memorySource('expected', await fetched(`${folder}/expected.safetensors`)));
  const runtime = webRuntime({ threads: 2, wasmPaths: '/onnxruntime/' });
  await using model = createModel({ checkpoint: await openSafetensors(memoryFolder(folder, files)), runtime });

  const hooks = new Map<string, HookName>();
  for (const name of expected.tensors.keys()) {
    const hook = hookOf(name, model.decoder.sizes.L);
    if (hook !== undefined) hooks.set(name, hook);
  }
  const batch = { ids: await rows(expected, 'input.input_ids') };
  const fast = await run(model, batch);
  const watched = await run(model, batch, { capture: [...hooks.values()] });

  const logits = await expected.read('output.logits');
  const distances: Record<string, number> = {
    'fast.logits': distance(fast.logits?.data as Float32Array, logits),
    'output.logits': distance(watched.logits?.data as Float32Array, logits),
  };
  for (const [name, hook] of hooks)
    distances[name] = distance(watched.captured.get(hook)?.data as Float32Array, await expected.read(name));
  return { family: model.decoder.family, distances };
}
