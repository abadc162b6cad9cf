import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { dot, gather, input, lower, multiply, type WeightStorage, weight } from '../../src/tensor/index.ts';

const values = Float32Array.from({ length: 12 }, (_, i) => i - 4);
const x = input('x', { T: 'T', M: 4 });
const table = weight('model.embed_tokens.weight', { V: 3, M: 4 });
const logits = dot(x, table, 'M');
const rows = gather(table, input('ids', { T: 'T' }, 'int64'), 'V');
const outputs = { logits: { value: logits }, rows: { value: multiply(rows, 2) } };
const feeds: Record<string, HostTensor> = {
  x: { type: 'float32', shape: [1, 4], data: new Float32Array([1, 0, 0, 2]) },
  ids: { type: 'int64', shape: [1], data: new BigInt64Array([2n]) },
};
const expected = { logits: [-4 - 2, 0 + 6, 4 + 14], rows: [8, 10, 12, 14] };
const plain = (results: Record<string, HostTensor>) =>
  Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));

/** The upper halves of the floats: these values are exact in bfloat16. */
const bfloat16 = new Uint16Array(new Uint32Array(values.buffer).length);
new Uint32Array(values.buffer).forEach((bits, i) => {
  bfloat16[i] = bits >>> 16;
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sinklab-weights-'));
  // An odd offset, as a safetensors header may leave it.
  await writeFile(join(folder, 'float32.bin'), Buffer.concat([Buffer.alloc(7), Buffer.from(values.buffer)]));
  await writeFile(join(folder, 'bfloat16.bin'), Buffer.concat([Buffer.alloc(7), Buffer.from(bfloat16.buffer)]));
});
afterAll(() => rm(folder, { recursive: true }));

describe('weights', () => {
  it('are fed under the name that the graph gives, once each', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const graph = lower(outputs, { weights: 'inputs' });
    expect(graph.weights.map(({ weight, shape }) => [weight, shape])).toEqual([['model.embed_tokens.weight', [3, 4]]]);
    const program = await runtime.compile(graph);
    const fed = { [graph.weights[0]!.input]: { type: 'float32' as const, shape: [3, 4], data: values } };
    expect(plain(await program.run({ ...feeds, ...fed }))).toEqual(expected);
    await expect(program.run(feeds)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunError: weight "model.embed_tokens.weight" (input %w0) was not fed]`,
    );
    const turned = { [graph.weights[0]!.input]: { type: 'float32' as const, shape: [4, 3], data: values } };
    await expect(program.run({ ...feeds, ...turned })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RunError: weight "model.embed_tokens.weight": expected [3, 4], got [4, 3]]`,
    );
  });
  for (const type of ['float32', 'bfloat16'] as const)
    it(`are read in place from a file, as ${type}`, async () => {
      await using runtime = nodeRuntime({ threads: 1 });
      const length = type === 'float32' ? 48 : 24;
      const stored = (): WeightStorage => ({ type, location: `${type}.bin`, offset: 7, length });
      const graph = lower(outputs, { weights: stored });
      expect(graph.bytes.length).toBeLessThan(2000);
      const program = await runtime.compile(graph, { weightFolder: folder });
      expect(plain(await program.run(feeds))).toEqual(expected);
    });
  it('that lie outside their file do not load', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const stored = (): WeightStorage => ({ type: 'float32', location: 'float32.bin', offset: 8, length: 48 });
    const graph = lower(outputs, { weights: stored });
    await expect(runtime.compile(graph, { weightFolder: folder })).rejects.toThrow(
      'the runtime did not accept the program',
    );
  });
  it('of a folder that is not there do not load', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const stored = (): WeightStorage => ({ type: 'float32', location: 'none.bin', offset: 0, length: 48 });
    const graph = lower(outputs, { weights: stored });
    await expect(runtime.compile(graph, { weightFolder: folder })).rejects.toThrow(
      'the runtime did not accept the program',
    );
  });
});
