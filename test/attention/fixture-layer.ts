import { join } from 'node:path';
import type { Mechanism, MechanismSite } from '../../src/attention/mechanism.ts';
import { openReference } from '../models/support.ts';
import { type LayerRun, type RunOptions, runLayer } from './support.ts';

/** A mechanism with the weights of one layer of a reference checkpoint, over what its attention was given there. */
export async function fixtureLayer(
  folder: string,
  layer: number,
  mechanism: Mechanism,
  site: Partial<MechanismSite>,
  options: Omit<RunOptions, 'site' | 'weights'> = {},
): Promise<{ readonly run: LayerRun; readonly given: number[][][]; readonly expected: Float32Array }> {
  const model = await openReference(join(folder, 'model.safetensors'));
  const reference = await openReference(join(folder, 'expected.safetensors'));
  const values = await reference.read(`output.attn_in.${layer}`);
  const [B, T, M] = reference.tensors.get(`output.attn_in.${layer}`)!.shape as [number, number, number];
  const given = Array.from({ length: B }, (_, b) =>
    Array.from({ length: T }, (_, t) => [...values.subarray((b * T + t) * M, (b * T + t + 1) * M)]),
  );
  const root = `model.layers.${layer}.`;
  const names = [...model.tensors.keys()].filter((name) => name.startsWith(`${root}self_attn.`));
  const buffers = /_decay$|slope_rate$/;
  const weights: Record<string, Float32Array> = {};
  for (const name of names) if (!buffers.test(name)) weights[name] = await model.read(name);
  const run = await runLayer(mechanism, given, {
    ...options,
    weights,
    site: { at: (name) => `${root}${name}`, layer, ...site },
  });
  return { run, given, expected: await reference.read(`output.attn_out.${layer}`) };
}
