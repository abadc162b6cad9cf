import { describe, expect, it } from 'vitest';
import { type GatedOptions, gated } from '../../src/attention/mechanisms/gated-attention.ts';
import { softmaxAttention } from '../../src/attention/mechanisms/softmax.ts';
import { wholeText } from '../../src/attention/places.ts';
import { input, rename, type Within } from '../../src/tensor/index.ts';
import { siteOf, weightNodes } from './support.ts';

describe('parameters', () => {
  // The paper's mixture of 15 billion: 24 layers.
  const large = { H: 32, G: 4, D: 128, M: 2048 };
  function count(options: GatedOptions | undefined): number {
    const layer = (options ? gated(options) : softmaxAttention()).attention(siteOf({ sizes: large, position: {} }));
    const stream = input('x', { B: 1, T: 2, M: large.M });
    const hook = Object.assign((_: string, value: Within<string>) => value, { watched: () => false }) as never;
    const places = wholeText(2);
    const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, hook), places, hook);
    const stored = [...weightNodes([output.node]).values()].map(([first]) =>
      [...first!.node.axes.values()].reduce((size, axis) => size * axis.evaluate({}), 1),
    );
    return 24 * stored.reduce((a, b) => a + b, 0);
  }

  it.each([
    [{ position: 'sdpa-output' }, 201.3],
    [{ position: 'sdpa-output', sharing: 'shared' }, 201.3],
    [{ position: 'sdpa-output', granularity: 'head-wise' }, 1.57],
    [{ position: 'value' }, 25.2],
    [{ position: 'value', granularity: 'head-wise' }, 0.2],
    [{ position: 'key' }, 25.2],
    [{ position: 'query' }, 201.3],
    [{ position: 'dense-output' }, 100.7],
    [{ position: 'sdpa-output', activation: 'silu-only' }, 0],
  ] as [GatedOptions, number][])('%j adds %d million to the model of the paper', (options, millions) => {
    expect((count(options) - count(undefined)) / 1e6).toBeCloseTo(millions, millions === 1.57 ? 2 : 1);
  });
});

describe('options that contradict each other are refused by type and by name', () => {
  const refused: [() => unknown, string][] = [
    // @ts-expect-error no such position
    [() => gated({ position: 'sdpa' }), 'position "sdpa" is not one of sdpa-output, value, key, query, dense-output'],
    // @ts-expect-error no position
    [() => gated({}), 'expected position, one of sdpa-output, value, key, query, dense-output'],
    [
      // @ts-expect-error the block's output has no heads
      () => gated({ position: 'dense-output', granularity: 'head-wise' }),
      'granularity "head-wise" has no meaning at dense-output',
    ],
    // @ts-expect-error only stored with queries where it gates head outputs
    [() => gated({ position: 'value', layout: 'separate' }), 'layout "separate" has no meaning at value'],
    // @ts-expect-error values have no norm
    [() => gated({ position: 'value', order: 'after-head-norms' }), 'order "after-head-norms" has no meaning at value'],
    [
      // @ts-expect-error norms are asked for by name
      () => gated({ position: 'key', order: 'after-head-norms' }),
      'order "after-head-norms" needs headNorms, and there are none',
    ],
    [
      // @ts-expect-error Qwen3-Next has no head-wise gates
      () => gated({ position: 'sdpa-output', layout: 'query-head', granularity: 'head-wise' }),
      'layout "query-head" stores element-wise gates; use key-value-group or separate for head-wise ones',
    ],
    [
      // @ts-expect-error there is nothing to average
      () => gated({ position: 'value', sharing: 'shared', granularity: 'head-wise' }),
      'sharing "shared" averages element-wise scores; head-wise ones cannot be shared',
    ],
    [
      // @ts-expect-error no matrix, no layout
      () => gated({ position: 'sdpa-output', layout: 'separate', inputIndependent: true }),
      'layout "separate" has no meaning where the gate is input-independent',
    ],
    [
      // @ts-expect-error no gate, no granularity
      () => gated({ position: 'sdpa-output', activation: 'silu-only', granularity: 'head-wise' }),
      'granularity "head-wise" has no meaning without a gate (silu-only)',
    ],
    [
      // @ts-expect-error the non-linearity alone stands behind the heads
      () => gated({ position: 'value', activation: 'silu-only' }),
      'activation "silu-only" is for sdpa-output, not for value',
    ],
    // @ts-expect-error a slip of the keyboard
    [() => gated({ position: 'value', granularty: 'head-wise' }), 'granularty "head-wise" is not an option'],
  ];
  it.each(refused.map(([make, message]) => [message, make] as const))('%s', (message, make) => {
    expect(make).toThrow(`gated: ${message}`);
  });
});
