import { readFileSync } from 'node:fs';
import { gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { parseGgufHeader } from '../../src/load/gguf/header.ts';
import { llama3Factors, recoverLlama3 } from '../../src/load/gguf/rope-factors.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { bundled, fixtures } from '../fixtures.ts';
import { expectSame, families } from './gguf-support.ts';

const shared = fixtures();
const bundledPath = bundled('gguf/llama-q8_0.gguf');

describe('a GGUF file', () => {
  it('of Llama has the names, shapes and configuration of the checkpoint, and its values to Q8_0 accuracy', async () => {
    const ours = await openLocal(bundledPath);
    const reference = await families('llama');
    await expectSame(ours, reference, 0.0045);
    for (const [key, value] of Object.entries(ours.config)) expect(reference.config[key], key).toEqual(value);
    expect(ours.provenance).toEqual({
      format: 'gguf',
      source: bundledPath,
      dtypes: ['gguf:Q8_0', 'F32'],
      ropePairing: 'interleaved, rows restored to half-split',
    });
    expect(ours.ggufTokenizer).toBeUndefined();
    const norm = ours.tensors.get('model.norm.weight')!;
    expect(norm.inPlace).toEqual({ file: bundledPath, offset: 44352 });
    const raw = readFileSync(bundledPath).subarray(44352, 44352 + 128);
    expect(Buffer.from((await ours.read('model.norm.weight')).buffer)).toEqual(raw);
    expect(ours.tensors.get('lm_head.weight')!.inPlace).toBeUndefined();
    expect((await ours.readBytes('lm_head.weight')).length).toBe(3298);
    await expect(ours.readBytes('model.layers.0.self_attn.q_proj.weight')).rejects.toThrow('stored in another order');
    expect((await ours.files())[0]!.bytes).toBe(47808);
    await ours.close();
    await expect(ours.read('lm_head.weight')).rejects.toThrow();
  });

  it.skipIf(shared === undefined)(
    'in float32 equals the checkpoint exactly (needs the reference fixtures)',
    async () => {
      for (const name of ['llama', 'qwen2']) {
        const ours = await openLocal(`${shared}/gguf/${name}-f32.gguf`);
        await expectSame(ours, await families(name));
        expect(ours.provenance.ropePairing.startsWith(name === 'llama' ? 'interleaved' : 'half-split')).toBe(true);
        await ours.close();
      }
    },
  );

  it('parses to the same metadata and tensors as the Hugging Face library', async () => {
    const source = await openFile(bundledPath);
    const ours = await parseGgufHeader(source);
    const theirs = await gguf(bundledPath, { allowLocalFile: true });
    const { version: _v, tensor_count: _t, kv_count: _k, ...metadata } = theirs.metadata as Record<string, unknown>;
    expect(Object.fromEntries(ours.metadata)).toEqual(metadata);
    expect(ours.tensors.map(({ name, shape, offset }) => ({ name, shape, offset }))).toEqual(
      theirs.tensorInfos.map((info) => ({
        name: info.name,
        shape: info.shape.map(Number).reverse(),
        offset: Number(theirs.tensorDataOffset + info.offset),
      })),
    );
    await source.close();
  });
});

describe('the table of Llama 3 scaling', () => {
  const published = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  it('gives back the published parameters', () => {
    for (const count of [64, 32]) {
      const table = Float32Array.from(llama3Factors(500_000, count, published));
      expect(recoverLlama3(500_000, table)).toEqual(published);
    }
    const other = { ...published, factor: 32 };
    expect(recoverLlama3(500_000, Float32Array.from(llama3Factors(500_000, 32, other)))).toEqual(other);
  });

  it('is nothing when all factors are one, and refused when no parameters give it', () => {
    expect(recoverLlama3(10_000, new Float32Array(8).fill(1))).toBe('none');
    expect(recoverLlama3(10_000, Float32Array.of(1, 2, 1, 8))).toBeUndefined();
    expect(recoverLlama3(10_000, Float32Array.of(0.5, 2, 4, 8))).toBeUndefined();
    expect(recoverLlama3(10_000, Float32Array.of(Number.NaN, 2, 4, 8))).toBeUndefined();
  });
});
