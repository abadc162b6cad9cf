import { expect, it } from 'vitest';
import { type Rotary, rotate } from '../../src/attention/positions/rope.ts';
import { rotateKey } from '../../src/cache/rotate-key.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { constant, lower } from '../../src/tensor/index.ts';

const frequencies = [1, 0.25, 0.03];
const width = 8;
const values = Array.from({ length: width }, (_, i) => Math.sin(3 * i + 1));

it.each<[string, Rotary]>([
  ['half-split', { frequencies }],
  ['neighbouring', { frequencies, interleaved: true }],
])('a cached key turns as the model turns it, with %s pairs', async (_, rotary) => {
  await using runtime = nodeRuntime({ threads: 1 });
  const x = constant(values, { B: 1, T: 1, D: width });
  const turned = rotate(x, constant([7], { T: 1 }, 'int64') as never, rotary);
  const program = await runtime.compile(
    lower({ made: { value: turned, order: ['B', 'T', 'D'] } }, { weights: 'inputs' }),
  );
  const expected = (await program.run({})).made!.data as Float32Array;
  const key = new Float32Array(width);
  rotateKey(new Float32Array(values), 0, key, 0, width, 7, rotary);
  key.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 6);
  });
  const [a, b] = rotary.interleaved ? [0, 1] : [0, frequencies.length];
  expect(key[a]).toBeCloseTo(values[a]! * Math.cos(7) - values[b]! * Math.sin(7), 6);
  expect([key[6], key[7]]).toEqual([Math.fround(values[6]!), Math.fround(values[7]!)]);
});
