import { describe, expect, it } from 'vitest';
import { queryAndGate } from '../../src/attention/gates/gate-layout.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower, type Output } from '../../src/tensor/index.ts';

describe('where q_proj holds queries and gates', () => {
  const rows = (count: number) => Float32Array.from({ length: count }, (_, i) => i);
  async function read(layout: 'key-value-group' | 'query-head', granularity: 'element-wise' | 'head-wise') {
    const sizes = { H: 4, G: 2, D: 2, M: 1 };
    const { q, scores } = queryAndGate(input('x', { B: 1, T: 1, M: 1 }), (name) => name, sizes, {
      layout,
      granularity,
    });
    const axes = ['B', 'T', 'G', 'R', 'D'];
    const outputs: Record<string, Output> = {
      q: { value: q, order: axes },
      gate: { value: scores, order: granularity === 'head-wise' ? axes.slice(0, -1) : axes },
    };
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
    const { input: name, shape } = program.graph.weights[0]!;
    const one = { type: 'float32' as const, shape: [1, 1, 1], data: Float32Array.of(1) };
    const made = await program.run({
      x: one,
      [name]: { type: 'float32', shape, data: rows(shape.reduce((a, b) => a * b, 1)) },
    });
    return [[...(made.q!.data as Float32Array)], [...(made.gate!.data as Float32Array)]];
  }

  it('a head-wise gate for each key/value group: R queries, then R gates', async () => {
    expect(await read('key-value-group', 'head-wise')).toEqual([
      [0, 1, 2, 3, 6, 7, 8, 9],
      [4, 5, 10, 11],
    ]);
  });

  it('an element-wise gate for each key/value group: R queries, then R gates of width D', async () => {
    expect(await read('key-value-group', 'element-wise')).toEqual([
      [0, 1, 2, 3, 8, 9, 10, 11],
      [4, 5, 6, 7, 12, 13, 14, 15],
    ]);
  });

  it('a gate for each query head: D queries, then D gates', async () => {
    expect(await read('query-head', 'element-wise')).toEqual([
      [0, 1, 4, 5, 8, 9, 12, 13],
      [2, 3, 6, 7, 10, 11, 14, 15],
    ]);
  });
});
