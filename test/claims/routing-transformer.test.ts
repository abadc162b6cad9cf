import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/routing-transformer.ts';
import type { Statement } from '../../src/claims/claim.ts';
import { type RoutingRecallSetting, routingFigures, routingRecall } from '../../src/claims/routing-recall.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { constant, lower } from '../../src/tensor/index.ts';

type One = Statement<RoutingRecallSetting, ToyFigures>;
const named = (name: string) => claim.statements.find((one) => one.name === name) as unknown as One;

const run = (values: Record<string, number>, untrained: Record<string, number> = {}): ToyFigures => ({
  ...{ values, untrained, gradientNorm: { mean: 1, largest: 2 }, parameters: 1, steps: 1, seconds: 1 },
});
const recalled = (accuracy: number, accuracyFar = accuracy) => [run({ accuracy, accuracyFar, accuracyFarPast: 0.9 })];

describe('figures of routing heads', () => {
  // Four heads over three tokens: two local ones, then two that route.
  const [T, H] = [3, 4];
  const figures = async (heads: readonly (readonly number[][])[], scores = 0) => {
    await using runtime = nodeRuntime({ threads: 1 });
    const axes = { B: 1, G: H, R: 1, T, S: T };
    const pattern = constant(heads.flat(2), axes);
    const level = constant(new Array<number>(H * T * T).fill(scores), axes);
    const values = routingFigures({ patterns: [pattern], scores: [level] } as never);
    const outputs = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
    const found = await (await runtime.compile(lower(outputs, { weights: 'inputs' }))).run({});
    return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Number(data[0])]));
  };
  const self = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  const all = [
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0.25, 0.25, 0.5],
  ];
  const first = [
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
  ];

  it('cover all of the mass where clusters hold all tokens, none where each is alone, and by equal scores what is shared', async () => {
    expect((await figures([self, self, all, all])).coverage).toBeCloseTo(1, 5);
    expect((await figures([all, all, self, self])).coverage).toBeCloseTo(0, 5);
    // Token 1 has token 0 in its cluster; token 2 has one of two.
    expect((await figures([self, self, first, first])).coverage).toBeCloseTo(0.75, 5);
  });

  it('diverge by nothing from the same pattern, and by ln 2 where nothing is shared', async () => {
    const same = await figures([all, all, all, all]);
    expect(same.routingLocal).toBeCloseTo(0, 5);
    const before = [
      [0, 0, 0],
      [1, 0, 0],
      [1, 0, 0],
    ];
    // Row 0 gives nothing and does not count.
    const apart = await figures([self, self, before, before]);
    expect(apart.routingLocal).toBeCloseTo(Math.LN2, 4);
    expect(apart.localLocal).toBeCloseTo(0, 5);
  });
});

describe('the judgements', () => {
  const shown = {
    full: recalled(0.99),
    local: recalled(0.2, 0.05),
    routing: recalled(0.97),
    'fixed centroids': recalled(0.7),
    'scrambled clusters': recalled(0.3, 0.1),
  };

  it('recall is shown where routing recalls and neither local heads nor scrambled clusters do', () => {
    expect(named('recall').judge(shown).verdict).toBe('shown');
    expect(named('recall').judge({ ...shown, 'scrambled clusters': recalled(0.9) }).verdict).toBe('in part');
    expect(named('recall').judge({ ...shown, routing: shown.local }).verdict).toBe('in part');
  });

  it('coverage must rise and lie above w / n', () => {
    const judge = (before: number, after: number) =>
      named('clusters-follow-attention').judge({
        routing: [run({ coverage: after }, { coverage: before })],
        'fixed centroids': [run({ coverage: 0.2 })],
        'scrambled clusters': [run({ coverage: 0.12 })],
      }).verdict;
    expect(judge(0.2, 0.5)).toBe('shown');
    expect(judge(0.5, 0.2)).toBe('in part');
    expect(judge(0.2, 0.1)).toBe('not shown at this scale');
  });

  it('heads differ when routing ones diverge from local ones by much more than those from each other', () => {
    const judge = (routingLocal: number) =>
      named('heads-differ').judge({ routing: [run({ routingLocal, localLocal: 0.2 })] }).verdict;
    expect(judge(0.4)).toBe('shown');
    expect(judge(0.2)).toBe('not shown at this scale');
  });
});

describe('the settings', () => {
  it('of a night are the card’s', () => {
    for (const setting of Object.values(named('recall').settings('night')))
      expect(routingRecall.setting.parse(setting)).toMatchObject({
        tokens: 256,
        pairs: 16,
        joined: false,
        steps: 2000,
      });
  });

  it.each(Object.entries(named('recall').settings('minutes')))('%s runs', async (arm, setting) => {
    await using runtime = nodeRuntime({ threads: 1 });
    const small = { ...setting, tokens: 32, pairs: 3, batch: 2, steps: 2 };
    const { values, untrained } = await routingRecall.run(small, 0, { runtime });
    const routes = arm !== 'full' && arm !== 'local';
    expect('coverage' in values && 'coverage' in untrained).toBe(routes);
    if (routes) {
      expect(untrained.coverage).toBeGreaterThan(0);
      expect(untrained.coverage).toBeLessThan(1);
      expect(values.routingLocal).toBeLessThanOrEqual(Math.LN2 + 1e-4);
    }
    expect('accuracyFarPast' in values).toBe(arm === 'routing');
  });
});
