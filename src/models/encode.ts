import type { HostTensor } from '../runtime/backend.ts';
import type { Batch, MemoryBatch } from './input.ts';
import type { Model } from './model.ts';
import { run } from './run.ts';

/** A final stream [B, S, M] as a decoder takes it. */
export const asMemory = ({ data, shape }: HostTensor): MemoryBatch => ({
  values: data as Float32Array,
  shape: shape as MemoryBatch['shape'],
});

/** What an encoder makes of a batch: its stream after the final norm. Throws an InputError for a batch that it does not read. */
export async function encode(encoder: Model, batch: Batch): Promise<MemoryBatch> {
  const { captured } = await run(encoder, batch, { capture: ['ln_final.hook_out'], logits: false });
  return asMemory(captured.get('ln_final.hook_out')!);
}
