import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { copied } from './support.ts';

export type Tensors = Map<string, TensorToWrite>;

/** What a release differs in from the fixture of its family. */
export interface Variant {
  /** Tensors that it does not have. */
  readonly without?: RegExp;
  /** Tensors that it has besides, filled by `filling`. */
  readonly added?: Readonly<Record<string, readonly number[]>>;
  readonly names?: (name: string) => string;
  readonly tensors?: (tensors: Tensors) => void;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Numbers that the name alone decides, as other software can make them too: 0.3 sin(0.5 + i (1 + n / 100)), n the length of the name. */
function filling(name: string, shape: readonly number[]): TensorToWrite {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: size }, (_, i) => 0.3 * Math.sin(0.5 + i * (1 + 0.01 * name.length)));
  return { dtype: 'F32', shape, values };
}

/** A copy of a fixture as such a release stores it. */
export async function variant(
  folder: string,
  { without, added = {}, names, tensors, config }: Variant,
): Promise<string> {
  const copy = await copied(folder);
  const path = join(copy, 'model.safetensors');
  const file = await openSafetensorsFile(await openFile(path));
  const all: Tensors = new Map();
  for (const [name, { shape }] of file.tensors)
    if (!without?.test(name)) all.set(names?.(name) ?? name, { dtype: 'F32', shape, values: await file.read(name) });
  await file.close();
  for (const [name, shape] of Object.entries(added)) all.set(name, filling(name, shape));
  tensors?.(all);
  await writeSafetensors(path, all);
  const spelt = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
  await writeFile(join(copy, 'config.json'), JSON.stringify({ ...spelt, ...config }));
  return copy;
}
