import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundled } from '../fixtures.ts';
import { copied } from '../models/support.ts';
import { sinklab } from './terminal.ts';

const llama = bundled('families/llama');

describe('sinklab verify', () => {
  it('holds: exit code 0, a line for each kind, and which file was used', async () => {
    const { code, out, err } = await sinklab('verify', llama);
    expect(code).toBe(0);
    expect(out).toMatch(/^watched +plain +attentions +3 +4056 +\d\.\de-[67] +output\.attentions\.\d$/m);
    expect(out).toMatch(/^fast +padded +logits +1 +2134 /m);
    expect(out).toMatch(
      /30 tensors, 30\u00a0320 values compared; holds where \|a − b\| ≤ 1\.0e-4 · max\(1, \|b\|\), logits 2\.0e-4\nverify: holds\n$/,
    );
    expect(err).toMatch(/model\.safetensors \(121 kB, sha256 [0-9a-f]{12}…\), stored as F32, run as float32\n$/);
  });

  it('does not hold: exit code 1, the first layer and tensor, by how much, where, and the weights in question', async () => {
    const folder = await copied(llama);
    const path = join(folder, 'config.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"rope_theta": [0-9.]+/, '"rope_theta": 20000.0'));
    const { code, out } = await sinklab('verify', folder, '--lowering', 'watched');
    expect(code).toBe(1);
    const text = out.replace(/\s+/g, ' ');
    expect(text).toMatch(
      /First difference: layer 0, output\.attentions\.0 \(watched lowering\) differs by \d\.\de-[12] · max\(1, \|b\|\), allowed 1\.0e-4: [-\d.e]+ where [-\d.e]+ is expected at \[\d, \d, \d+, \d+\]\./,
    );
    expect(text).toContain(
      'Weights read since the last values that hold: model.layers.0.self_attn.k_proj.weight, model.layers.0.self_attn.q_proj.weight.',
    );
    expect(text).toMatch(/verify: DIFFERS $/);
  });

  it('finds the reference beside a GGUF file', async () => {
    const { code, out } = await sinklab('verify', bundled('gguf/llama-q8_0.gguf'), '--lowering', 'fast');
    expect(code).toBe(0);
    expect(out).toMatch(/^fast +plain +logits +1 /m);
  });

  it('--json writes JSON and nothing else to standard output, or to a file', async () => {
    const { out } = await sinklab('verify', llama, '--json');
    const result = JSON.parse(out);
    expect(result).toMatchObject({
      schema: 'sinklab.verify/1',
      holds: true,
      family: 'llama',
      missing: [],
      unknown: [],
    });
    expect(result.comparisons.length).toBe(30);
    const folder = await copied(llama);
    const file = await sinklab('verify', folder, '--json', join(folder, 'report.json'));
    expect(file.out).toMatch(/verify: holds\n$/);
    expect(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')).holds).toBe(true);
  });

  it('says how to name a reference where there is none', async () => {
    const { code, err } = await sinklab(
      'verify',
      bundled('families/llama/model.safetensors'),
      '--against',
      join(llama, 'none.safetensors'),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/none\.safetensors: cannot be opened \(no such file or folder\)\n$/);
    const missing = await sinklab('verify', bundled('gguf/llama-q8_0.gguf'), '--against', join(llama, 'config.json'));
    expect(missing.code).toBe(1);
    expect(missing.err).toMatch(/^sinklab: safetensors config\.json: /);
  });
});
