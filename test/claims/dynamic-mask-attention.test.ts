import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/dynamic-mask-attention.ts';
import type { Statement } from '../../src/claims/claim.ts';
import { areaUnderCurve, type DynamicMaskSetting, dynamicMaskRecall } from '../../src/claims/dynamic-mask-recall.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';

type One = Statement<DynamicMaskSetting, ToyFigures>;
const named = (name: string) => claim.statements.find((one) => one.name === name) as unknown as One;

const run = (values: Record<string, number>): ToyFigures => ({
  ...{ values, untrained: {}, gradientNorm: { mean: 1, largest: 2 }, parameters: 1, steps: 1, seconds: 1 },
});
const recalled = (accuracy: number, accuracyFar = accuracy) => [run({ accuracy, accuracyFar })];

describe('area under the curve', () => {
  it('is 1 where every positive is above, 0 below, a half for ties, and counts pairs', () => {
    expect(areaUnderCurve([1, 2, 3, 4], [false, false, true, true])).toBe(1);
    expect(areaUnderCurve([1, 2, 3, 4], [true, true, false, false])).toBe(0);
    expect(areaUnderCurve([5, 5, 5], [true, false, true])).toBe(0.5);
    // Pairs of 3 and 1 against 2: one of two.
    expect(areaUnderCurve([3, 2, 1], [true, false, true])).toBe(0.5);
    expect(areaUnderCurve([3, 2, 2, 1], [true, true, false, false])).toBe(0.875);
  });
});

describe('the judgement of recall', () => {
  const shown = {
    dense: recalled(0.99),
    'dynamic mask': recalled(0.98),
    'sliding window': recalled(0.3, 0.05),
    'random order': recalled(0.5, 0.4),
    'A frozen': recalled(0.3, 0.05),
  };

  it('is shown where the learned choice recalls and the others do not', () => {
    const { verdict, figures } = named('recall').judge(shown);
    expect(verdict).toBe('shown');
    expect(figures.filter(({ control }) => control)).toHaveLength(3);
  });

  it('is not where a control recalls as well, or the learned choice fails', () => {
    expect(named('recall').judge({ ...shown, 'random order': recalled(0.97) }).verdict).toBe('in part');
    expect(named('recall').judge({ ...shown, 'dynamic mask': recalled(0.3) }).verdict).toBe('in part');
  });
});

describe('the judgement of scores', () => {
  const scored = (scoreArea: number) => [run({ scoreArea, bestScoreArea: scoreArea, firstLayerScoreArea: scoreArea })];

  it('takes an area above 0.9, and not one of scores that choose nothing', () => {
    const judge = (area: number) =>
      named('scores-find-facts').judge({ 'dynamic mask': scored(area), 'random order': scored(0.5) }).verdict;
    expect(judge(0.95)).toBe('shown');
    expect(judge(0.5)).toBe('not shown at this scale');
  });
});

describe('the settings', () => {
  it.each(['minutes', 'night'] as const)('%s fit the experiment, and say how large the card is', (size) => {
    const settings = named('recall').settings(size);
    for (const setting of Object.values(settings)) dynamicMaskRecall.setting.parse(setting);
    expect(Object.values(settings)[0]).toMatchObject(
      size === 'night' ? { tokens: 256, pairs: 16, joined: false, steps: 2000 } : { tokens: 64, joined: true },
    );
  });

  it.each(Object.entries(named('recall').settings('minutes')))('%s runs', async (label, setting) => {
    await using runtime = nodeRuntime({ threads: 1 });
    const small = { ...setting, tokens: 32, pairs: 3, batch: 2, steps: 2 };
    const { values } = await dynamicMaskRecall.run(small, 0, { runtime });
    expect(Number.isFinite(values.accuracyFar)).toBe(true);
    const scored = label === 'dynamic mask' || label === 'random order';
    expect('scoreArea' in values).toBe(scored);
    if (scored) expect(values.scoreArea).toBeGreaterThan(0.05);
  });

  it('scores that stay equal are the window: the same figures from the same seed', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const settings = named('recall').settings('minutes');
    const of = async (label: string) => {
      const setting = { ...settings[label]!, tokens: 32, pairs: 3, batch: 4, steps: 3 };
      return (await dynamicMaskRecall.run(setting, 1, { runtime })).values;
    };
    const [frozen, window] = [await of('A frozen'), await of('sliding window')];
    expect(frozen.loss).toBeCloseTo(window.loss!, 5);
  });
});
