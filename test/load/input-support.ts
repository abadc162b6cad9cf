import { openFile } from '../../src/load/bytes-node.ts';
import type { RgbImage } from '../../src/load/images/rgb-image.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { bundled } from '../fixtures.ts';

export const inputFile = (name: string) => bundled(`inputs/${name}`);

/** All tensors of a file of reference values. */
export async function expectedTensors(name: string): Promise<Map<string, { shape: number[]; values: Float32Array }>> {
  const file = await openSafetensorsFile(await openFile(inputFile(name)));
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [key, { shape }] of file.tensors) tensors.set(key, { shape: [...shape], values: await file.read(key) });
  await file.close();
  return tensors;
}

/** The picture of the reference script: slopes with a texture. */
export function picture(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const [c, x, y] = [at % 3, Math.floor(at / 3) % width, Math.floor(at / 3 / width)];
    return (5 * x + 9 * y + 60 * c + ((x * y * (c + 1)) % 31) * 4) % 256;
  });
  return { width, height, data };
}

/** The sound of the reference script: three tones that come and go, and a hiss. */
export function sound(seconds: number, rate: number): Float32Array {
  return Float32Array.from({ length: Math.trunc(seconds * rate) }, (_, i) => {
    const turn = (2 * Math.PI * i) / rate;
    const hiss = ((i * 7919) % 10007) / 10007 - 0.5;
    const tones = 0.3 * Math.sin(220 * turn) + 0.2 * Math.sin(1250 * turn) * Math.sin(3 * turn);
    return tones + 0.05 * Math.sin(5300 * turn) + 0.02 * hiss;
  });
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
