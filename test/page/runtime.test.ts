import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { type OnnxRuntime, openSession } from '../../src/runtime/onnxruntime.ts';
import { needsChromium, type OpenPage, openPage } from './chromium.ts';
import { mixtureFeeds, mixtureProgram } from './mixture.ts';
import {
  attentionFeeds,
  attentionProgram,
  operatorFeeds,
  operatorModel,
  type Plain,
  plain,
  positions,
} from './program.ts';

/** The largest |a − b| over all tensors, which must have the same names and shapes. */
function distance(a: Plain, b: Plain): number {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Math.max(
    ...Object.entries(a).flatMap(([name, { shape, values }]) => {
      expect(b[name]!.shape).toEqual(shape);
      return values.map((value, i) => {
        const difference = Math.abs(value - b[name]!.values[i]!);
        return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      });
    }),
  );
}

describe.skipIf(needsChromium !== '')(`programs in a real page${needsChromium}`, () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage('./runtime.page.ts');
  });
  afterAll(() => opened?.[Symbol.asyncDispose]());

  it('a program run by WebAssembly with two threads agrees with Node to 1e-4', async () => {
    const { isolated, threads, outputs } = await opened.call<{ isolated: boolean; threads: number; outputs: Plain }>(
      'run',
      2,
    );
    expect({ isolated, threads }).toEqual({ isolated: true, threads: 2 });
    await using runtime = nodeRuntime({ threads: 1 });
    const program = await runtime.compile(attentionProgram());
    const expected = plain(await program.run(attentionFeeds()));
    expect(expected.pattern!.shape).toEqual([2, 4, 5, 5]);
    expect(distance(outputs, expected)).toBeLessThan(1e-4);
  });

  it('a page that is not cross-origin isolated gets one thread and the same numbers', async () => {
    await using plainPage = await openPage('./runtime.page.ts', { isolated: false });
    const alone = await plainPage.call<{ isolated: boolean; threads: number; outputs: Plain }>('run', 2);
    expect({ isolated: alone.isolated, threads: alone.threads }).toEqual({ isolated: false, threads: 1 });
    const { outputs } = await opened.call<{ outputs: Plain }>('run', 2);
    expect(distance(alone.outputs, outputs)).toBeLessThan(1e-6);
  });

  it('the rows of a pattern made in the page sum to one and see no later key', async () => {
    const { outputs } = await opened.call<{ outputs: Plain }>('run', 1);
    const { values } = outputs.pattern!;
    for (let row = 0; row < values.length / 5; row++) {
      const keys = values.slice(5 * row, 5 * row + 5);
      expect(keys.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(keys.slice((row % 5) + 1).every((value) => value === 0)).toBe(true);
    }
  });

  it('the Attention operator of opset 23 and angles in double precision agree with Node', async () => {
    const actual = await opened.call<Plain>('operators');
    const session = await openSession(ort as unknown as OnnxRuntime, operatorModel(), 'cpu', {
      threads: 1,
      verbose: false,
    });
    const expected = plain(await session.run(operatorFeeds(), ['z', 'pattern', 'angle']));
    await session.release();
    expect(distance(actual, expected)).toBeLessThan(1e-4);
    actual.angle!.values.forEach((angle, i) => {
      expect(angle).toBeCloseTo((positions[i]! * 0.7) % (2 * Math.PI), 6);
    });
  });

  it.each([1, 33])(
    'experts evaluated where they are chosen, and their gradients, agree with Node for %d tokens',
    async (T) => {
      await using runtime = nodeRuntime({ threads: 1 });
      const program = await runtime.compile(mixtureProgram());
      expect(program.graph.weights.map(({ input, parts }) => [input, parts?.length])).toEqual([
        ['%w0', 6],
        ['%w1', 6],
      ]);
      const expected = plain(await program.run(mixtureFeeds(T)));
      expect(Math.max(...expected.y!.values.map(Math.abs))).toBeGreaterThan(0.1);
      expect(distance(await opened.call<Plain>('mixture', T), expected)).toBeLessThan(1e-5);
    },
  );

  it('fed arrays stay whole over many runs, and every run gives the same numbers', async () => {
    expect(await opened.call('repeat', 50)).toEqual({ whole: true, equal: true });
  });

  it('a page error is told, not swallowed', async () => {
    await expect(opened.call('run', 0)).rejects.toThrow('threads: expected a whole number from 1 to 1024, got 0');
  });
});
