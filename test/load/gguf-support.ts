import { expect } from 'vitest';
import { memorySource } from '../../src/load/bytes-memory.ts';
import type { Checkpoint } from '../../src/load/checkpoint.ts';
import { type GgufCheckpoint, openGguf } from '../../src/load/gguf.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { bundled, fixtures } from '../fixtures.ts';
import type { Meta } from './build-gguf.ts';

const shared = fixtures();

export const open = (bytes: Uint8Array): Promise<GgufCheckpoint> => openGguf(memorySource('x.gguf', bytes));

/** The safetensors checkpoint of a family fixture. */
export async function families(name: string): Promise<Checkpoint> {
  return openLocal(shared === undefined ? bundled(`families/${name}`) : `${shared}/families/${name}`);
}
/** Same names, same shapes, values within `tolerance` of the tensor's largest, if that is above 1. */
export async function expectSame(ours: Checkpoint, reference: Checkpoint, tolerance = 0): Promise<void> {
  expect([...ours.tensors.keys()].sort()).toEqual([...reference.tensors.keys()].sort());
  for (const name of reference.tensors.keys()) {
    const [a, b] = [await ours.read(name), await reference.read(name)];
    expect(ours.tensors.get(name)!.shape, name).toEqual(reference.tensors.get(name)!.shape);
    const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
    const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    expect(worst, name).toBeLessThanOrEqual(tolerance * largest);
  }
}

/** The metadata all the family fixtures share. */
export const sizes = (p: string, more: readonly (readonly [string, Meta])[] = []): (readonly [string, Meta])[] => [
  ['general.architecture', p],
  [`${p}.block_count`, 3],
  [`${p}.context_length`, 128],
  [`${p}.embedding_length`, 32],
  [`${p}.feed_forward_length`, 48],
  [`${p}.attention.head_count`, 4],
  ...more,
];
