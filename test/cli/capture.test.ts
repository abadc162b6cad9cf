import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/models/run.ts';
import { bundled } from '../fixtures.ts';
import { copied, furthest, open, openReference } from '../models/support.ts';
import { sinklab } from './terminal.ts';

const llama = bundled('families/llama');
const folder = () => copied(bundled('tokenizers/folder'));

describe('sinklab capture', () => {
  it('writes what the library captures, with axes, ids and the model in its metadata', async () => {
    const out = join(await folder(), 'x.safetensors');
    const done = await sinklab(
      'capture',
      llama,
      '--hook',
      'attn.hook_pattern',
      'ln_final.hook_out',
      '--layer',
      '1-2',
      '--head',
      '3',
      '--ids',
      '5,6,7',
      '--out',
      out,
    );
    expect(done.code).toBe(0);
    expect(done.err).toContain('capture: 3 tensors, 456 bytes for 1 × 3 tokens\n');
    expect(done.out).toContain('blocks.1.attn.hook_pattern  B 1 × H 1 × T 3 × S 3\n');
    const file = await openReference(out);
    await using model = await open(llama);
    const { captured } = await run(
      model,
      { ids: [[5, 6, 7]] },
      { capture: ['blocks.2.attn.hook_pattern', 'ln_final.hook_out'] },
    );
    const pattern = captured.get('blocks.2.attn.hook_pattern')!.data as Float32Array;
    expect(furthest(await file.read('blocks.2.attn.hook_pattern'), pattern.subarray(27, 36))).toBeLessThan(1e-6);
    expect(
      furthest(await file.read('ln_final.hook_out'), captured.get('ln_final.hook_out')!.data as Float32Array),
    ).toBeLessThan(1e-6);
    expect([...(await file.read('input.input_ids'))]).toEqual([5, 6, 7]);
    const metadata = (key: string) => JSON.parse(file.metadata.get(key)!);
    expect(file.metadata.get('schema')).toBe('sinklab.capture/1');
    expect(metadata('axes')).toEqual({
      'blocks.1.attn.hook_pattern': ['B', 'H', 'T', 'S'],
      'blocks.2.attn.hook_pattern': ['B', 'H', 'T', 'S'],
      'ln_final.hook_out': ['B', 'T', 'M'],
    });
    expect(metadata('kept')).toEqual({
      'blocks.1.attn.hook_pattern': { H: [3] },
      'blocks.2.attn.hook_pattern': { H: [3] },
    });
    expect(metadata('model')).toMatchObject({
      family: 'llama',
      files: [{ name: 'model.safetensors', bytes: (await stat(join(llama, 'model.safetensors'))).size }],
    });
  });

  it('reads input.* of a safetensors file, its own included, and stores half types', async () => {
    const [first, second] = [join(await folder(), 'a.safetensors'), join(await folder(), 'b.safetensors')];
    const again = (input: string, out: string) =>
      sinklab('capture', llama, '--hook', 'blocks.0.hook_out', '--input', input, '--dtype', 'float16', '--out', out);
    expect((await again(join(llama, 'expected.safetensors'), first)).code).toBe(0);
    expect((await again(first, second)).code).toBe(0);
    const [a, b, expected] = [
      await openReference(first),
      await openReference(second),
      await openReference(join(llama, 'expected.safetensors')),
    ];
    expect(a.tensors.get('blocks.0.hook_out')).toMatchObject({ dtype: 'F16', shape: [2, 13, 32] });
    const values = await a.read('blocks.0.hook_out');
    expect(furthest(values, await b.read('blocks.0.hook_out'))).toBe(0);
    expect(furthest(values, await expected.read('output.hidden_states.1'))).toBeLessThan(4e-3);
  });

  it.each([
    [
      ['--ids', '1,2', '--max-bytes', '100'],
      'capture: 3 tensors take 192 bytes, --max-bytes allows 100 bytes; the largest is blocks.0.attn.hook_pattern with 64 bytes; choose with --layer, --head and --position, --dtype float16, or allow more with --max-bytes',
    ],
    [[], 'capture: expected one of --text, --file, --ids, --image, --audio and --input, got none'],
    [
      ['--ids', '1', '--text', 'a'],
      'capture: expected one of --text, --file, --ids, --image, --audio and --input, got --text and --ids',
    ],
    [['--ids', '97'], '--ids: entry 0 is "97"; ids are integers from 0 to 96, written as 1,2,3'],
    [['--ids', '1', '--layer', '3'], 'layer 3: llama has layers 0 to 2'],
    [['--ids', '1', '--head', '4'], 'head 4: expected a whole number from 0 to 3'],
    [['--ids', '1', '--position', '1'], 'position 1: expected a whole number from 0 to 0'],
  ])('refuses %j before it runs and leaves no file', async (args, message) => {
    const target = await folder();
    const before = await readdir(target);
    const { code, out, err } = await sinklab(
      'capture',
      llama,
      '--hook',
      'attn.hook_pattern',
      ...args,
      '--out',
      join(target, 'x.safetensors'),
    );
    expect({ code, out, err: err.split('\n').at(-2) }).toEqual({ code: 1, out: '', err: `sinklab: ${message}` });
    expect(await readdir(target)).toEqual(before);
  });

  it('text needs a tokenizer, and says so', async () => {
    const { code, err } = await sinklab(
      'capture',
      llama,
      '--hook',
      'hook_out',
      '--text',
      'a',
      '--out',
      join(await folder(), 'x.safetensors'),
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /tokenizer\.json: no such file; give token ids with --ids, or copy tokenizer\.json into the folder\n$/,
    );
  });

  it('refuses a folder that is not there', async () => {
    const { err } = await sinklab(
      'capture',
      llama,
      '--hook',
      'hook_out',
      '--ids',
      '1',
      '--out',
      '/no/such/x.safetensors',
    );
    expect(err).toBe('sinklab: --out /no/such/x.safetensors: there is no folder /no/such\n');
  });
});
