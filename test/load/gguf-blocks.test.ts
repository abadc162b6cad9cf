import { GGMLQuantizationType } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { ggmlTypeName, ggmlTypes } from '../../src/load/gguf/types.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { fixtures } from '../fixtures.ts';

const folder = fixtures();
const formats = [...ggmlTypes.values()].filter((type) => type.decode !== undefined);

describe('block formats of GGUF', () => {
  it.skipIf(folder === undefined)(
    'decode to the reference values bit for bit (needs the reference fixtures)',
    async () => {
      const file = await openSafetensorsFile(await openFile(`${folder}/gguf/blocks.safetensors`));
      expect(formats.map((type) => type.name)).toHaveLength(22);
      for (const type of formats) {
        const expected = await file.read(`${type.name}.values`);
        const raw = await file.readBytes(`${type.name}.raw`);
        expect(raw.length / type.bytes).toBe(expected.length / type.values);
        const got = new Float32Array(expected.length).fill(Number.NaN);
        type.decode!(raw, got);
        expect(new Uint32Array(got.buffer), type.name).toEqual(new Uint32Array(expected.buffer));
      }
      await file.close();
    },
  );

  it('have the numbers the format gives them', () => {
    for (const [number, type] of ggmlTypes) expect(GGMLQuantizationType[number]).toBe(type.name);
    for (const number of [9, 15, 24, 28, 40]) expect(ggmlTypeName(number)).toBe(GGMLQuantizationType[number]);
  });

  it('decode a hand-made Q4_1 block: low nibbles first, value = q d + m', () => {
    const block = new Uint8Array(20).fill(0x21, 4);
    block.set([0x00, 0x38, 0x00, 0x3c]); // d = 0.5, m = 1
    const out = new Float32Array(32);
    ggmlTypes.get(3)!.decode!(block, out);
    expect([...out]).toEqual([...Array(16).fill(1.5), ...Array(16).fill(2)]);
  });

  it('decode the extreme MXFP4 scales 2^-127 and 2^128', () => {
    const block = new Uint8Array(17).fill(0x72, 1); // low nibble 1.0, high nibble 6.0
    const out = new Float32Array(32);
    ggmlTypes.get(39)!.decode!(block, out);
    expect([out[0], out[16]]).toEqual([2 ** -127, 6 * 2 ** -127]);
    block[0] = 255;
    ggmlTypes.get(39)!.decode!(block, out);
    expect([out[0], out[16]]).toEqual([Infinity, Infinity]);
  });
});
