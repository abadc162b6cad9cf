import { describe, expect, it } from 'vitest';
import { claim } from '../../src/claims/cards/massive-activations.ts';
import type { Statement } from '../../src/claims/claim.ts';
import type { EmergenceResult } from '../../src/claims/emergence/experiment.ts';
import { emergence } from '../../src/claims/emergence/experiment.ts';
import type { EmergenceSetting } from '../../src/claims/emergence/setting.ts';
import { massiveIntervention, overwritten } from '../../src/claims/massive-intervention-node.ts';
import { massiveScan, scanFigures } from '../../src/claims/massive-scan-node.ts';
import { type MeasuredModel, withModel } from '../../src/claims/model-at-hand-node.ts';
import type { ScanFindings } from '../../src/measure/scan.ts';
import type { Edit } from '../../src/models/hooks.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower, type Within } from '../../src/tensor/index.ts';

const named = <S = unknown, R = MeasuredModel>(name: string) =>
  claim.statements.find((one) => one.name === name) as unknown as Statement<S, R>;
const measured = (values: Record<string, number>) => ({ model: [{ missing: null, values, seconds: 1 }] });

const scanned = {
  ...{ peakRatio: 13000, middleRatio: 8000, lastRatio: 190, atFirst: 1, samePlace: 1, channel: 507 },
  ...{ toFirstCarrying: 0.6, toFirstOther: 0.3, toFirstUniform: 0.06, sinkRate: 0.77, sinkUniform: 0 },
  ...{ ratioKept: 9000, ratioMoved: 9000, ratioRandom: 11, ratioPermuted: 8 },
  ...{ sinkKept: 0.7, sinkMoved: 0.7, sinkRandom: 0, sinkPermuted: 0 },
};
const untrained = {
  ...scanned,
  ...{ middleRatio: 10, lastRatio: 10, atFirst: 0, samePlace: 0, sinkRate: 0, toFirstCarrying: 0 },
};

describe('the judgements', () => {
  it('are shown by figures as a trained model has them, and not by those of an untrained one', () => {
    for (const name of ['few-and-fixed', 'attention-follows']) {
      expect(named(name).judge(measured(scanned)).verdict).toBe('shown');
      expect(named(name).judge(measured(untrained)).verdict).toBe('in part');
      expect(named(name).judge(measured({ ...untrained, ratioRandom: 99, sinkRandom: 1 })).verdict).toBe(
        'not shown at this scale',
      );
    }
  });

  it('biases: the mean does nothing, zero does much, random entries nothing', () => {
    const judge = (zero: number, mean: number, random: number) =>
      named('biases').judge(measured({ coordinates: 1, layer: 11, loss: 3, zero, mean, random })).verdict;
    expect(judge(2, 0.01, 0.001)).toBe('shown');
    expect(judge(0.02, 0.01, 0.001)).toBe('in part');
    expect(judge(0.02, 0.06, 0.5)).toBe('not shown at this scale');
  });

  it('biases: a model without massive entries is said to have none', () => {
    const { verdict, note } = named('biases').judge(measured({ coordinates: 0 }));
    expect(verdict).toBe('not shown at this scale');
    expect(note).toBe('In some texts the first token has no massive entry, so there is nothing to overwrite.');
  });

  it('without a checkpoint nothing is judged, and that is said', () => {
    const missing = { model: [{ missing: 'it is nowhere', values: {}, seconds: 0 }] };
    for (const name of ['few-and-fixed', 'attention-follows', 'biases']) {
      const { verdict, figures, note } = named(name).judge(missing);
      expect([verdict, figures]).toEqual(['not run', []]);
      expect(note).toMatch(/^There is no checkpoint at hand, and none is downloaded here \(it is nowhere\)\./);
    }
  });

  it('explicit bias: losses within 2 % and a shorter first token', () => {
    const arm = (loss: number, firstNormRatio: number) => [{ looks: [{ loss, firstNormRatio, largestRatio: 5 }] }];
    const judge = (loss: number, ratio: number) =>
      named<EmergenceSetting, EmergenceResult>('explicit-bias').judge({
        ...{ default: arm(2, 3), 'sink token': arm(2, 3), 'KV bias': arm(loss, ratio) },
      } as never).verdict;
    expect(judge(2.01, 2)).toBe('shown');
    expect(judge(2.01, 4)).toBe('in part');
    expect(judge(2.5, 4)).toBe('not shown at this scale');
  });
});

describe('figures of a scan', () => {
  it('are those of the middle, the end, the places and the layers that read a massive entry', () => {
    const entry = (layer: number, position: number) => ({
      ...{ layer, position, dimension: 7, value: 900, ratio: 1800, massive: true },
    });
    const findings = {
      page: {
        curves: { largest: [[1], [900], [800], [2], [3], [4]].map(([a]) => [a, 0, 0]), median: [1, 0.5, 0.5, 1, 1, 1] },
        massive: [entry(1, 0), entry(2, 0), entry(2, 5), { ...entry(3, 5), massive: false }],
      },
      massiveTexts: { texts: 4, carrying: 4, places: [{ dimension: 7, texts: 3 }] },
      received: [[0], [0.1], [0.5, 0.7], [0.8], [0.2], [0.1]],
      uniform: [0.1, 0.1],
      sinkRates: [{ rate: { mean: 0.7 }, uniform: 0 }],
      controls: [{ name: 'random initialisation', largestRatio: 9, rates: [{ rate: { mean: 0.1 } }] }],
    } as unknown as ScanFindings;
    const found = scanFigures(findings);
    expect(found).toMatchObject({ peakRatio: 1800, middleRatio: 1600, lastRatio: 4, samePlace: 0.75, channel: 7 });
    expect(found.atFirst).toBeCloseTo(2 / 3, 10);
    expect(found.toFirstCarrying).toBeCloseTo((0.6 + 0.8) / 2, 10);
    expect(found.toFirstOther).toBeCloseTo((0 + 0.1 + 0.2 + 0.1) / 4, 10);
    expect(found).toMatchObject({ ratioRandom: 9, sinkRandom: 0.1 });
  });
});

describe('overwriting', () => {
  it('changes the chosen dimensions of the first token and nothing else', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const edit = overwritten(3, 3, [0, 2], (m) => 10 + m)['blocks.3.hook_out'] as Edit<'B' | 'T' | 'M'>;
    const value = edit(input('x', { B: 'B', T: 'T', M: 3 }), { name: 'blocks.3.hook_out', layer: 3 });
    const program = await runtime.compile(lower({ value: { value: value as Within<string> } }, { weights: 'inputs' }));
    const x = { type: 'float32' as const, shape: [1, 2, 3], data: Float32Array.of(1e6, 2, 3, 4, 5, 6) };
    expect([...((await program.run({ x })).value!.data as Float32Array)]).toEqual([10, 2, 12, 4, 5, 6]);
  });
});

describe('the settings', () => {
  it.each(['minutes', 'night'] as const)('%s fit their experiments', (size) => {
    for (const setting of Object.values(named('few-and-fixed').settings(size))) massiveScan.setting.parse(setting);
    for (const setting of Object.values(named('biases').settings(size))) massiveIntervention.setting.parse(setting);
    for (const setting of Object.values(named('explicit-bias').settings(size))) emergence.setting.parse(setting);
  });

  it('a checkpoint that is not there is a result, not a failure; a name that is none is refused', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const absent = await withModel('nobody-here/no-such-model', { runtime }, async () => ({ never: 1 }));
    expect(absent.missing).toMatch(/no-such-model/);
    expect(absent.values).toEqual({});
    await expect(withModel('./no/such/folder', { runtime }, async () => ({}))).rejects.toThrow(/no such file/);
  });

  it.each(Object.entries(named<EmergenceSetting>('explicit-bias').settings('minutes')))(
    'explicit bias: %s runs',
    async (_, setting) => {
      await using runtime = nodeRuntime({ threads: 1 });
      const { looks } = await emergence.run({ ...setting, steps: 1, every: 1, batch: 2 }, 0, { runtime });
      expect(looks[0]!.firstNormRatio).toBeGreaterThan(0);
    },
  );
});
