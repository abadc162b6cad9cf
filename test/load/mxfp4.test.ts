import { describe, expect, it } from 'vitest';
import type { Checkpoint, StoredTensor } from '../../src/load/checkpoint.ts';
import { withMxfp4 } from '../../src/load/mxfp4.ts';

const root = 'model.layers.0.mlp.experts.down_proj';
type Stored = Record<string, { shape: number[]; bytes: Uint8Array<ArrayBuffer>; dtype?: StoredTensor['dtype'] }>;

function checkpoint(stored: Stored): Checkpoint {
  const tensors = new Map(
    Object.entries(stored).map(([name, { shape, bytes, dtype = 'U8' }]) => [
      name,
      { name, dtype, shape, bytes: bytes.length },
    ]),
  );
  return {
    ...{ config: {}, tensors, files: async () => [], close: async () => {} },
    provenance: { format: 'safetensors', source: 'MODEL', dtypes: ['U8'], ropePairing: 'half-split' },
    read: async (name) => Float32Array.from(stored[name]!.bytes),
    readBytes: async (name) => stored[name]!.bytes,
  };
}

/** Two experts of two rows and 64 columns, and a plain tensor. */
const shape = [2, 2, 2, 16];
const blocks = Uint8Array.from({ length: 128 }, (_, i) => (i * 37 + 11) % 256);
const scales = Uint8Array.of(127, 128, 126, 0, 120, 250, 127, 1);
const whole = (): Stored => ({
  [`${root}_blocks`]: { shape, bytes: blocks },
  [`${root}_scales`]: { shape: [2, 2, 2], bytes: scales },
  'model.norm.weight': { shape: [3], bytes: Uint8Array.of(1, 2, 3), dtype: 'F32' },
});
const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

describe('experts in MXFP4', () => {
  it('are tensors [E, columns, rows] of 2^(scale − 127) · E2M1, the low half of a byte first', async () => {
    const read = withMxfp4(checkpoint(whole()));
    expect([...read.tensors.keys()]).toEqual([root, 'model.norm.weight']);
    expect(read.tensors.get(root)).toEqual({ name: root, dtype: 'MXFP4', shape: [2, 64, 2], bytes: 128 + 8 });
    expect(read.provenance.dtypes).toEqual(['MXFP4', 'F32']);
    const expected: number[] = [];
    for (let e = 0; e < 2; e++)
      for (let column = 0; column < 64; column++)
        for (let row = 0; row < 2; row++) {
          const group = (e * 2 + row) * 2 + Math.floor(column / 32);
          const byte = blocks[group * 16 + Math.floor((column % 32) / 2)]!;
          const nibble = column % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
          const size = e2m1[nibble % 8]! * 2 ** (scales[group]! - 127);
          // Negative zero is read as zero.
          expected.push(nibble < 8 || size === 0 ? size : -size);
        }
    expect([...(await read.read(root))]).toEqual([...Float32Array.from(expected)]);
    expect([...(await read.read('model.norm.weight'))]).toEqual([1, 2, 3]);
  });

  it('a checkpoint without them is left as it is', () => {
    const plain = checkpoint({ 'model.norm.weight': whole()['model.norm.weight']! });
    expect(withMxfp4(plain)).toBe(plain);
  });

  it.each<[string, (stored: Stored) => void, string]>([
    [
      'blocks without scales',
      (stored) => delete stored[`${root}_scales`],
      `MODEL: tensor "${root}_blocks" is in MXFP4, but there is no "${root}_scales"`,
    ],
    [
      'scales without blocks',
      (stored) => delete stored[`${root}_blocks`],
      `MODEL: tensor "${root}_scales" is in MXFP4, but there is no "${root}_blocks"`,
    ],
    [
      'a plain tensor of the same name',
      (stored) => Object.assign(stored, { [root]: stored['model.norm.weight'] }),
      `MODEL: tensor "${root}" is there twice, plain and in MXFP4`,
    ],
    [
      'scales of another shape',
      (stored) => Object.assign(stored[`${root}_scales`]!, { shape: [2, 4, 1] }),
      `MODEL: expected "${root}_blocks" of bytes [E, rows, groups, 16] and "${root}_scales" of bytes [E, rows, groups], got U8 [2,2,2,16] and U8 [2,4,1]`,
    ],
  ])('refuses %s', (_, change, message) => {
    const stored = whole();
    change(stored);
    expect(() => withMxfp4(checkpoint(stored))).toThrow(message);
  });

  it('refuses a scale that is not a number when the tensor is read', async () => {
    const stored = whole();
    stored[`${root}_scales`]!.bytes = Uint8Array.of(127, 255, 127, 127, 127, 127, 127, 127);
    await expect(withMxfp4(checkpoint(stored)).read(root)).rejects.toThrow(
      `MODEL: tensor "${root}_scales" has a scale that is not a number (byte 255)`,
    );
  });
});
