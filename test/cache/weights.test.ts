import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { full } from '../../src/cache/policies/full.ts';
import { createStream } from '../../src/cache/stream.ts';
import { run } from '../../src/models/run.ts';
import { bundled, fixtures } from '../fixtures.ts';
import { open } from '../models/support.ts';
import { worst } from './support.ts';

const shared = (name: string) => join(fixtures() ?? '', 'gguf', name);
const files = [
  ['llama-q8_0.gguf', bundled('gguf/llama-q8_0.gguf')],
  ...['llama-q4_0.gguf', 'llama-q4_1.gguf', 'qwen2-q4_1.gguf', 'llama-q6_k.gguf'].map((name) => [name, shared(name)]),
].filter(([, path]) => existsSync(path!)) as [string, string][];
const ids = Array.from({ length: 12 }, (_, i) => 3 + ((i * 29) % 90));

describe('weights in blocks', () => {
  it.each(files)('%s: multiplied as stored they give the logits of the decoded weights', async (_, path) => {
    await using model = await open(path);
    const { logits } = await run(model, { ids: [ids] });
    const expected = (logits!.data as Float32Array).slice(-model.decoder.sizes.V);
    await using exact = createStream(model, { policy: full({ capacity: 16 }), activations: 'float32' });
    await exact.read(ids);
    expect(worst([exact.logits[0]!], [expected])).toBeLessThan(1e-4);
    await using fast = createStream(model, { policy: full({ capacity: 16 }) });
    await fast.read(ids);
    const spread = Math.max(...expected) - Math.min(...expected);
    expect(worst([fast.logits[0]!], [expected])).toBeLessThan(0.05 * spread);
  });

  it('int8 is nearer to float32 than int4, and both are near', async () => {
    await using model = await open(new URL('../../models/books-6m', import.meta.url).pathname);
    const logitsOf = async (weights: 'float32' | 'int8' | 'int4') => {
      await using stream = createStream(model, { policy: full({ capacity: 16 }), weights });
      await stream.read(ids);
      return stream.logits[0]!;
    };
    const [plain, eight, four] = [await logitsOf('float32'), await logitsOf('int8'), await logitsOf('int4')];
    const spread = Math.max(...plain) - Math.min(...plain);
    expect(worst([eight], [plain])).toBeLessThan(0.02 * spread);
    expect(worst([four], [plain])).toBeLessThan(0.2 * spread);
    expect(worst([eight], [plain])).toBeLessThan(worst([four], [plain]));
  });
});
