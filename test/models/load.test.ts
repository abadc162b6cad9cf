import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { load as loadFiles, memoryFolder, memorySource, run } from '../../src/index.ts';
import { load, loadNamed, nodeRuntime } from '../../src/index-node.ts';
import { bundled } from '../fixtures.ts';
import { copied, furthest, someIds } from './support.ts';

const ids = [someIds(13)];
const gguf = bundled('gguf/llama-q8_0.gguf');
const llama = bundled('families/llama');

describe('load', () => {
  it('by path in Node and from files in memory gives the same model', async () => {
    const files = new Map<string, Uint8Array>();
    for (const name of ['config.json', 'model.safetensors']) files.set(name, await readFile(join(llama, name)));
    await using fromMemory = await loadFiles(memoryFolder('llama', files), { runtime: nodeRuntime({ threads: 1 }) });
    await using fromPath = await load(llama, { threads: 1 });
    const [a, b] = [await run(fromMemory, { ids }), await run(fromPath, { ids })];
    expect(furthest(a.logits!.data as Float32Array, b.logits!.data as Float32Array)).toBeLessThan(1e-5);
  });

  it('reads a GGUF file from memory too', async () => {
    const bytes = await readFile(gguf);
    await using fromMemory = await loadFiles(memorySource('llama-q8_0.gguf', bytes), {
      runtime: nodeRuntime({ threads: 1 }),
    });
    await using fromPath = await load(gguf, { threads: 1 });
    const [a, b] = [await run(fromMemory, { ids }), await run(fromPath, { ids })];
    expect(furthest(a.logits!.data as Float32Array, b.logits!.data as Float32Array)).toBeLessThan(1e-5);
  });

  it('does without a tokenizer unless it is needed, and tells why there is none', async () => {
    const { model, noTokenizer } = await loadNamed(llama, { threads: 1 });
    await model.dispose();
    expect(model.tokenizer).toBeUndefined();
    expect(noTokenizer?.message).toMatch(
      /tokenizer\.json: no such file; give token ids with --ids, or copy tokenizer\.json into the folder$/,
    );
    await expect(load(llama, { tokenizer: 'needed' })).rejects.toThrow('tokenizer.json: no such file');
    const folder = await copied(llama);
    await expect(load(join(folder, 'none'))).rejects.toThrow('no such file or folder');
  });
});
