import { expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  constant,
  dot,
  input,
  iota,
  lessOrEqual,
  lower,
  mean,
  merge,
  pick,
  rename,
  select,
  softmax,
  topMask,
} from '../../src/tensor/index.ts';

it('runs', async () => {
  const x = input('x', { B: 'B', T: 'T', M: 4 });
  const w = constant(
    Array.from({ length: 32 }, (_, i) => i / 10 - 1),
    { G: 2, R: 2, D: 2, M: 4 },
  );
  const q = dot(x, w, 'M');
  const k = rename(pick(q, 'R', 0), 'T', 'S');
  const s = dot(q, k, 'D');
  const mask = lessOrEqual(iota('S', 'T'), iota('T', 'T'));
  const p = softmax(select(mask, s, Number.NEGATIVE_INFINITY), 'S');
  const outputs = {
    p: { value: merge(p, ['G', 'R'], 'H'), order: ['B', 'H', 'T', 'S'] },
    m: { value: mean(p, 'T') },
    top: { value: topMask(q, 'D', 1) },
  };
  const g = lower(outputs, { weights: 'inputs' });
  expect(Buffer.from(lower(outputs, { weights: 'inputs' }).bytes).equals(Buffer.from(g.bytes))).toBe(true);
  const rt = nodeRuntime({ threads: 1 });
  const prog = await rt.compile(g);
  const out = await prog.run({
    x: { type: 'float32', shape: [1, 3, 4], data: new Float32Array(12).map((_, i) => Math.sin(i)) },
  });
  console.log(out.p, out.m, out.top);
  await rt.dispose();
});
