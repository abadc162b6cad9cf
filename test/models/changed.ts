import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { copied, open } from './support.ts';

export type Weights = Map<string, TensorToWrite & { readonly values: Float32Array }>;

export interface Change {
  readonly weights?: (tensors: Weights) => void;
  readonly config?: (config: Record<string, unknown>) => void;
}

/** A copy of a checkpoint's folder with other weights or another configuration, removed after the test. */
export async function changed(folder: string, change: Change): Promise<string> {
  const copy = await copied(folder);
  const path = join(copy, 'model.safetensors');
  if (change.weights) {
    const file = await openSafetensorsFile(await openFile(path));
    const tensors: Weights = new Map();
    for (const [name, { shape }] of file.tensors)
      tensors.set(name, { dtype: 'F32', shape, values: await file.read(name) });
    await file.close();
    change.weights(tensors);
    await writeSafetensors(path, tensors);
  }
  if (change.config) {
    const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
    change.config(config);
    await writeFile(join(copy, 'config.json'), JSON.stringify(config));
  }
  return copy;
}

/** Why a folder is refused, with MODEL in place of its name; `loaded` where it is not. */
export async function refusal(folder: string): Promise<string> {
  try {
    await (await open(folder)).dispose();
    return 'loaded';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message.replaceAll(folder, 'MODEL')}`;
  }
}
