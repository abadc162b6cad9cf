import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/lightning-attention.ts';
import type { Statement } from '../../src/claims/claim.ts';
import { decayShares, type LightningTextSetting, lightningText } from '../../src/claims/lightning-text.ts';
import { type LightningTime, type LightningTimeSetting, lightningTime } from '../../src/claims/lightning-time.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';

const named = <S, R>(name: string) => claim.statements.find((one) => one.name === name) as unknown as Statement<S, R>;
const text = (name: string) => named<LightningTextSetting, ToyFigures>(name);
const time = named<LightningTimeSetting, LightningTime>('linear-time');

const figures = (values: Record<string, number>): ToyFigures[] => [
  {
    values: { heldOutLoss: 2, longLoss: 2, drift: 0, firstExcess: 0, strongestExcess: 0, loss: 2, ...values },
    untrained: { loss: 4.3 },
    ...{ gradientNorm: { mean: 1, largest: 2 }, parameters: 1, steps: 1, seconds: 1 },
  },
];

describe('the judgements over characters', () => {
  it('as good as softmax is a loss within 0.1 nats that has fallen', () => {
    const judge = (TNL: Record<string, number>) =>
      text('as-good-as-softmax').judge({ TNL: figures(TNL), softmax: figures({}) }).verdict;
    expect(judge({ heldOutLoss: 2.05 })).toBe('shown');
    expect(judge({ heldOutLoss: 2.5 })).toBe('in part');
    expect(judge({ heldOutLoss: 4.3, loss: 4.3 })).toBe('not shown at this scale');
  });

  it('longer texts must change the loss by at most 0.05 either way', () => {
    const judge = (drift: number) =>
      text('longer-texts').judge({ TNL: figures({ drift }), softmax: figures({ drift: 1 }) }).verdict;
    expect([-0.04, 0.04, 0.2].map(judge)).toEqual(['shown', 'shown', 'not shown at this scale']);
  });

  it('no sink is shown only beside a twin that has one', () => {
    const judge = (excess: number, twin: number) =>
      text('no-sink').judge({ TNL: figures({ firstExcess: excess }), softmax: figures({ strongestExcess: twin }) })
        .verdict;
    expect(judge(0.01, 0.6)).toBe('shown');
    expect(judge(0.01, 0.1)).toBe('in part');
    expect(judge(0.4, 0.6)).toBe('in part');
  });
});

describe('what the decay leaves to the first token', () => {
  it('is λ^t / Σ λ^(t−s): by hand for three tokens, and hardly less than uniform in the last layer', () => {
    // Three heads: slopes 1/16, 1/256 and 1/4; the first layer's factor is 1.00001.
    const [, , third] = decayShares(0, 3);
    const l = Math.exp(-0.25 * 1.00001);
    expect(third).toBeCloseTo((l / (1 + l) + l ** 2 / (1 + l + l ** 2)) / 2, 10);
    for (const share of decayShares(3, 3)) expect(share).toBeCloseTo((1 / 2 + 1 / 3) / 2, 4);
  });
});

describe('runs over characters', () => {
  const run = async (arm: LightningTextSetting['arm']) => {
    await using runtime = nodeRuntime({ threads: 1 });
    return await lightningText.run({ arm, T: 16, batch: 2, steps: 2 }, 0, { runtime });
  };

  it('have as many parameters with a fifth projection as without, but for the angles', async () => {
    const [own, twin] = [await run('TNL'), await run('softmax')];
    expect(own.parameters - twin.parameters).toBe(96);
    for (const { values } of [own, twin]) {
      expect(values.heldOutLoss).toBeGreaterThan(3);
      expect(values.drift).toBeCloseTo(values.longLoss! - values.heldOutLoss!, 10);
      expect(Math.abs(values.firstExcess!)).toBeLessThan(0.2);
    }
  });

  it.each(['minutes', 'night'] as const)('the settings of %s fit', (size) => {
    for (const one of ['as-good-as-softmax', 'longer-texts', 'no-sink'])
      for (const setting of Object.values(text(one).settings(size))) lightningText.setting.parse(setting);
  });
});

describe('time', () => {
  const runs = (of: (form: string, tokens: number) => Omit<LightningTime, 'seconds'>) =>
    Object.fromEntries(
      Object.entries(time.settings('minutes')).map(([label, { form, tokens }]) => [
        label,
        [{ ...of(form, tokens), seconds: 1 }],
      ]),
    );

  it('is shown where blocks double and the square quadruples, and not where both do the same', () => {
    const growing = (power: number) => (tokens: number) => (tokens / 1024) ** power;
    const shown = runs((form, tokens) => {
      const grown = growing(form === 'blocks' ? 1 : 2)(tokens);
      return { milliseconds: form === 'blocks' ? grown : 0.9 * grown, multiplyAdds: 1e6 * grown };
    });
    expect(time.judge(shown).verdict).toBe('shown');
    const control = runs((_, tokens) => ({ milliseconds: tokens ** 2, multiplyAdds: tokens ** 2 }));
    expect(time.judge(control).verdict).toBe('in part');
    expect(time.judge(shown).figures).toHaveLength(2 * 4 + 1);
  });

  it('is measured, and its work counted: 2 n² D as a square, and linear terms with the states in blocks', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const [n, D, block] = [512, 64, 128];
    const quadratic = await lightningTime.run({ form: 'quadratic', tokens: n, runs: 1 }, 0, { runtime });
    const blocks = await lightningTime.run({ form: 'blocks', tokens: n, runs: 1 }, 0, { runtime });
    expect(quadratic.multiplyAdds).toBe(2 * n * n * D);
    expect(blocks.multiplyAdds).toBe(2 * n * block * D + 2 * n * D * D + (n / block) ** 2 * D * D);
    expect(blocks.milliseconds).toBeGreaterThan(0);
  });
});
